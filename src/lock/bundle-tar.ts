import {createHash} from 'node:crypto';
import {closeSync, fstatSync, openSync, readSync, writeSync} from 'node:fs';
import {FgError} from '../errors.ts';

/**
 * Tar archives as bundles use them: POSIX ustar (pax(1), "ustar Interchange Format"), and an extended header where a
 * path is longer than its field. Written byte for byte the same for the same content; read strictly: plain files only,
 * and nothing that this module would not have written.
 */
const blockBytes = 512;
const largestSizeBytes = 0o77777777777;
const largestHeaderBytes = 65_536;
const mostMembers = 200_000;

export interface TarFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly executable: boolean;
  /** The bytes, or a file that has them. */
  readonly content: Buffer | {readonly file: string};
}

/** A member that was found: where its bytes are in the archive. */
export interface TarMember {
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  readonly offset: number;
}

/** What is wrong with an archive, in words for people. */
export class TarError extends Error {}

/**
 * Writes an archive, in the order given, with this time for all members. Nothing is held in memory. Throws `FgError`
 * where a file is not (any more) what it is said to be, and what the file system throws.
 */
export async function writeTar(
  out: number,
  files: readonly TarFile[],
  {mtime, onBytes}: {readonly mtime: number; readonly onBytes?: (bytes: number) => void},
): Promise<void> {
  let written = 0;
  const write = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; ) at += writeSync(out, bytes, at);
    written += bytes.length;
  };
  for (const file of files) {
    write(headersOf(file, mtime));
    const hash = createHash('sha256');
    let sizeBytes = 0;
    for (const chunk of chunksOf(file.content)) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      write(chunk);
      // Signals and views want their turn between megabytes.
      await new Promise(setImmediate);
      onBytes?.(written);
    }
    if (sizeBytes !== file.sizeBytes || hash.digest('hex') !== file.sha256) {
      throw new FgError('SPEC_INVALID', `${file.path} changed while it was being read`, {
        hint: 'Nothing may write to the project while it is bundled; run it again',
      });
    }
    write(Buffer.alloc(padding(sizeBytes)));
  }
  write(Buffer.alloc(2 * blockBytes));
}

/** Lists an archive without reading its members. Throws `TarError` for what is no archive of `writeTar`. */
export function listTar(archive: number): readonly TarMember[] {
  const totalBytes = fstatSync(archive).size;
  const members: TarMember[] = [];
  let longPath: string | undefined;
  for (let offset = 0; ; ) {
    const header = readAt(archive, offset, blockBytes);
    if (header.length < blockBytes) throw new TarError('it ends too early');
    offset += blockBytes;
    if (header.every((byte) => byte === 0)) {
      checkEnd(archive, offset, totalBytes);
      if (longPath !== undefined) throw new TarError('it ends after an extended header');
      return members;
    }
    const {name, type, sizeBytes, executable} = parseHeader(header);
    if (offset + sizeBytes > totalBytes) throw new TarError(`it ends within ${shown(longPath ?? name)}`);
    if (type === 'x') {
      if (longPath !== undefined || sizeBytes > largestHeaderBytes)
        throw new TarError('an extended header is not one of a bundle');
      longPath = parseExtended(readAt(archive, offset, sizeBytes));
    } else {
      const path = longPath ?? name;
      longPath = undefined;
      if (type !== '0') throw new TarError(`${shown(path)} is no plain file`);
      if (members.length === mostMembers) throw new TarError('it has too many members');
      members.push({path, sizeBytes, executable, offset});
    }
    offset += sizeBytes;
    const rest = readAt(archive, offset, padding(sizeBytes));
    if (rest.some((byte) => byte !== 0)) throw new TarError('there is something between its members');
    offset += padding(sizeBytes);
  }
}

/** A member's bytes, piece by piece. */
export function* readMember(
  archive: number,
  {offset, sizeBytes}: Pick<TarMember, 'offset' | 'sizeBytes'>,
): Generator<Buffer> {
  for (let at = 0; at < sizeBytes; ) {
    const chunk = readAt(archive, offset + at, Math.min(chunkBytes, sizeBytes - at));
    if (chunk.length === 0) throw new TarError('it ends too early');
    yield chunk;
    at += chunk.length;
  }
}

