import {type Parameters, Refusal} from './model.ts';
import {filtersIn, given, listOf, numberOf, partOf, partsOf, tagsIn, textOf, textsOf} from './parameters.ts';
import {
  newId,
  type PeerImage,
  type PeerMapping,
  type PeerState,
  type Permission,
  peerAccount,
} from './state.ts';

/** AMIs, as the EC2 API reference has them. */
export type Handler = (state: PeerState, parameters: Parameters, region: string) => Parameters;

export const imageHandlers: Readonly<Record<string, Handler>> = {
  DescribeImages: (state, parameters, region) => {
    const filters = filtersIn(parameters);
    const ids = textsOf(parameters, 'ImageIds');
    for (const id of ids) state.image(id, region);
    const found = [...state.images.values()].filter(
      (image) =>
        image.region === region &&
        (ids.length === 0 || ids.includes(image.id)) &&
        (image.state !== 'disabled' || parameters['IncludeDisabled'] === true) &&
        filters.every(({name, values}) => matches(image, name, values)),
    );
    return {Images: found.map((image) => describe(state, image))};
  },

  RegisterImage: (state, parameters, region) => {
    const name = textOf(parameters, 'Name') ?? '';
    checkName(state, name, region);
    const rootDevice = textOf(parameters, 'RootDeviceName');
    const mappings = partsOf(parameters, 'BlockDeviceMappings').map((mapping) =>
      readMapping(state, mapping, region),
    );
    if (rootDevice === undefined || mappings.every(({device}) => device !== rootDevice))
      throw new Refusal('InvalidBlockDeviceMapping', 'No root snapshot specified in device mapping.');
    // What real EC2 takes when it is not told.
    const virtualization = textOf(parameters, 'VirtualizationType') ?? 'paravirtual';
    const architecture = textOf(parameters, 'Architecture') ?? 'i386';
    const ena = parameters['EnaSupport'] === true;
    if (ena && virtualization !== 'hvm')
      throw new Refusal('InvalidParameterCombination', 'enaSupport is supported for hvm images only.');
    const bootMode = textOf(parameters, 'BootMode');
    const tpm = textOf(parameters, 'TpmSupport');
    if (tpm !== undefined && bootMode !== 'uefi')
      throw new Refusal('InvalidParameterCombination', 'TpmSupport requires the boot mode uefi.');
    const image: PeerImage = {
      id: newId('ami'),
      region,
      name,
      description: textOf(parameters, 'Description') ?? '',
      createdAt: new Date(),
      architecture,
      virtualization,
      bootMode,
      tpm,
      imds: textOf(parameters, 'ImdsSupport'),
      ena,
      rootDevice,
      mappings,
      tags: new Map(tagsFor(parameters, ['image']).get('image')),
      state: 'pending',
      pollsLeft: state.polls,
      permissions: [],
    };
    state.images.set(image.id, image);
    return {ImageId: image.id};
  },

  DeregisterImage: (state, parameters, region) => {
    const image = state.image(textOf(parameters, 'ImageId') ?? '', region);
    state.images.delete(image.id);
    return {};
  },

  DescribeImageAttribute: (state, parameters, region) => {
    const image = state.image(textOf(parameters, 'ImageId') ?? '', region);
    if (textOf(parameters, 'Attribute') !== 'launchPermission')
      throw new Refusal('InvalidParameterValue', 'The peer knows launchPermission only');
    return {ImageId: image.id, LaunchPermissions: image.permissions};
  },

  ModifyImageAttribute: (state, parameters, region) => {
    const image = state.image(textOf(parameters, 'ImageId') ?? '', region);
    const change = partOf(parameters, 'LaunchPermission');
    const isPublic = partsOf(change, 'Add').some((one) => textOf(one, 'Group') === 'all');
    const isEncrypted = image.mappings.some(({snapshotId}) => state.snapshot(snapshotId, region).encrypted);
    if (isPublic && isEncrypted)
      throw new Refusal('InvalidParameter', 'An image with an encrypted snapshot cannot be made public');
    image.permissions = changed(image.permissions, change);
    const description = textOf(partOf(parameters, 'Description'), 'Value');
    if (description !== undefined) image.description = description;
    const imds = textOf(partOf(parameters, 'ImdsSupport'), 'Value');
    if (imds !== undefined) {
      if (imds !== 'v2.0') throw new Refusal('InvalidParameterValue', `imdsSupport cannot be ${imds}`);
      image.imds = imds;
    }
    return {};
  },

  EnableImageDeprecation: (state, parameters, region) => {
    const image = state.image(textOf(parameters, 'ImageId') ?? '', region);
    const at = parameters['DeprecateAt'];
    if (!(at instanceof Date) || at.getTime() <= Date.now())
      throw new Refusal('InvalidParameterValue', 'The deprecation date must be in the future');
    image.deprecateAt = at;
    return {Return: true};
  },

  CopyImage: (state, parameters, region) => {
    const token = textOf(parameters, 'ClientToken');
    const known = [...state.images.values()].find(
      (image) => token !== undefined && image.token === token && image.region === region,
    );
    if (known !== undefined) return {ImageId: known.id};
    const sourceRegion = textOf(parameters, 'SourceRegion') ?? '';
    const source = state.image(textOf(parameters, 'SourceImageId') ?? '', sourceRegion);
    if (source.state !== 'available')
      throw new Refusal('IncorrectState', `The image ${source.id} is ${source.state}`);
    const tags = tagsFor(parameters, ['image', 'snapshot']);
    const mappings = source.mappings.map((mapping) => {
      const from = state.snapshot(mapping.snapshotId, sourceRegion);
      const id = newId('snap');
      state.snapshots.set(id, {
        ...from,
        id,
        region,
        token: '',
        startedAt: new Date(),
        encrypted: from.encrypted || parameters['Encrypted'] === true,
        tags: new Map(tags.get('snapshot')),
        permissions: [],
      });
      return {...mapping, snapshotId: id};
    });
    const fails = state.faults.copyFails;
    const image: PeerImage = {
      ...source,
      id: newId('ami'),
      region,
      name: textOf(parameters, 'Name') ?? '',
      description: textOf(parameters, 'Description') ?? '',
      createdAt: new Date(),
      mappings,
      tags: new Map(tags.get('image')),
      state: fails === undefined ? 'pending' : 'failed',
      ...(fails === undefined ? {} : {reason: {Code: 'Client.Failure', Message: fails}}),
      pollsLeft: state.polls,
      permissions: [],
      ...(token === undefined ? {} : {token}),
    };
    state.images.set(image.id, image);
    return {ImageId: image.id};
  },
};

