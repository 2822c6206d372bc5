import {setTimeout as wait} from 'node:timers/promises';
import {RemoteError} from './error.ts';

/** Waits before the second and the third try. */
const retryDelaysMs: readonly number[] = [250, 1000];

const longestRetryAfterMs = 10_000;

/**
 * Makes a call that may be made again, up to as many times more as there are delays. Throws what the last try threw,
 * at once what is not worth another try, and the signal's reason when it is aborted.
 */
export async function withRetries<T>(
  call: () => Promise<T>,
  {signal, delaysMs = retryDelaysMs}: {readonly signal: AbortSignal; readonly delaysMs?: readonly number[]},
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      const delayMs = delaysMs[tries];
      if (delayMs === undefined || !(error instanceof RemoteError) || !error.retriable) throw error;
      const askedMs = Math.min(error.retryAfterMs ?? 0, longestRetryAfterMs);
      await wait(Math.max(delayMs, askedMs), undefined, {signal});
    }
  }
}
