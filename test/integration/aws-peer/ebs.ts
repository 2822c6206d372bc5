import {createHash} from 'node:crypto';
import {closeSync, openSync, truncateSync, writeFileSync, writeSync} from 'node:fs';
import type {IncomingHttpHeaders} from 'node:http';
import {join} from 'node:path';
import {type Model, type Operation, type Parameters, Refusal, shapeOf, type Value} from './model.ts';
import {numberOf, tagsIn, textOf} from './parameters.ts';
import {newId, type PeerSnapshot, type PeerState, peerAccount} from './state.ts';
import {type Complain, validate} from './validate.ts';

/** The EBS direct APIs (rest-json), as its model and user guide have them. */
const ebsBlockBytes = 524_288;

export interface EbsRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly region: string;
}

export interface EbsAnswer {
  readonly action: string;
  readonly status: number;
  readonly json: Parameters;
  readonly headers?: Readonly<Record<string, string>>;
}

export function ebsAction(model: Model, {method, path}: Pick<EbsRequest, 'method' | 'path'>): string {
  return routeOf(model, method, path).action;
}

export function answerEbs(state: PeerState, model: Model, request: EbsRequest): EbsAnswer {
  const {action, operation, uri} = routeOf(model, request.method, request.path);
  const parameters = readParameters(model, operation, {request, uri});
  validate(model, {shape: operation.input?.shape ?? '', value: parameters, complain});
  const status = operation.http.responseCode ?? 200;
  const {region, body} = request;
  switch (action) {
    case 'StartSnapshot':
      return {action, status, json: start(state, parameters, region)};
    case 'PutSnapshotBlock': {
      const checksum = put(state, parameters, {region, body});
      return {
        action,
        status,
        json: {},
        headers: {'x-amz-checksum': checksum, 'x-amz-checksum-algorithm': 'SHA256'},
      };
    }
    case 'CompleteSnapshot':
      return {action, status, json: complete(state, parameters, region)};
    default:
      throw new Refusal('ValidationException', `The peer does not know ${action}`);
  }
}

const complain: Complain = (_kind, message) => new Refusal('ValidationException', message);

function start(state: PeerState, parameters: Parameters, region: string): Parameters {
  const token = textOf(parameters, 'ClientToken') ?? '';
  if (token === '' || token.length > 64 || /[^\x20-\x7e]/.test(token))
    throw new Refusal('ValidationException', 'ClientToken has 1 to 64 ASCII characters');
  const asked = JSON.stringify(parameters);
  const known = [...state.snapshots.values()].find(
    (snapshot) => snapshot.token === token && snapshot.region === region,
  );
  if (known !== undefined && known.asked !== asked)
    throw new Refusal('ConflictException', 'The client token was used with other parameters', 503);
  if ('KmsKeyArn' in parameters && parameters['Encrypted'] !== true)
    throw new Refusal('ValidationException', 'KmsKeyArn needs Encrypted');
  const id = known?.id ?? newId('snap');
  const sizeGib = numberOf(parameters, 'VolumeSize') ?? 0;
  if (sizeGib > 65_536) throw new Refusal('ValidationException', 'The volume is too large');
  if (known === undefined) {
    const path = join(state.folder, id);
    writeFileSync(path, '');
    truncateSync(path, sizeGib * 2 ** 30);
    state.snapshots.set(id, {
      id,
      region,
      sizeGib,
      startedAt: new Date(),
      description: textOf(parameters, 'Description') ?? '',
      encrypted: parameters['Encrypted'] === true,
      kmsKey: textOf(parameters, 'KmsKeyArn'),
      timeoutMinutes: numberOf(parameters, 'Timeout'),
      token,
      asked,
      tags: new Map(tagsIn(parameters, 'Tags')),
      blocks: new Map(),
      path,
      state: 'open',
      pollsLeft: state.polls,
      permissions: [],
    });
  }
  return {
    SnapshotId: id,
    OwnerId: peerAccount,
    Status: 'pending',
    VolumeSize: sizeGib,
    BlockSize: ebsBlockBytes,
  };
}

