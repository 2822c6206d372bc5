import {fail, ok, type Result} from '../result.ts';

/** A `string` of RFC 4251, 5: its length in four bytes, then its bytes. */
export function wireString(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return Buffer.concat([wireNumber(bytes.length), bytes]);
}

/** A `uint32` of RFC 4251, 5. */
export function wireNumber(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Reads RFC 4251's types one after the other. Throws `WireError` where the bytes end before a value does. */
export class WireReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new WireError('it is cut short');
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  number(): number {
    return this.take(4).readUInt32BE();
  }

  string(): Buffer {
    return this.take(this.number());
  }

  text(): string {
    return this.string().toString('utf8');
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#offset);
  }
}

/** Bytes that are not what their format says. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** What a reading gives, or in what words the bytes are wrong. */
export function reading<T>(read: () => T): Result<T, string> {
  try {
    return ok(read());
  } catch (error) {
    if (error instanceof WireError) return fail(error.message);
    throw error;
  }
}

/** The bytes of an armored block (`-----BEGIN label-----`), undefined where the text is none. */
export function unarmored(text: string, label: string): Buffer | undefined {
  const lines = text.replaceAll('\r', '').trim().split('\n');
  if (lines[0] !== `-----BEGIN ${label}-----` || lines.at(-1) !== `-----END ${label}-----`) return undefined;
  const base64 = lines.slice(1, -1).join('');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(base64) ? Buffer.from(base64, 'base64') : undefined;
}

/** An armored block with lines as OpenSSH breaks them. */
export function armored(bytes: Buffer, label: string): string {
  const lines = bytes.toString('base64').match(/.{1,70}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
