import {readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {isErrno} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import type {Secret} from './image.ts';

/** Why the value of a secret is not to be had, and how it is. */
export interface SecretProblem {
  readonly message: string;
  readonly hint: string;
}

/** Absolute path of a secret's file: `~` is the home folder, other paths begin at the project. */
export function secretFile(file: string, projectDir: string): string {
  if (file === '~' || file.startsWith('~/')) return join(homedir(), file.slice(1));
  return resolve(projectDir, file);
}

/** The value of a secret as it is now on this host. */
export function readSecret(
  {name, file, env = ''}: Secret,
  projectDir: string,
): Result<Buffer, SecretProblem> {
  if (file === undefined) {
    const value = process.env[env];
    if (value !== undefined && value !== '') return ok(Buffer.from(value));
    return fail({
      message: `The secret ${name} is to come from the variable ${env}, which is ${value === undefined ? 'not set' : 'empty'}`,
      hint: `Set ${env} for fgimage`,
    });
  }
  const path = secretFile(file, projectDir);
  try {
    const value = readFileSync(path);
    if (value.length > 0) return ok(value);
    return fail({
      message: `The secret ${name} is to come from ${path}, which is empty`,
      hint: 'Write its value there',
    });
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EISDIR')) throw error;
    const isThere = isErrno(error, 'EACCES', 'EPERM', 'EISDIR');
    return fail({
      message: `The secret ${name} is to come from ${path}, which ${isThere ? 'cannot be read' : 'is not there'}`,
      hint: isThere ? `Let your user read ${path}` : `Write its value there, or name another file`,
    });
  }
}
