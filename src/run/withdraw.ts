import {readlinkSync, rmdirSync, rmSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {diskUse} from '../../cache/measure.ts';
import {isErrno} from '../errors.ts';

/**
 * Removes an artifact from where `deliver` (deliver.ts) put it: the link `<output>/<image>/<target>` and the set of files
 * that it leads to, if those are of this digest. Gives the room on the disk that was freed; undefined where something
 * else, or nothing, lies there.
 */
export function withdraw(path: string, digest: string): number | undefined {
  const link = linkTarget(path);
  const beginning = `../.builds/${basename(dirname(path))}.${basename(path)}.${digest.slice(0, 16)}`;
  if (link !== beginning && link?.startsWith(`${beginning}-`) !== true) return undefined;
  const folder = join(dirname(path), link);
  const {bytes, linkedBytes} = diskUse(folder);
  rmSync(path);
  rmSync(folder, {recursive: true, force: true});
  for (const left of [dirname(folder), dirname(path)]) removeIfEmpty(left);
  return bytes - linkedBytes;
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined;
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  }
}
