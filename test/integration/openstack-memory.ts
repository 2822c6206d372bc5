import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {text} from 'node:stream/consumers';
import {inject} from 'vitest';
import {StandInGlance} from '../unit/targets/peers/stand-in-glance.ts';
import {CloudProject, createInChild} from './openstack-project.ts';

export interface MeasuredUpload {
  readonly status: string;
  /** As the service has counted. */
  readonly sizeBytes: unknown;
  /** The most that the uploading process ever had. */
  readonly memoryKiB: number;
}

/** Uploads a disk of holes with a process of its own. */
export async function measureUpload(sizeBytes: number): Promise<MeasuredUpload> {
  const root = mkdtempSync(join(inject('testRoot'), 'memory-'));
  await using glance = await new StandInGlance().start();
  const lab = new CloudProject(root, {
    lab: {auth: {auth_url: glance.url, username: 'one', password: 'two', project_name: 'one'}},
  });
  const folder = join(root, 'artifact');
  mkdirSync(folder);
  writeFileSync(join(folder, 'disk.raw'), '');
  truncateSync(join(folder, 'disk.raw'), sizeBytes);
  const sha256 = createHash('sha256').update('of no interest here').digest('hex');
  const files = [{path: 'disk.raw', sizeBytes, sha256}];
  const request = lab.request({register: {method: 'upload'}, digest: sha256});
  const child = createInChild(request, {folder, file: 'disk.raw', format: 'raw', files});
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  const {remote, memoryKiB} = JSON.parse(printed) as {
    readonly remote: {readonly status: string};
    readonly memoryKiB: number;
  };
  return {status: remote.status, sizeBytes: glance.image['size'], memoryKiB};
}

export const memoryLimitKiB = 300 * 1024;
