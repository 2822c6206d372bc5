import {Slots} from './slots.ts';

/** Uploads that go on beside a run, some at a time. */
export class Background {
  readonly #slots: Slots;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(concurrency: number) {
    this.#slots = new Slots(concurrency);
  }

  /** Aborted once the run does not wait for them any more. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Queues a task, which must not reject; it is dropped when its turn comes after the stop. */
  add(task: () => Promise<void>): void {
    const running = this.#slots.run(async () => {
      if (!this.isStopped()) await task();
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Waits for all; once `signal` is aborted those that have not begun are dropped and the others broken off. */
  async finish(signal: AbortSignal | undefined): Promise<void> {
    const stop = (): void => this.#stop.abort(signal?.reason);
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, {once: true});
    await Promise.all(this.#running);
    signal?.removeEventListener('abort', stop);
  }
}
