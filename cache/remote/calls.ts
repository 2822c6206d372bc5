import {RemoteError} from '../../src/http/error.ts';
import {withRetries} from '../../src/http/retry.ts';

const mostFailuresInARow = 3;

/** Thrown instead of making a call to a remote that failed too often. Was told when it failed. */
export class LeftAloneError extends RemoteError {
  constructor() {
    super('unreachable', 'The remote cache is left alone after failures', {retriable: false});
  }
}

/**
 * Calls to a remote with their retries, and an end to them: after three that failed in a row no more are made. A blob
 * that is missing or damaged is an answer and no failure of the remote.
 */
export class RemoteCalls {
  readonly #delaysMs: readonly number[] | undefined;
  #failuresInARow = 0;

  /** `delaysMs`: waits between tries, where they are not the usual ones. */
  constructor(delaysMs?: readonly number[]) {
    this.#delaysMs = delaysMs;
  }

  get isLeftAlone(): boolean {
    return this.#failuresInARow >= mostFailuresInARow;
  }

  /** Throws what the call throws in the end, or `LeftAloneError`. */
  async make<T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.isLeftAlone) throw new LeftAloneError();
    // Hundreds of calls listen to one signal of the run; each to its own does not add listeners there.
    const own = AbortSignal.any([signal]);
    try {
      const delays = this.#delaysMs === undefined ? {} : {delaysMs: this.#delaysMs};
      const answer = await withRetries(() => call(own), {signal: own, ...delays});
      this.#failuresInARow = 0;
      return answer;
    } catch (error) {
      if (!signal.aborted && error instanceof RemoteError) {
        const isAnswer = error.kind === 'missing' || error.kind === 'damaged';
        this.#failuresInARow = isAnswer ? 0 : this.#failuresInARow + 1;
      }
      throw error;
    }
  }
}
