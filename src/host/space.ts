import {stat, statfs} from 'node:fs/promises';
import {dirname} from 'node:path';
import {isErrno} from '../errors.ts';
import {formatSize} from '../ui/format.ts';
import type {HostCheck} from './host-check.ts';

/** Packages, layers and artifacts of one image with two targets take about two thirds of it. */
const neededBytes = 4 * 1024 ** 3;

/** The folder, or the nearest folder above it that exists. */
export async function existingFolder(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
  }
  const parent = dirname(folder);
  return parent === folder ? folder : existingFolder(parent);
}

/** Whether the cache has room for a build. */
export async function checkSpace(cacheFolder: string): Promise<HostCheck> {
  const {bavail, bsize} = await statfs(await existingFolder(cacheFolder));
  return spaceCheck(cacheFolder, bavail * bsize);
}

/** The same of a number of free bytes. */
export function spaceCheck(cacheFolder: string, freeBytes: number): HostCheck {
  const found = `${formatSize(freeBytes)} free in ${cacheFolder}`;
  const check = {name: 'room in the cache folder', severity: 'needed'} as const;
  if (freeBytes >= neededBytes) return {...check, ok: true, found};
  return {
    ...check,
    ok: false,
    found: `${found}, ${formatSize(neededBytes)} are needed`,
    mend: 'choose another cache folder with --cache-dir or FGIMAGE_CACHE, or free some space',
  };
}
