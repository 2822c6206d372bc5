import {existsSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {type LockOwner, lockOwner, tryLock} from '../../cache/lock.ts';

/** A key that this process alone runs, until the end of the scope. */
export interface KeyLock {
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Waits for the lock of a key; undefined when the run was cancelled meanwhile. `onWait` hears once who holds it.
 * The file goes with the lock: a key is locked while it runs, which is seldom.
 */
export async function lockKey(
  path: string,
  signal: AbortSignal,
  onWait: (owner: LockOwner) => void,
): Promise<KeyLock | undefined> {
  let told = false;
  for (;;) {
    if (signal.aborted) return undefined;
    const lock = tryLock(path);
    if (lock !== undefined) {
      // A lock whose file its last holder removed is nobody's: take the one that is there now.
      if (existsSync(path)) {
        return {
          [Symbol.asyncDispose]: () => {
            lock.release({remove: true});
            return Promise.resolve();
          },
        };
      }
      lock.release();
      continue;
    }
    const owner = lockOwner(path);
    if (!told && owner !== undefined) {
      told = true;
      onWait(owner);
    }
    await sleep(pollMs, undefined, {signal}).catch(() => undefined);
  }
}

const pollMs = 100;
