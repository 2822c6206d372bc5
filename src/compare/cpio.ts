import {type Bytes, fieldAt, fields} from './bytes.ts';
import {type Compression, compressionOf} from './compression.ts';

/**
 * An initial RAM disk: one or more cpio archives ("newc"), one after the other, of which the last is compressed as a
 * rule (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). Numbers are eight hexadecimal digits.
 */
const header = fields([
  [0, 6, 'c_magic'],
  ...[
    ...['c_ino', 'c_mode', 'c_uid', 'c_gid', 'c_nlink', 'c_mtime', 'c_filesize'],
    ...['c_devmajor', 'c_devminor', 'c_rdevmajor', 'c_rdevminor', 'c_namesize', 'c_check'],
  ].map((name, index) => [6 + index * 8, 8, name] as const),
]);

const headerBytes = 110;

export function isCpio(bytes: Bytes): boolean {
  return isHeader(bytes.read(0, 6));
}

/** The archive, the member and the field of its header, or its content, in which an offset lies. */
export function cpioPlace(bytes: Bytes, offset: number): readonly string[] {
  let place: readonly string[] = ['end of the archive'];
  walk(bytes, ({archive, name, at, content, size, next}) => {
    if (offset >= next) return true;
    const member = [`archive ${String(archive)}`, `member ${name}`];
    if (offset < at) place = [`archive ${String(archive)}`, 'padding before it'];
    else if (offset < at + headerBytes) place = [...member, fieldAt(header, offset - at)];
    else if (offset < content) place = [...member, 'name'];
    else
      place = [
        ...member,
        offset < content + size ? `content, offset ${String(offset - content)}` : 'padding',
      ];
    return false;
  });
  const rest = compressedRest(bytes);
  return rest !== undefined && offset >= rest.start
    ? [`archive ${String(rest.archive)}`, rest.compression]
    : place;
}

/** Where the archives that are not compressed end and one begins that is. */
export function compressedRest(
  bytes: Bytes,
): {readonly start: number; readonly archive: number; readonly compression: Compression} | undefined {
  const {end, archives} = walk(bytes, () => true);
  const compression = compressionOf(bytes.read(end, 8));
  return compression === undefined ? undefined : {start: end, archive: archives + 1, compression};
}

interface Member {
  /** From 1. */
  readonly archive: number;
  readonly name: string;
  /** Where its header, its content and the next member begin. */
  readonly at: number;
  readonly content: number;
  readonly size: number;
  readonly next: number;
}

/** Visits members until one gives false; tells where the last of them ends, zeros behind it skipped. */
function walk(
  bytes: Bytes,
  visit: (member: Member) => boolean,
): {readonly end: number; readonly archives: number} {
  let archive = 1;
  let at = 0;
  for (;;) {
    const head = bytes.read(at, headerBytes);
    if (!isHeader(head)) return {end: at, archives: archive - 1};
    const size = numberAt(head, 54);
    const nameSize = numberAt(head, 94);
    const name = bytes.read(at + headerBytes, nameSize - 1).toString('utf8');
    const content = padded(at + headerBytes + nameSize);
    const next = padded(content + size);
    if (!visit({archive, name, at, content, size, next})) return {end: next, archives: archive};
    at = next;
    if (name !== 'TRAILER!!!') continue;
    archive += 1;
    at = afterZeros(bytes, at);
  }
}

function isHeader(head: Buffer): boolean {
  return /^07070[12]/.test(head.toString('latin1'));
}

function numberAt(head: Buffer, at: number): number {
  return Number.parseInt(head.toString('latin1', at, at + 8), 16);
}

function padded(at: number): number {
  return Math.ceil(at / 4) * 4;
}

function afterZeros(bytes: Bytes, from: number): number {
  for (let at = from; at < bytes.size; at += 4096) {
    const index = bytes.read(at, 4096).findIndex((byte) => byte !== 0);
    if (index !== -1) return at + index;
  }
  return bytes.size;
}
