import {join} from 'node:path';
import {FgError} from '../src/errors.ts';
import type {CacheLayout} from './layout.ts';
import {type Lock, lockOwner, tryLock} from './lock.ts';

/**
 * One process at a time cleans, checks or rebuilds a cache; builds do not wait for it. Throws `FgError` that names who
 * does it now.
 */
export function lockHousekeeping(layout: CacheLayout): Lock {
  const lock = tryHousekeeping(layout);
  if (lock !== undefined) return lock;
  const who = holderText(lockPath(layout)) ?? 'another process';
  throw new FgError('CACHE_UNUSABLE', `The cache in ${layout.root} is being cleaned or checked by ${who}`, {
    hint: 'Wait until that has ended; builds can go on meanwhile',
  });
}

/** The same, but undefined when somebody else does it. */
export function tryHousekeeping(layout: CacheLayout): Lock | undefined {
  return tryLock(lockPath(layout));
}

/** Who holds a lock, as the holder notes: `"fgimage build web" (process 12 on host)`. Undefined: it notes nothing. */
export function holderText(path: string): string | undefined {
  const owner = lockOwner(path);
  if (owner === undefined) return undefined;
  // What another process wrote: nothing in it is for the terminal.
  const [command, host] = [owner.command, owner.host].map((text) => text.replaceAll(/\p{C}/gu, ''));
  return `"${command ?? ''}" (process ${owner.pid} on ${host ?? ''})`;
}

/** The file stays when it is released: a lock that is removed could be held twice. */
function lockPath(layout: CacheLayout): string {
  return join(layout.locks, 'gc.lock');
}
