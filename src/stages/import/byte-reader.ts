import {ImportError} from './entry.ts';

/** A stretch of a stream that is read once. */
export interface Stretch extends AsyncIterable<Buffer> {
  /** Reads over what was not asked for. */
  drain(): Promise<void>;
}

/** Takes a stream of buffers apart by counts of bytes. */
export class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly so many bytes; fewer only at the end, none there: undefined. */
  async take(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const part = await this.#some(missing);
      if (part === undefined) break;
      parts.push(part);
      missing -= part.length;
    }
    return missing === count && count > 0 ? undefined : Buffer.concat(parts);
  }

  async passOver(count: number): Promise<void> {
    for (let missing = count; missing > 0; ) missing -= (await this.#some(missing))?.length ?? missing;
  }

  /** The next `count` bytes, piece by piece. Throws `ImportError` where the stream ends within them. */
  stream(count: number): Stretch {
    let missing = count;
    const next = async (): Promise<Buffer | undefined> => {
      if (missing === 0) return undefined;
      const part = await this.#some(missing);
      if (part === undefined) throw new ImportError('It ends too early');
      missing -= part.length;
      return part;
    };
    return {
      async *[Symbol.asyncIterator]() {
        for (let part = await next(); part !== undefined; part = await next()) yield part;
      },
      async drain() {
        while ((await next()) !== undefined);
      },
    };
  }

  /** Reads to the end. */
  async drain(): Promise<void> {
    while ((await this.#some(1 << 20)) !== undefined);
  }

  /** At least one byte, at most `most`. */
  async #some(most: number): Promise<Buffer | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#rest = next.value;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }
}
