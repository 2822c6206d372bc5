import {existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {makeFolder} from '../../cache/make-folder.ts';
import {FgError, isErrno} from '../errors.ts';
import type {ProjectEntry} from './record.ts';

/**
 * Writes a project into a fresh folder. Links come last, so that nothing is written through one. Throws `FgError` where
 * something lies there already.
 */
export function layOut(folder: string, entries: readonly ProjectEntry[]): void {
  try {
    if (existsSync(folder) && readdirSync(folder).length > 0)
      throw new FgError('OUTPUT_UNUSABLE', `The folder ${folder} is not empty`, {
        hint: 'Remove it, or name another one with --output',
      });
    makeFolder(folder);
    for (const entry of entries) {
      const path = join(folder, entry.path);
      mkdirSync(entry.kind === 'folder' ? path : dirname(path), {recursive: true});
      if (entry.kind === 'file')
        writeFileSync(path, entry.bytes, {flag: 'wx', mode: entry.executable ? 0o755 : 0o644});
    }
    for (const entry of entries) {
      if (entry.kind === 'link') symlinkSync(entry.target, join(folder, entry.path));
    }
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST')) throw error;
    throw new FgError(
      'OUTPUT_UNUSABLE',
      `Cannot write the project to ${folder}: ${error instanceof Error ? error.message : ''}`,
      {
        cause: error,
        hint: 'Name a folder that you can write with --output',
      },
    );
  }
}
