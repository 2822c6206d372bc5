import {existsSync, mkdirSync, statSync} from 'node:fs';
import {dirname} from 'node:path';
import {isErrno} from '../src/errors.ts';

/**
 * Makes a folder that somebody named, and those above it. Throws what mkdir(2) says. Node's own `recursive` asks for
 * ever where a folder is there and takes no new one with ENOENT, as below /proc.
 */
export function makeFolder(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    if (isErrno(error, 'EEXIST') && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (!isErrno(error, 'ENOENT') || existsSync(parent)) throw error;
    makeFolder(parent, mode);
    makeFolder(path, mode);
  }
}