function describe(state: PeerState, image: PeerImage): Parameters {
  if (image.state === 'pending') {
    if (image.pollsLeft <= 0) image.state = 'available';
    image.pollsLeft -= 1;
  }
  return given({
    ImageId: image.id,
    OwnerId: peerAccount,
    Name: image.name,
    Description: image.description === '' ? undefined : image.description,
    State: image.state,
    StateReason: image.reason,
    CreationDate: image.createdAt.toISOString(),
    Architecture: image.architecture,
    VirtualizationType: image.virtualization,
    RootDeviceType: 'ebs',
    RootDeviceName: image.rootDevice,
    EnaSupport: image.ena ? true : undefined,
    BootMode: image.bootMode,
    TpmSupport: image.tpm,
    ImdsSupport: image.imds,
    Public: image.permissions.some(({Group: group}) => group === 'all'),
    DeprecationTime: image.deprecateAt?.toISOString(),
    Tags: [...image.tags].map(([Key, Value]) => ({Key, Value})),
    BlockDeviceMappings: image.mappings.map((mapping) => ({
      DeviceName: mapping.device,
      Ebs: given({
        SnapshotId: mapping.snapshotId,
        VolumeSize: mapping.sizeGib,
        VolumeType: mapping.volumeType,
        DeleteOnTermination: true,
        Encrypted: state.snapshots.get(mapping.snapshotId)?.encrypted ?? false,
        Iops: mapping.iops,
        Throughput: mapping.throughput,
      }),
    })),
  });
}

/** The constraints of RegisterImage's Name. */
function checkName(state: PeerState, name: string, region: string): void {
  if (!/^[A-Za-z0-9()[\] ./\-'@_]{3,128}$/.test(name))
    throw new Refusal(
      'InvalidAMIName.Malformed',
      `AMI names must be between 3 and 128 characters long: ${name}`,
    );
  const holder = [...state.images.values()].find((image) => image.name === name && image.region === region);
  if (holder !== undefined)
    throw new Refusal('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${holder.id}`);
}

function readMapping(state: PeerState, mapping: Parameters, region: string): PeerMapping {
  const ebs = partOf(mapping, 'Ebs');
  const snapshot = state.snapshot(textOf(ebs, 'SnapshotId') ?? '', region);
  if (snapshot.state !== 'completed')
    throw new Refusal('InvalidSnapshot.InvalidState', `Snapshot ${snapshot.id} is not in state "completed"`);
  if ('Encrypted' in ebs)
    throw new Refusal(
      'InvalidParameterCombination',
      'The parameter snapshotId cannot be used with the parameter encrypted',
    );
  const volumeType = textOf(ebs, 'VolumeType') ?? 'standard';
  if (!state.faults.volumeTypes.includes(volumeType))
    throw new Refusal(
      'UnknownVolumeType',
      `Unsupported volume type '${volumeType}' for volume creation in ${region}.`,
    );
  const iops = numberOf(ebs, 'Iops') ?? (volumeType === 'gp3' ? 3000 : undefined);
  const throughput = numberOf(ebs, 'Throughput');
  return {
    device: textOf(mapping, 'DeviceName') ?? '',
    snapshotId: snapshot.id,
    sizeGib: numberOf(ebs, 'VolumeSize') ?? snapshot.sizeGib,
    volumeType,
    ...(iops === undefined ? {} : {iops}),
    ...(throughput === undefined ? {} : {throughput}),
  };
}

/** Tags by resource type. Throws for types that the call does not take. */
export function tagsFor(
  parameters: Parameters,
  types: readonly string[],
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  return new Map(
    partsOf(parameters, 'TagSpecifications').map((specification) => {
      const type = textOf(specification, 'ResourceType') ?? '';
      if (!types.includes(type))
        throw new Refusal(
          'InvalidParameterValue',
          `'${type}' is not a valid taggable resource type for this operation.`,
        );
      return [type, tagsIn(specification, 'Tags')];
    }),
  );
}

export function changed(before: readonly Permission[], change: Parameters): readonly Permission[] {
  const same = (a: Permission, b: Permission): boolean => JSON.stringify(a) === JSON.stringify(b);
  const add = listOf(change, 'Add') as readonly Permission[];
  const remove = listOf(change, 'Remove') as readonly Permission[];
  const kept = before.filter((one) => ![...add, ...remove].some((other) => same(one, other)));
  return [...kept, ...add];
}

function matches(image: PeerImage, name: string, values: readonly string[]): boolean {
  if (name.startsWith('tag:')) return values.includes(image.tags.get(name.slice(4)) ?? '\0');
  if (name === 'block-device-mapping.snapshot-id')
    return image.mappings.some(({snapshotId}) => values.includes(snapshotId));
  const value = {name: image.name, 'image-id': image.id, state: image.state}[name];
  if (value === undefined) throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`);
  return values.includes(value);
}
