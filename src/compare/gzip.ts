import {type Bytes, fieldAt, fields} from './bytes.ts';

/** Members of a gzip file, RFC 1952 section 2.3. */
const header = fields([
  [0, 2, 'ID'],
  [2, 1, 'CM'],
  [3, 1, 'FLG'],
  [4, 4, 'MTIME'],
  [8, 1, 'XFL'],
  [9, 1, 'OS'],
]);

const headerBytes = 10;
const trailerBytes = 8;
const flag = {headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10} as const;

export function isGzip(bytes: Bytes): boolean {
  return bytes.read(0, 3).equals(Buffer.from([0x1f, 0x8b, 0x08]));
}

/** Which field of the header or the trailer an offset lies in. */
export function gzipPlace(bytes: Bytes, offset: number): readonly string[] {
  if (offset < headerBytes) return ['header', fieldAt(header, offset)];
  const start = bytes.read(0, 4096);
  const flags = start[3] ?? 0;
  let at = headerBytes;
  const parts: readonly (readonly [bit: number, name: string, end: (from: number) => number])[] = [
    [flag.extra, 'FEXTRA', (from) => from + 2 + (from + 2 <= start.length ? start.readUInt16LE(from) : 0)],
    [flag.name, 'FNAME', (from) => afterZero(start, from)],
    [flag.comment, 'FCOMMENT', (from) => afterZero(start, from)],
    [flag.headerCrc, 'FHCRC', (from) => from + 2],
  ];
  for (const [bit, name, end] of parts) {
    if ((flags & bit) === 0) continue;
    at = end(at);
    if (offset < at) return ['header', name];
  }
  if (offset < bytes.size - trailerBytes) return ['compressed data'];
  return ['trailer', offset < bytes.size - 4 ? 'CRC32' : 'ISIZE'];
}

function afterZero(start: Buffer, from: number): number {
  const zero = start.indexOf(0, from);
  return zero === -1 ? start.length : zero + 1;
}
