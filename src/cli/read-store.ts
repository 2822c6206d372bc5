import {Store} from '../../cache/store.ts';
import {FgError, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';

/** Opens the cache to look only; one that is not there is empty. What a user can mend about it is an `FgError`. */
export function readStore(cacheDir: string | undefined): Store {
  const root = cacheFolder(cacheDir);
  try {
    return Store.openToRead(root);
  } catch (error) {
    if (!isErrno(error, ...unusable)) throw error;
    const why = error instanceof Error ? error.message : '';
    if (isErrno(error, 'SQLITE_NOTADB', 'SQLITE_CORRUPT')) throw brokenDatabase(root, error);
    throw new FgError('CACHE_UNUSABLE', `Cannot read the cache in ${root}: ${why}`, {
      cause: error,
      hint: 'Name the folder of a cache that you can read with --cache-dir or $FGIMAGE_CACHE',
    });
  }
}

const unusable = [
  ...['EACCES', 'EPERM', 'EISDIR', 'ENOTDIR', 'EIO'],
  ...['SQLITE_CANTOPEN', 'SQLITE_IOERR', 'SQLITE_NOTADB', 'SQLITE_CORRUPT'],
];

/** The database of a cache is no database any more. */
export function brokenDatabase(root: string, cause: unknown): FgError {
  const why = cause instanceof Error ? cause.message : '';
  return new FgError('CACHE_UNUSABLE', `The database of the cache ${root} is broken: ${why}`, {
    cause,
    hint: 'Run "fgimage cache rebuild": it is made again from what lies beside the content',
  });
}
