import {closeSync, fstatSync, openSync, readSync} from 'node:fs';

/** Bytes that are read where they are wanted: of a file, or a stretch of one. */
export interface Bytes {
  readonly size: number;
  /** Up to `length` bytes from `at`; fewer where they end. */
  read(at: number, length: number): Buffer;
  /** The file they lie in and where there, for programs that read it themselves. */
  readonly origin?: {readonly path: string; readonly start: number};
}

/** A file opened for reading; closed with its scope. */
export class FileBytes implements Bytes, Disposable {
  readonly size: number;
  readonly origin: {readonly path: string; readonly start: number};
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    this.size = fstatSync(this.#file).size;
    this.origin = {path, start: 0};
  }

  read(at: number, length: number): Buffer {
    const wanted = Buffer.alloc(Math.max(0, Math.min(length, this.size - at)));
    let count = 0;
    while (count < wanted.length) {
      const got = readSync(this.#file, wanted, count, wanted.length - count, at + count);
      if (got === 0) break;
      count += got;
    }
    return wanted.subarray(0, count);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/** A stretch of other bytes, e.g. a partition of a disk. */
export function stretch(bytes: Bytes, start: number, size: number): Bytes {
  const {origin} = bytes;
  const length = Math.max(0, Math.min(size, bytes.size - start));
  return {
    size: length,
    read: (at, wanted) => bytes.read(start + at, Math.max(0, Math.min(wanted, length - at))),
    ...(origin === undefined ? {} : {origin: {path: origin.path, start: origin.start + start}}),
  };
}

const pieceBytes = 1 << 20;

/** Offset of the first byte that is not the same; where one side ends first, its end. Undefined: all are the same. */
export function firstDifference(a: Bytes, b: Bytes): number | undefined {
  for (let at = 0; at < Math.max(a.size, b.size); at += pieceBytes) {
    const [left, right] = [a.read(at, pieceBytes), b.read(at, pieceBytes)];
    if (left.equals(right)) continue;
    const shorter = Math.min(left.length, right.length);
    let index = 0;
    while (index < shorter && left[index] === right[index]) index += 1;
    return at + index;
  }
  return undefined;
}

/** The 16 bytes in which an offset lies, as hexdump(1) shows them: `00000430  00 00 [5f] 1a …  |.._.|`. */
export function hexLine(bytes: Bytes, offset: number): string {
  const start = offset - (offset % 16);
  const row = [...bytes.read(start, 16)];
  const hex = row.map((byte, index) => {
    const text = byte.toString(16).padStart(2, '0');
    return start + index === offset ? `[${text}]` : text;
  });
  const plain = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  const shown = offset < bytes.size ? hex.join(' ') : [...hex, '[end]'].join(' ');
  return `${start.toString(16).padStart(8, '0')}  ${shown}  |${plain}|`;
}

/** A fixed place in a header. */
export interface Field {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** Fields from rows of `[offset, size, name]`. */
export function fields(
  rows: readonly (readonly [at: number, size: number, name: string])[],
): readonly Field[] {
  return rows.map(([at, size, name]) => ({name, at, size}));
}

/** The field that an offset lies in; between the known ones its place in hexadecimal. */
export function fieldAt(known: readonly Field[], offset: number): string {
  const found = known.find(({at, size}) => offset >= at && offset < at + size);
  return found?.name ?? `offset 0x${offset.toString(16)}`;
}
