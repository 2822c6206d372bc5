import {setImmediate as nextTurn} from 'node:timers/promises';

const turnBytes = 16 << 20;

/** Lets others have their turn while a lot is written in one go, and ends it when the stage is given up. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #bytes = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < turnBytes) return;
    this.#bytes = 0;
    await nextTurn();
    this.#signal?.throwIfAborted();
  }
}
