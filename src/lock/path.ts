import {readFileSync} from 'node:fs';
import {basename, dirname, extname, join} from 'node:path';
import {FgError, isErrno} from '../errors.ts';

/**
 * `fgimage.lock` for `fgimage.yaml`, beside it; `web.lock` for `web.yaml`. With other profiles a spec is another one, and
 * has a lock of its own: `fgimage+dev.lock`. No name of a profile has a `+`.
 */
export function lockPathOf(specFile: string, profiles: readonly string[] = []): string {
  const name = [basename(specFile, extname(specFile)), ...profiles].join('+');
  return join(dirname(specFile), `${name}.lock`);
}

/** The text of a lock file; undefined where there is none. */
export function lockText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw new FgError('LOCK_INVALID', `Cannot read ${path}: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
      hint: 'Make it readable, or remove it to build without a lock',
    });
  }
}
