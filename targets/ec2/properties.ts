import type {Image as Ami, LaunchPermission} from '@aws-sdk/client-ec2';
import type {Image} from '../../src/spec/image.ts';
import type {RemoteProperties} from '../registrar.ts';
import type {Ec2Options, Ec2RegisterOptions} from './schema.ts';
import {tagsOf} from './tags.ts';

/** Under which an AMI's root disk is attached; the guest's root is found by its UUID whatever it is called. */
export const rootDeviceName = '/dev/xvda';

export const launchPermissions = 'launch-permissions';
export const snapshotPermissions = 'snapshot-permissions';
const tagPrefix = 'tag:';

export interface Wanted {
  readonly image: Image;
  readonly options: Ec2Options;
  readonly register: Ec2RegisterOptions;
}

/** What an AMI is to say of itself; `copyProperties` says what its copies are to. */
export function wantedProperties(wanted: Wanted): RemoteProperties {
  const {register} = wanted;
  const {encrypted, iops, throughput, imds, tpm, launch_permissions: permissions} = register;
  const description = register.description ?? wanted.image.description;
  const text: Readonly<Record<string, string | undefined>> = {
    architecture: ec2Architecture(wanted.image),
    'boot-mode': bootMode(wanted),
    description: description === '' ? undefined : description?.replaceAll(/\s+/g, ' ').slice(0, 255),
    'ena-support': 'true',
    encrypted: encrypted?.toString(),
    'imds-support': imds === 'v2.0' ? imds : undefined,
    iops: iops?.toString(),
    throughput: throughput?.toString(),
    'root-device-name': rootDeviceName,
    'tpm-support': tpm === true ? 'v2.0' : undefined,
    'virtualization-type': 'hvm',
    'volume-type': register.volume_type,
    ...Object.fromEntries(
      Object.entries(register.tags ?? {}).map(([key, value]) => [tagPrefix + key, value]),
    ),
    [launchPermissions]: permissions === undefined ? undefined : permissionText(wantedPermissions(register)),
    [snapshotPermissions]:
      permissions === undefined || !register.share_snapshot
        ? undefined
        : permissionText(wantedPermissions(register).filter(({UserId}) => UserId !== undefined)),
  };
  return defined(text);
}

/** What boots under both is preferred to boot by UEFI. */
export function bootMode({image, options, register}: Wanted): 'uefi-preferred' | 'uefi' | 'legacy-bios' {
  const usual = {bios: 'legacy-bios', uefi: 'uefi', both: 'uefi-preferred'} as const;
  return register.boot_mode ?? (image.os.architecture === 'arm64' ? 'uefi' : usual[options.firmware]);
}

/** EC2's word for an architecture (RegisterImage, Architecture). */
export function ec2Architecture({os}: Image): 'x86_64' | 'arm64' {
  return os.architecture === 'arm64' ? 'arm64' : 'x86_64';
}

/** The same of an AMI that is there, without its permissions: these have to be asked for one by one. */
export function foundProperties(ami: Ami, wanted: RemoteProperties): RemoteProperties {
  const root = ami.BlockDeviceMappings?.find(({DeviceName: name}) => name === ami.RootDeviceName)?.Ebs;
  const tags = tagsOf(ami.Tags);
  const wantedTags = Object.keys(wanted).filter((name) => name.startsWith(tagPrefix));
  const text: Readonly<Record<string, string | undefined>> = {
    architecture: ami.Architecture,
    'boot-mode': ami.BootMode,
    description: ami.Description === '' ? undefined : ami.Description,
    'ena-support': ami.EnaSupport?.toString(),
    encrypted: root?.Encrypted?.toString(),
    'imds-support': ami.ImdsSupport,
    iops: root?.Iops?.toString(),
    throughput: root?.Throughput?.toString(),
    'root-device-name': ami.RootDeviceName,
    'tpm-support': ami.TpmSupport,
    'virtualization-type': ami.VirtualizationType,
    'volume-type': root?.VolumeType,
    ...Object.fromEntries(wantedTags.map((name) => [name, tags[name.slice(tagPrefix.length)]])),
  };
  return defined(
    Object.fromEntries(
      Object.entries(text).filter(([name]) => name in wanted || !onlyWhereWanted.includes(name)),
    ),
  );
}

/** What the service fills in by itself where it is not told. */
const onlyWhereWanted = ['description', 'encrypted', 'iops', 'throughput'];

/** What RegisterImage alone can say; IMDSv2 may be demanded later, but not be taken back. */
export function isFixed(name: string, to: string | undefined): boolean {
  if (name === 'imds-support') return to === undefined;
  return [
    ...['architecture', 'boot-mode', 'ena-support', 'encrypted', 'iops', 'throughput'],
    ...['root-device-name', 'tpm-support', 'virtualization-type', 'volume-type'],
  ].includes(name);
}

/** The key of the tag that a property stands for. */
export function tagOf(property: string): string | undefined {
  return property.startsWith(tagPrefix) ? property.slice(tagPrefix.length) : undefined;
}

/** One entry for each permission, as ModifyImageAttribute takes them. */
export function wantedPermissions({
  launch_permissions: permissions = {},
}: Ec2RegisterOptions): readonly LaunchPermission[] {
  const {users = [], groups = [], organizations = [], organizational_units: units = []} = permissions;
  return [
    ...groups.map((Group) => ({Group})),
    ...users.map((UserId) => ({UserId})),
    ...organizations.map((OrganizationArn) => ({OrganizationArn})),
    ...units.map((OrganizationalUnitArn) => ({OrganizationalUnitArn})),
  ];
}

/** One text for the same permissions, in whatever order they are told. */
export function permissionText(permissions: readonly LaunchPermission[]): string {
  const texts = permissions.map(permissionName);
  return texts.length === 0 ? 'nobody' : [...new Set(texts)].sort().join(' ');
}

export function permissionName({
  Group: group,
  UserId: user,
  OrganizationArn: organization,
  OrganizationalUnitArn: unit,
}: LaunchPermission): string {
  if (group !== undefined) return group;
  return user ?? organization ?? unit ?? '';
}

function defined(values: Readonly<Record<string, string | undefined>>): RemoteProperties {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
