import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';

/** Digests of a file that is being uploaded, made beside it: Glance's operator chooses which one is compared. */
export class FileDigests {
  readonly #path: string;
  readonly #signal: AbortSignal;
  readonly #stopped = new AbortController();
  readonly #made: Map<string, Promise<string>>;

  constructor(path: string, {sha256, signal}: {readonly sha256: string; readonly signal: AbortSignal}) {
    this.#path = path;
    this.#signal = signal;
    this.#made = new Map([['sha256', Promise.resolve(sha256)]]);
  }

  /** Begins with one that will probably be asked for. */
  begin(algorithm: string): void {
    // Trouble is told to whoever asks; nobody may come to that.
    this.of(algorithm).catch(() => undefined);
  }

  of(algorithm: string): Promise<string> {
    const made = this.#made.get(algorithm) ?? this.#hash(algorithm);
    this.#made.set(algorithm, made);
    return made;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #hash(algorithm: string): Promise<string> {
    const hash = createHash(algorithm);
    const signal = AbortSignal.any([this.#stopped.signal, this.#signal]);
    const file = createReadStream(this.#path, {highWaterMark: 1 << 20, signal});
    for await (const chunk of file as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest('hex');
  }
}
