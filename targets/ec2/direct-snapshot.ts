import {randomUUID} from 'node:crypto';
import {join} from 'node:path';
import type {Snapshot} from '@aws-sdk/client-ec2';
import type {Ebs} from '../../src/clients/aws/clients.ts';
import {awsCall, awsCode} from '../../src/clients/aws/errors.ts';
import {parseDuration} from '../../src/duration.ts';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import {withRetries} from '../../src/http/retry.ts';
import {printable} from '../../src/ui/format.ts';
import type {Artifact, CreateProgress, RemoteImage} from '../registrar.ts';
import {BlockNotes} from './block-notes.ts';
import {type DiskBlock, type SentBlocks, sendBlocks} from './blocks.ts';
import {readSnapshot} from './describe.ts';
import {type CallOptions, poll, type Region} from './region.ts';
import {removeSnapshot} from './removal.ts';
import type {Session} from './session.ts';
import {ownTags} from './tags.ts';

const gibibyte = 2 ** 30;
/** Each is a block in memory, and a connection; the SDK has 50 of these. */
const parallel = 32;
/** Of StartSnapshot, in minutes. */
const [shortestTimeout, usualTimeout, longestTimeout] = [10, 60, 4320] as const;

/**
 * A completed snapshot of the artifact by the EBS direct APIs: StartSnapshot, PutSnapshotBlock for each block with
 * data, CompleteSnapshot. An unfinished one of this artifact gets the blocks that it lacks.
 */
export async function directSnapshot(
  session: Session,
  artifact: Artifact,
  {progress, unfinished}: {readonly progress: CreateProgress; readonly unfinished?: RemoteImage | undefined},
): Promise<string> {
  const before = unfinished === undefined ? undefined : await readSnapshot(session.home, unfinished.id);
  const resumed = before === undefined ? undefined : await resume(session, before, {artifact, progress});
  const id = resumed ?? (await begin(session, artifact, progress));
  await waitForSnapshot(session.home, id, progress.report);
  BlockNotes.forget(session.notesFolder, id);
  return id;
}

/** Goes on with a snapshot; undefined where it cannot be gone on with: then it is taken away. */
async function resume(
  session: Session,
  {SnapshotId: id = '', State: state}: Snapshot,
  {artifact, progress}: {readonly artifact: Artifact; readonly progress: CreateProgress},
): Promise<string | undefined> {
  progress.begun(id, {snapshots: id});
  if (state === 'completed') return id;
  try {
    if (state === 'pending') {
      await fill(session, id, {artifact, progress});
      return id;
    }
  } catch (error) {
    // It was completed by somebody who left no notes here, or EBS has given it up.
    if (!/^(ValidationException|ResourceNotFoundException|ConflictException)$/.test(awsCode(error) ?? ''))
      throw error;
  }
  await removeSnapshot(session.home, id);
  BlockNotes.forget(session.notesFolder, id);
  return undefined;
}

async function begin(session: Session, artifact: Artifact, progress: CreateProgress): Promise<string> {
  const id = await start(session, artifact);
  progress.begun(id, {snapshots: id});
  await fill(session, id, {artifact, progress});
  return id;
}

/** Puts the blocks that are not there yet, and completes the snapshot. */
async function fill(
  session: Session,
  id: string,
  {artifact, progress}: {readonly artifact: Artifact; readonly progress: CreateProgress},
): Promise<void> {
  const {request, notesFolder} = session;
  const notes = BlockNotes.open(notesFolder, id, request.mark.digest);
  try {
    if (notes.isSealed) return;
    const sent = await sendBlocks(join(artifact.folder, artifact.file), {
      sizeBytes: virtualSize(artifact),
      parallel,
      isThere: (index) => notes.has(index),
      put: async (block, signal) => {
        await putBlock(session, id, {block, signal});
        notes.add(block.index);
      },
      report: (fraction) => progress.report('Uploading blocks', fraction),
      signal: request.signal,
    });
    await complete(session, id, sent);
    notes.seal();
  } finally {
    notes.close();
  }
}

