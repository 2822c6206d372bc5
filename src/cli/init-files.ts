import {copyFileSync, existsSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {makeFolder} from '../../cache/make-folder.ts';
import {FgError, isErrno} from '../errors.ts';

/** A file that `fgimage init` writes: a text, or a copy. */
export type NewFile =
  | {readonly path: string; readonly text: string}
  | {readonly path: string; readonly from: string};

/** Throws `FgError` where a file is there already, or where `force` cannot put one in the place of what is there. */
export function refuseToReplace(paths: readonly string[], force: boolean): void {
  for (const path of paths) {
    if (!existsSync(path)) continue;
    if (statSync(path).isDirectory())
      throw new FgError('USAGE', `${path} is a folder`, {hint: 'Name a file in it with --file'});
    if (!force)
      throw new FgError('USAGE', `${path} is there already`, {
        hint: 'Name another file with --file, or replace it with --force',
      });
  }
}

/** Writes all of them or none: they get their names when all are written. Throws `FgError` where one cannot be. */
export function writeAll(files: readonly NewFile[]): void {
  const folders: string[] = [];
  const written: string[] = [];
  const part = (path: string): string =>
    join(dirname(path), `.${basename(path)}.${String(process.pid)}.part`);
  try {
    for (const file of files) {
      const {path} = file;
      attempt(path, () => {
        folders.push(...absentAbove(path));
        makeFolder(dirname(path));
        written.push(part(path));
        if ('text' in file) writeFileSync(part(path), file.text);
        else copyFileSync(file.from, part(path));
      });
    }
    for (const {path} of files) attempt(path, () => renameSync(part(path), path));
  } catch (error) {
    for (const path of written) rmSync(path, {force: true});
    for (const folder of folders.toReversed()) removeIfEmpty(folder);
    throw error;
  }
}

/** The folders above a path that are not there, the outermost first. */
function absentAbove(path: string): readonly string[] {
  const folder = dirname(path);
  return existsSync(folder) ? [] : [...absentAbove(folder), folder];
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'ENOTDIR', 'EEXIST')) throw error;
  }
}

function attempt(path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!isErrno(error, ...unusable)) throw error;
    throw new FgError('OUTPUT_UNUSABLE', `Cannot write ${path}: nothing was written`, {
      cause: error,
      hint: 'Name a file in a folder that you can write with --file',
    });
  }
}

const unusable = [
  ...[
    'EACCES',
    'EPERM',
    'EROFS',
    'ENOENT',
    'ENOTDIR',
    'EISDIR',
    'EEXIST',
    'ENAMETOOLONG',
    'ENOSPC',
    'EDQUOT',
  ],
];
