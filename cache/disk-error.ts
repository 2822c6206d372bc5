import {statfsSync} from 'node:fs';
import {FgError, isErrno, isIoError, isNoSpace} from '../src/errors.ts';

/**
 * What a user can mend of the disk that a cache lies on: no room, or bytes that it does not take or give. Undefined for
 * every other error. SQLite says `SQLITE_IOERR_…` of both, so that there the room that is left tells.
 */
export function diskError(error: unknown, root: string): FgError | undefined {
  if (!isNoSpace(error) && !isIoError(error)) return undefined;
  if (isErrno(error, 'ENOSPC', 'EDQUOT', 'SQLITE_FULL') || hasNoRoom(root)) {
    return new FgError('NO_SPACE', `No space left on the file system of the cache, ${root}`, {
      cause: error,
      hint: 'Free some space there ("fgimage cache gc"), or name another folder with --cache-dir',
    });
  }
  const reason = error instanceof Error ? error.message : '';
  return new FgError('CACHE_UNUSABLE', `The file system of the cache, ${root}, fails: ${reason}`, {
    cause: error,
    hint: 'Look at the disk, or name another folder with --cache-dir',
  });
}

/** SQLite's files for sharing grow by 32 KiB; file systems keep a little back. */
const littleBytes = 2 ** 20;

function hasNoRoom(root: string): boolean {
  try {
    const {bavail, bsize} = statfsSync(root);
    return bavail * bsize < littleBytes;
  } catch {
    return false; // It is not there, or fails as well.
  }
}