async function start(session: Session, artifact: Artifact): Promise<string> {
  const {request, register} = session;
  const {timeout, encrypted, kms_key_id: key} = register;
  const minutes = Math.ceil((parseDuration(timeout ?? '') ?? usualTimeout * 60_000) / 60_000);
  const {SnapshotId: id} = await call(session, 'StartSnapshot', ({sdk, client}, options) =>
    client.send(
      new sdk.StartSnapshotCommand({
        VolumeSize: Math.ceil(virtualSize(artifact) / gibibyte),
        Description: `fgimage ${request.mark.lineage}`.slice(0, 255),
        Tags: ownTags(request.mark, register),
        // Of this call and its repetitions; a later run finds the snapshot by its tags.
        ClientToken: randomUUID(),
        Timeout: Math.min(Math.max(minutes, shortestTimeout), longestTimeout),
        ...(encrypted === true ? {Encrypted: true} : {}),
        ...(key === undefined ? {} : {KmsKeyArn: key}),
      }),
      options,
    ),
  );
  if (id === undefined) throw new RemoteError('refused', 'StartSnapshot gives no snapshot');
  return id;
}

/** A snapshot that was just started is unknown to some of the servers for a while. */
const unknownDelaysMs = [500, 1000, 2000, 4000, 8000, 15_000];

async function putBlock(
  session: Session,
  id: string,
  {block: {index, data, checksum}, signal}: {block: DiskBlock; signal: AbortSignal},
): Promise<void> {
  const put = async (): Promise<void> => {
    try {
      await call(session, 'PutSnapshotBlock', ({sdk, client}) =>
        client.send(
          new sdk.PutSnapshotBlockCommand({
            SnapshotId: id,
            BlockIndex: index,
            BlockData: data,
            DataLength: data.length,
            Checksum: checksum,
            ChecksumAlgorithm: 'SHA256',
          }),
          {abortSignal: signal},
        ),
      );
    } catch (error) {
      if (awsCode(error) !== 'ResourceNotFoundException' || !(error instanceof RemoteError)) throw error;
      throw new RemoteError(error.kind, error.message, {
        hint: error.hint,
        cause: error.cause,
        retriable: true,
      });
    }
  };
  await withRetries(put, {signal, delaysMs: unknownDelaysMs});
}

async function complete(session: Session, id: string, {count, checksum}: SentBlocks): Promise<void> {
  await call(session, 'CompleteSnapshot', ({sdk, client}, options) =>
    client.send(
      new sdk.CompleteSnapshotCommand({
        SnapshotId: id,
        ChangedBlocksCount: count,
        Checksum: checksum,
        ChecksumAlgorithm: 'SHA256',
        ChecksumAggregationMethod: 'LINEAR',
      }),
      options,
    ),
  );
}

/** Waits until a snapshot is completed. Throws the service's reason where it never will be. */
export async function waitForSnapshot(
  region: Region,
  id: string,
  report: (message: string) => void,
): Promise<void> {
  await poll(region.signal, async () => {
    const {State: state, StateMessage: message = '', Progress: done} = (await readSnapshot(region, id)) ?? {};
    if (state === 'completed') return true;
    if (state === 'error' || state === 'recoverable')
      throw new FgError('REMOTE_REFUSED', `The snapshot ${id} is in "${state}": ${printable(message)}`);
    report(
      `The snapshot ${id} is ${state ?? 'not known yet'}${done === undefined ? '' : `, ${printable(done)}`}`,
    );
    return undefined;
  });
}

/** Of a raw disk, that of the file. */
function virtualSize({files, file, virtualSizeBytes}: Artifact): number {
  const sizeBytes = virtualSizeBytes ?? files.find(({path}) => path === file)?.sizeBytes;
  if (sizeBytes === undefined) throw new Error(`The artifact has no ${file}`);
  return sizeBytes;
}

async function call<T>(
  session: Session,
  action: string,
  make: (ebs: Ebs, options: CallOptions) => Promise<T>,
): Promise<T> {
  const ebs = await session.ebs();
  const {signal} = session.request;
  const {profile} = session.register;
  return awsCall({service: 'ebs', action, endpoint: ebs.endpoint, profile}, signal, () =>
    make(ebs, {abortSignal: signal}),
  );
}
