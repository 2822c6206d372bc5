import {lstat} from 'node:fs/promises';
import {join} from 'node:path';
import {isErrno} from '../../src/errors.ts';
import {markNames, type RemoteImage} from '../registrar.ts';
import {fileDigest} from './file-copy.ts';
import type {Sidecar} from './sidecar.ts';

export interface StateOf {
  readonly folder: string;
  /** The registered file. */
  readonly id: string;
  readonly signal: AbortSignal;
}

/** What a folder has of a registered file, as a registrar says it. */
export async function imageOf(sidecar: Sidecar, {folder, id, signal}: StateOf): Promise<RemoteImage> {
  const told = {
    id,
    name: sidecar.name,
    mark: {digest: sidecar[markNames.digest], lineage: sidecar[markNames.lineage]},
    createdAt: Date.parse(sidecar.registered_at),
    ...(sidecar.deprecated === true && {deprecated: true}),
  };
  if (sidecar.state === 'copying') return {...told, health: 'pending', status: 'copying', properties: {}};
  const modes = new Set<string>();
  for (const file of sidecar.files) {
    const state = await stateOf(file, folder, signal);
    if ('reason' in state)
      return {...told, health: 'broken', status: 'altered', reason: state.reason, properties: {}};
    modes.add(state.permissions);
  }
  const permissions = [...modes].join(' and ');
  return {...told, health: 'ready', status: 'ready', properties: {permissions}};
}

type FileState = {readonly permissions: string} | {readonly reason: string};

/** The bytes of a file are read again only where somebody has touched it. */
async function stateOf(
  {name, size_bytes: size, sha256, modified_ms: modifiedMs}: Sidecar['files'][number],
  folder: string,
  signal: AbortSignal,
): Promise<FileState> {
  const path = join(folder, name);
  try {
    const found = await lstat(path);
    if (!found.isFile()) return {reason: `${name} is no file any more`};
    if (found.size !== size)
      return {reason: `${name} has ${found.size} bytes; ${size} bytes were registered`};
    if (found.mtimeMs !== modifiedMs && (await fileDigest(path, signal)) !== sha256)
      return {reason: `${name} has other bytes than were registered`};
    return {permissions: (found.mode & 0o7777).toString(8).padStart(4, '0')};
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {reason: `${name} is gone`};
    if (isErrno(error, 'EACCES')) return {reason: `${name} cannot be read by this user`};
    throw error;
  }
}