const chunkBytes = 1 << 20;

function* chunksOf(content: TarFile['content']): Generator<Buffer> {
  if (Buffer.isBuffer(content)) {
    yield content;
    return;
  }
  const file = openSync(content.file, 'r');
  try {
    for (let at = 0; ; ) {
      const chunk = readAt(file, at, chunkBytes);
      if (chunk.length === 0) return;
      yield chunk;
      at += chunk.length;
    }
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let count = 0;
  while (count < length) {
    const got = readSync(file, buffer, count, length - count, position + count);
    if (got === 0) break;
    count += got;
  }
  return buffer.subarray(0, count);
}

function headersOf({path, sizeBytes, executable}: TarFile, mtime: number): Buffer {
  const name = Buffer.from(path);
  if (sizeBytes > largestSizeBytes) throw new Error(`${path} is too large for a tar archive`);
  const plain = {type: '0', sizeBytes, executable, mtime};
  if (name.length <= 100) return header(name, plain);
  const record = extendedRecord(path);
  const body = Buffer.concat([record, Buffer.alloc(padding(record.length))]);
  const extended = header(Buffer.from('long-path'), {...plain, type: 'x', sizeBytes: record.length});
  // A reader that does not know extended headers sees the beginning.
  return Buffer.concat([extended, body, header(name.subarray(0, 100), plain)]);
}

function header(
  name: Buffer,
  {
    type,
    sizeBytes,
    executable,
    mtime,
  }: {
    readonly type: string;
    readonly sizeBytes: number;
    readonly executable: boolean;
    readonly mtime: number;
  },
): Buffer {
  const block = Buffer.alloc(blockBytes);
  name.copy(block, 0);
  block.write(octal(executable ? 0o755 : 0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(sizeBytes, 11), 124);
  block.write(octal(mtime, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\u000000', 257);
  block.write(octal(0, 7), 329);
  block.write(octal(0, 7), 337);
  block.write(`${octal(checksum(block), 6)}\u0000 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function checksum(block: Buffer): number {
  return block.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);
}

/** `<length> path=<path>\n`, where the length counts itself. */
function extendedRecord(path: string): Buffer {
  const rest = Buffer.byteLength(` path=${path}\n`);
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${String(length)} path=${path}\n`);
}

function parseExtended(record: Buffer): string {
  const {length, path} =
    /^(?<length>\d+) path=(?<path>[^\n]+)\n$/.exec(record.toString('utf8'))?.groups ?? {};
  if (path === undefined || Number(length) !== record.length)
    throw new TarError('an extended header is not one of a bundle');
  return path;
}

function parseHeader(block: Buffer): {
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
} {
  if (block.toString('latin1', 257, 265) !== 'ustar\u000000') throw new TarError('it is no tar archive');
  if (number(block, 148, 6) !== checksum(block)) throw new TarError('a header is damaged');
  const end = block.indexOf(0);
  const mode = number(block, 100, 7);
  // The prefix of a path and link names have no use in a bundle.
  if (block.subarray(345).some((byte) => byte !== 0) || block.subarray(157, 257).some((byte) => byte !== 0))
    throw new TarError('a header is not one of a bundle');
  return {
    name: block.toString('utf8', 0, end === -1 || end > 100 ? 100 : end),
    type: block.toString('latin1', 156, 157),
    sizeBytes: number(block, 124, 11),
    executable: (mode & 0o100) !== 0,
  };
}

function number(block: Buffer, offset: number, digits: number): number {
  const text = block.toString('latin1', offset, offset + digits);
  if (!/^[0-7]+$/.test(text)) throw new TarError('a header is damaged');
  return Number.parseInt(text, 8);
}

function checkEnd(archive: number, offset: number, totalBytes: number): void {
  const rest = readAt(archive, offset, 2 * blockBytes);
  if (rest.length !== blockBytes || rest.some((byte) => byte !== 0) || offset + blockBytes !== totalBytes)
    throw new TarError('there is something after its end, or its end is missing');
}

function padding(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function shown(path: string): string {
  return JSON.stringify(path);
}
