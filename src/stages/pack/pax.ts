import {closeSync, openSync, readSync, writeSync} from 'node:fs';

const blockBytes = 512;

/**
 * Puts the extended attributes of each member of a tar archive in the order of their names, in place: tar(1) writes
 * them in the order in which the file system lists them, which is another on each. The records of a pax header
 * (POSIX.1-2017, pax, "pax Extended Header") only change places, so that nothing else of the archive moves.
 */
export function sortPaxRecords(path: string): void {
  const file = openSync(path, 'r+');
  const header = Buffer.alloc(blockBytes);
  try {
    let told: number | undefined;
    for (let at = 0; readSync(file, header, 0, blockBytes, at) === blockBytes; ) {
      // Two blocks of zeros end an archive.
      if (header[0] === 0) return;
      const isExtended = header[typeOffset] === 'x'.charCodeAt(0);
      // A size that eight digits do not hold stands in the pax header before.
      const size = isExtended ? sizeOf(header) : (told ?? sizeOf(header));
      told = undefined;
      if (isExtended) {
        const records = Buffer.alloc(size);
        readSync(file, records, 0, size, at + blockBytes);
        const before = parseRecords(records);
        const after = before.toSorted((a, b) => Buffer.compare(a.key, b.key));
        if (after.some((record, index) => record !== before[index]))
          writeSync(file, Buffer.concat(after.map(({bytes}) => bytes)), 0, size, at + blockBytes);
        told = sizeRecord(before);
      }
      at += blockBytes + Math.ceil(size / blockBytes) * blockBytes;
    }
  } finally {
    closeSync(file);
  }
}

/** ustar's header: 12 octal digits of the size, and the type. */
const sizeOffset = 124;
const typeOffset = 156;

function sizeOf(header: Buffer): number {
  const text = header.toString('latin1', sizeOffset, sizeOffset + 12).replaceAll(/[\0 ]/g, '');
  return Number.parseInt(text === '' ? '0' : text, 8);
}

interface PaxRecord {
  readonly key: Buffer;
  /** `length key=value\n`, all of it. */
  readonly bytes: Buffer;
}

function parseRecords(data: Buffer): readonly PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < data.length; ) {
    const blank = data.indexOf(' ', at);
    const length = Number(data.toString('latin1', at, blank));
    if (blank === -1 || !Number.isInteger(length) || length <= 0)
      throw new Error('A pax header of the archive is broken');
    const bytes = data.subarray(at, at + length);
    records.push({key: data.subarray(blank + 1, data.indexOf('=', blank)), bytes});
    at += length;
  }
  return records;
}

function sizeRecord(records: readonly PaxRecord[]): number | undefined {
  const found = records.find(({key}) => key.toString('latin1') === 'size')?.bytes.toString('latin1');
  return found === undefined ? undefined : Number(/=(\d+)\n$/.exec(found)?.[1]);
}
