import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {changed, type Handler, tagsFor} from './ec2-images.ts';
import {type Parameters, Refusal} from './model.ts';
import {filtersIn, given, partOf, tagsIn, textOf, textsOf} from './parameters.ts';
import {newId, type PeerImport, type PeerSnapshot, type PeerState, peerAccount} from './state.ts';

/** Snapshots, tags and imports, as the EC2 API reference has them. */
export const snapshotHandlers: Readonly<Record<string, Handler>> = {
  DescribeSnapshots: (state, parameters, region) => {
    const ids = textsOf(parameters, 'SnapshotIds');
    for (const id of ids) state.snapshot(id, region);
    const found = [...state.snapshots.values()].filter(
      (snapshot) =>
        snapshot.region === region &&
        (ids.length === 0 || ids.includes(snapshot.id)) &&
        filtersIn(parameters).every(({name, values}) => matches(snapshot, name, values)),
    );
    return {Snapshots: found.map(describe)};
  },

  DeleteSnapshot: (state, parameters, region) => {
    const {id} = state.snapshot(textOf(parameters, 'SnapshotId') ?? '', region);
    const user = [...state.images.values()].find(({mappings}) =>
      mappings.some(({snapshotId}) => snapshotId === id),
    );
    if (user !== undefined)
      throw new Refusal('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${user.id}`);
    state.snapshots.delete(id);
    return {};
  },

  DescribeSnapshotAttribute: (state, parameters, region) => {
    const {id, permissions} = state.snapshot(textOf(parameters, 'SnapshotId') ?? '', region);
    return {SnapshotId: id, CreateVolumePermissions: permissions};
  },

  ModifySnapshotAttribute: (state, parameters, region) => {
    const snapshot = state.snapshot(textOf(parameters, 'SnapshotId') ?? '', region);
    if (textOf(parameters, 'Attribute') !== 'createVolumePermission')
      throw new Refusal('InvalidParameterValue', 'The attribute is not createVolumePermission');
    snapshot.permissions = changed(snapshot.permissions, partOf(parameters, 'CreateVolumePermission'));
    return {};
  },

  CreateTags: (state, parameters, region) => {
    for (const resource of textsOf(parameters, 'Resources')) {
      const {tags} = resourceOf(state, resource, region);
      for (const [key, value] of tagsIn(parameters, 'Tags')) tags.set(key, value);
      if (tags.size > 50) throw new Refusal('TagLimitExceeded', 'A resource has at most 50 tags');
    }
    return {};
  },

  DeleteTags: (state, parameters, region) => {
    for (const resource of textsOf(parameters, 'Resources')) {
      const {tags} = resourceOf(state, resource, region);
      for (const key of tagsIn(parameters, 'Tags').keys()) tags.delete(key);
    }
    return {};
  },

  ImportSnapshot: (state, parameters, region) => {
    const token = textOf(parameters, 'ClientToken') ?? '';
    const known = [...state.imports.values()].find((task) => task.token === token && token !== '');
    if (known !== undefined) return {ImportTaskId: known.id};
    const container = partOf(parameters, 'DiskContainer');
    const place = partOf(container, 'UserBucket');
    const [bucket = '', key = ''] = [textOf(place, 'S3Bucket'), textOf(place, 'S3Key')];
    if (textOf(container, 'Format') !== 'RAW')
      throw new Refusal('InvalidParameter', 'The peer imports RAW only');
    if (state.buckets.get(bucket)?.has(key) !== true)
      throw new Refusal('InvalidParameter', `The given S3 object is not available: ${bucket}/${key}`);
    const task: PeerImport = {
      id: newId('import-snap'),
      region,
      bucket: bucket,
      key: key,
      description: textOf(parameters, 'Description') ?? '',
      tags: new Map(tagsFor(parameters, ['import-snapshot-task']).get('import-snapshot-task')),
      token,
      status: 'active',
      message: 'pending',
      pollsLeft: state.polls,
    };
    state.imports.set(task.id, task);
    return {ImportTaskId: task.id, Description: task.description};
  },

  DescribeImportSnapshotTasks: (state, parameters, region) => {
    const ids = textsOf(parameters, 'ImportTaskIds');
    for (const id of ids) {
      if (!state.imports.has(id))
        throw new Refusal('InvalidConversionTaskId.Malformed', `The import task ${id} does not exist`);
    }
    const found = [...state.imports.values()].filter(
      (task) => task.region === region && (ids.length === 0 || ids.includes(task.id)),
    );
    return {ImportSnapshotTasks: found.map((task) => describeImport(state, task))};
  },

  CancelImportTask: (state, parameters) => {
    const task = state.imports.get(textOf(parameters, 'ImportTaskId') ?? '');
    if (task?.status !== 'active') throw new Refusal('IncorrectState', 'The import task is over');
    task.status = 'deleted';
    task.message = 'cancelled';
    return {ImportTaskId: task.id, State: 'cancelled', PreviousState: 'active'};
  },
};

function describe(snapshot: PeerSnapshot): Parameters {
  if (snapshot.state === 'pending') {
    if (snapshot.pollsLeft <= 0) snapshot.state = 'completed';
    snapshot.pollsLeft -= 1;
  }
  return given({
    SnapshotId: snapshot.id,
    OwnerId: peerAccount,
    State: snapshot.state === 'open' ? 'pending' : snapshot.state,
    StateMessage: snapshot.message,
    Progress: snapshot.state === 'completed' ? '100%' : '42%',
    StartTime: snapshot.startedAt,
    VolumeSize: snapshot.sizeGib,
    Description: snapshot.description,
    Encrypted: snapshot.encrypted,
    KmsKeyId: snapshot.kmsKey,
    Tags: [...snapshot.tags].map(([Key, Value]) => ({Key, Value})),
  });
}

function describeImport(state: PeerState, task: PeerImport): Parameters {
  if (task.status === 'active') {
    if (task.pollsLeft <= 0) finishImport(state, task);
    task.pollsLeft -= 1;
  }
  return {
    ImportTaskId: task.id,
    Description: task.description,
    Tags: [...task.tags].map(([Key, Value]) => ({Key, Value})),
    SnapshotTaskDetail: given({
      Status: task.status,
      StatusMessage: task.message === '' ? undefined : task.message,
      Progress: task.status === 'active' ? '19' : undefined,
      SnapshotId: task.snapshotId,
      Format: 'RAW',
    }),
  };
}

function finishImport(state: PeerState, task: PeerImport): void {
  const {importFails: reason} = state.faults;
  const bytes = state.buckets.get(task.bucket)?.get(task.key);
  if (reason !== undefined || bytes === undefined) {
    task.status = 'deleted';
    task.message = reason ?? 'ClientError: The object is gone';
    return;
  }
  const id = newId('snap');
  const path = join(state.folder, id);
  writeFileSync(path, bytes);
  state.snapshots.set(id, {
    id,
    region: task.region,
    sizeGib: Math.ceil(bytes.length / 2 ** 30),
    startedAt: new Date(),
    description: `Created by AWS-VMImport service for ${task.id}`,
    encrypted: false,
    kmsKey: undefined,
    timeoutMinutes: undefined,
    token: '',
    asked: '',
    // The tags of the request are the task's own.
    tags: new Map(),
    blocks: new Map(),
    path,
    state: 'completed',
    pollsLeft: 0,
    permissions: [],
  });
  task.status = 'completed';
  task.message = '';
  task.snapshotId = id;
}

function resourceOf(state: PeerState, id: string, region: string): {readonly tags: Map<string, string>} {
  if (id.startsWith('ami-')) return state.image(id, region);
  return state.snapshot(id, region);
}

function matches({tags, state, id}: PeerSnapshot, name: string, values: readonly string[]): boolean {
  if (name.startsWith('tag:')) return values.includes(tags.get(name.slice(4)) ?? '\0');
  const value = {status: state === 'open' ? 'pending' : state, 'snapshot-id': id}[name];
  if (value === undefined) throw new Refusal('InvalidParameterValue', `The filter '${name}' is invalid`);
  return values.includes(value);
}