function put(
  state: PeerState,
  parameters: Parameters,
  {region, body}: {readonly region: string; readonly body: Buffer},
): string {
  if ((state.faults.unknownPuts ?? 0) > 0) {
    state.faults.unknownPuts = (state.faults.unknownPuts ?? 0) - 1;
    throw new Refusal('ResourceNotFoundException', 'The specified snapshot does not exist', 404);
  }
  const snapshot = openSnapshot(state, parameters, region);
  const index = numberOf(parameters, 'BlockIndex') ?? 0;
  if (index >= (snapshot.sizeGib * 2 ** 30) / ebsBlockBytes)
    throw new Refusal('ValidationException', `The block ${index} is behind the end of the volume`);
  if (numberOf(parameters, 'DataLength') !== ebsBlockBytes || body.length !== ebsBlockBytes)
    throw new Refusal('ValidationException', `A block has ${ebsBlockBytes} bytes, not ${body.length}`);
  const digest = createHash('sha256').update(body).digest();
  if (digest.toString('base64') !== textOf(parameters, 'Checksum'))
    throw new Refusal('ValidationException', 'The checksum is not that of the data');
  const file = openSync(snapshot.path, 'r+');
  writeSync(file, body, 0, body.length, index * ebsBlockBytes);
  closeSync(file);
  snapshot.blocks.set(index, digest);
  return digest.toString('base64');
}

function complete(state: PeerState, parameters: Parameters, region: string): Parameters {
  const snapshot = openSnapshot(state, parameters, region);
  const count = numberOf(parameters, 'ChangedBlocksCount');
  if (count !== snapshot.blocks.size)
    throw new Refusal(
      'ValidationException',
      `ChangedBlocksCount is ${String(count)}, and ${snapshot.blocks.size} blocks were written`,
    );
  const checksum = textOf(parameters, 'Checksum');
  if (checksum !== undefined && checksum !== aggregate(snapshot))
    throw new Refusal('ValidationException', 'The aggregated checksum is not that of the blocks');
  if (checksum !== undefined && textOf(parameters, 'ChecksumAggregationMethod') !== 'LINEAR')
    throw new Refusal('ValidationException', 'An aggregated checksum needs its method');
  snapshot.state = 'pending';
  return {Status: 'pending'};
}

/** Written by another hand than fgimage's: all digests in the order of their indexes, then one hash. */
function aggregate({blocks}: PeerSnapshot): string {
  const sorted = [...blocks].sort(([a], [b]) => a - b).map(([, digest]) => digest);
  return createHash('sha256').update(Buffer.concat(sorted)).digest('base64');
}

function openSnapshot(state: PeerState, parameters: Parameters, region: string): PeerSnapshot {
  const id = textOf(parameters, 'SnapshotId') ?? '';
  const snapshot = state.snapshots.get(id);
  if (snapshot?.region !== region)
    throw new Refusal('ResourceNotFoundException', `The snapshot ${id} does not exist`, 404);
  if (snapshot.state !== 'open')
    throw new Refusal('ValidationException', `The snapshot ${id} is not in the pending state`);
  return snapshot;
}

function routeOf(
  model: Model,
  method: string,
  path: string,
): {readonly action: string; readonly operation: Operation; readonly uri: ReadonlyMap<string, string>} {
  for (const [action, operation] of Object.entries(model.operations)) {
    const wanted = operation.http.requestUri.split('/');
    const parts = path.split('/');
    if (operation.http.method !== method || wanted.length !== parts.length) continue;
    const isSame = wanted.every((part, at) => part.startsWith('{') || part === parts[at]);
    if (!isSame) continue;
    const uri = wanted.flatMap((part, at): readonly (readonly [string, string])[] =>
      part.startsWith('{') ? [[part.slice(1, -1), decodeURIComponent(parts[at] ?? '')]] : [],
    );
    return {action, operation, uri: new Map(uri)};
  }
  throw new Refusal('UnknownOperationException', `There is no ${method} ${path}`, 404);
}

function readParameters(
  model: Model,
  operation: Operation,
  {request, uri}: {readonly request: EbsRequest; readonly uri: ReadonlyMap<string, string>},
): Parameters {
  const shape = shapeOf(model, operation.input?.shape ?? '');
  const members = Object.entries(shape.members ?? {});
  const located = members.flatMap(([name, member]) => {
    const key = member.locationName ?? name;
    const text =
      member.location === 'uri'
        ? uri.get(key)
        : member.location === 'header'
          ? request.headers[key.toLowerCase()]
          : undefined;
    if (typeof text !== 'string') return [];
    const {type} = shapeOf(model, member.shape);
    return [[name, type === 'integer' || type === 'long' ? Number(text) : text] as const];
  });
  if (shape.payload !== undefined) return {...Object.fromEntries(located), [shape.payload]: 'bytes'};
  const isInBody = members.some(([, {location}]) => location === undefined);
  const body = isInBody ? (JSON.parse(request.body.toString('utf8')) as Record<string, Value>) : {};
  return {...body, ...Object.fromEntries(located)};
}
