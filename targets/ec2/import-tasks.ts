import {randomUUID} from 'node:crypto';
import type {ImportSnapshotTask} from '@aws-sdk/client-ec2';
import {FgError} from '../../src/errors.ts';
import {printable} from '../../src/ui/format.ts';
import type {Artifact, CreateProgress, RemoteImage, RemoteProperties} from '../registrar.ts';
import {isGone} from './describe.ts';
import {waitForSnapshot} from './direct-snapshot.ts';
import {poll} from './region.ts';
import {removeSnapshot} from './removal.ts';
import {forgetObject, objectKey, uploadObject} from './s3-object.ts';
import type {Session} from './session.ts';
import {markOf, ownTags, tagsOf} from './tags.ts';

/**
 * A completed snapshot of the artifact by way of S3: an object, ImportSnapshot, and the task until it is done. The
 * object goes as soon as the snapshot is there. (VM Import/Export user guide, "Importing a disk as a snapshot".)
 */
export async function importedSnapshot(
  session: Session,
  artifact: Artifact,
  {progress, unfinished}: {readonly progress: CreateProgress; readonly unfinished?: RemoteImage | undefined},
): Promise<string> {
  const {home} = session;
  if (unfinished?.id.startsWith('snap-') === true) {
    await forgetObject(session);
    await waitForSnapshot(home, unfinished.id, progress.report);
    return unfinished.id;
  }
  const taskId = unfinished?.id ?? (await startImport(session, artifact, progress));
  progress.begun(taskId);
  const id = await poll(home.signal, async () => {
    const task = await readTask(session, taskId);
    const {
      SnapshotId: snapshot,
      Status: status,
      Progress: done,
      StatusMessage: message,
    } = task?.SnapshotTaskDetail ?? {};
    if (status === 'completed' && snapshot !== undefined) return snapshot;
    if (status === 'deleted' || status === 'deleting') throw importFailed(taskId, message);
    const percent = done === undefined ? '' : `, ${printable(done)} %`;
    progress.report(`${taskId} is ${printable(message ?? status ?? 'not known yet')}${percent}`);
    return undefined;
  });
  await home.call('CreateTags', ({sdk, client}, options) =>
    client.send(
      new sdk.CreateTagsCommand({Resources: [id], Tags: ownTags(session.request.mark, session.register)}),
      options,
    ),
  );
  progress.begun(id, {snapshots: id});
  await forgetObject(session);
  await waitForSnapshot(home, id, progress.report);
  return id;
}

function importFailed(taskId: string, message: string | undefined): FgError {
  return new FgError(
    'REMOTE_REFUSED',
    `EC2 gave up ${taskId}: ${printable(message ?? 'no reason is told')}`,
    {hint: 'Check that the role of VM Import/Export (register.role_name, vmimport) may read the bucket.'},
  );
}

async function startImport(session: Session, artifact: Artifact, progress: CreateProgress): Promise<string> {
  const {home, request, register} = session;
  const {bucket: S3Bucket, role_name: role, encrypted, kms_key_id: key} = register;
  await uploadObject(session, artifact, progress);
  const {ImportTaskId: id} = await home.call('ImportSnapshot', ({sdk, client}, options) =>
    client.send(
      new sdk.ImportSnapshotCommand({
        ClientToken: randomUUID(),
        Description: `fgimage ${request.mark.lineage}`.slice(0, 255),
        DiskContainer: {Format: 'RAW', UserBucket: {S3Bucket, S3Key: objectKey(session)}},
        TagSpecifications: [{ResourceType: 'import-snapshot-task', Tags: ownTags(request.mark, register)}],
        ...(role === undefined ? {} : {RoleName: role}),
        ...(encrypted === true ? {Encrypted: true} : {}),
        ...(key === undefined ? {} : {KmsKeyId: key}),
      }),
      options,
    ),
  );
  if (id === undefined) throw new FgError('REMOTE_REFUSED', 'ImportSnapshot gives no task');
  return id;
}

/** Import tasks of this artifact that are not over; EC2 cannot be asked for those with a tag. */
export async function findImportTasks(session: Session): Promise<readonly RemoteImage[]> {
  const {home, request} = session;
  const {ImportSnapshotTasks: tasks = []} = await home.call(
    'DescribeImportSnapshotTasks',
    ({sdk, client}, options) => client.send(new sdk.DescribeImportSnapshotTasksCommand({}), options),
  );
  return tasks
    .map(taskState)
    .filter(({mark, health}) => mark?.lineage === request.mark.lineage && health !== 'broken');
}

export async function importTask(session: Session, id: string): Promise<RemoteImage | undefined> {
  const task = await readTask(session, id);
  return task === undefined ? undefined : taskState(task);
}

/** Ends an import, and takes away what came of it. */
export async function removeImportTask(
  session: Session,
  id: string,
  belongings: RemoteProperties,
): Promise<void> {
  const {home} = session;
  const task = await readTask(session, id);
  const {Status: status, SnapshotId: found} = task?.SnapshotTaskDetail ?? {};
  if (status === 'active') {
    await home.call('CancelImportTask', ({sdk, client}, options) =>
      client.send(new sdk.CancelImportTaskCommand({ImportTaskId: id}), options),
    );
  }
  const snapshot = found ?? belongings['snapshots'];
  if (snapshot !== undefined) await removeSnapshot(home, snapshot);
  await forgetObject(session);
}

async function readTask({home}: Session, id: string): Promise<ImportSnapshotTask | undefined> {
  try {
    const {ImportSnapshotTasks: tasks = []} = await home.call(
      'DescribeImportSnapshotTasks',
      ({sdk, client}, options) =>
        client.send(new sdk.DescribeImportSnapshotTasksCommand({ImportTaskIds: [id]}), options),
    );
    return tasks.at(0);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function taskState(task: ImportSnapshotTask): RemoteImage {
  const {ImportTaskId: id = '', SnapshotTaskDetail: detail = {}, Description: description = ''} = task;
  const {Status: status = 'unknown', StatusMessage: message, SnapshotId: snapshot} = detail;
  const mark = markOf(tagsOf(task.Tags));
  return {
    id,
    name: printable(description),
    ...(mark === undefined ? {} : {mark}),
    health: status === 'active' || (status === 'completed' && snapshot !== undefined) ? 'pending' : 'broken',
    status,
    ...(message === undefined ? {} : {reason: printable(message)}),
    properties: {},
    ...(snapshot === undefined ? {} : {belongings: {snapshots: snapshot}}),
  };
}
