import {type FileHandle, open} from 'node:fs/promises';

/**
 * Tar archives of a few large files, members in the order given, owned by 0:0, of one mode and time (POSIX.1-1988 ustar;
 * GNU tar manual, "Old GNU Format", for sparse files). tar(1) would do, but for two things: it tells holes by the file
 * system of the host, and reads a disk that it could be handed.
 */
export interface ArchiveRequest {
  readonly path: string;
  readonly format: 'ustar' | 'oldgnu';
  readonly members: readonly ArchiveMember[];
  readonly epoch: number;
  readonly signal?: AbortSignal;
}

export interface ArchiveMember {
  readonly name: string;
  /** Path of its bytes. */
  readonly file: string;
}

/** A stretch of a sparse file that holds data. */
export interface Stretch {
  readonly at: number;
  readonly length: number;
}

const blockBytes = 512;
/** tar(1)'s record, which archives are filled up to. */
const recordBytes = 20 * blockBytes;
/** Of zeros: a hole. */
const holeBytes = 4096;
const pieceBytes = 1 << 20;

export async function writeDiskArchive({
  path,
  format,
  members,
  epoch,
  signal,
}: ArchiveRequest): Promise<void> {
  const target = await open(path, 'w');
  try {
    let at = 0;
    const put = async (bytes: Buffer): Promise<void> => {
      signal?.throwIfAborted();
      await target.write(bytes, 0, bytes.length, at);
      at += bytes.length;
    };
    for (const {name, file} of members) {
      const source = await open(file, 'r');
      try {
        const {size} = await source.stat();
        const stretches = format === 'oldgnu' ? await dataStretches(source, size) : [{at: 0, length: size}];
        const isSparse = stretches.reduce((sum, {length}) => sum + length, 0) < size;
        await put(
          isSparse ? sparseHeader({name, size, epoch, stretches}) : plainHeader({name, size, epoch, format}),
        );
        let stored = 0;
        for (const stretch of stretches) {
          await eachPiece(source, stretch, put);
          stored += stretch.length;
        }
        await put(Buffer.alloc((blockBytes - (stored % blockBytes)) % blockBytes));
      } finally {
        await source.close();
      }
    }
    await put(Buffer.alloc(2 * blockBytes));
    await put(Buffer.alloc((recordBytes - (at % recordBytes)) % recordBytes));
  } finally {
    await target.close();
  }
}

/** Where a file has other bytes than zeros, by blocks: its content decides, not how it lies on the host's disk. */
export async function dataStretches(source: FileHandle, size: number): Promise<readonly Stretch[]> {
  const zeros = Buffer.alloc(holeBytes);
  const found: {at: number; length: number}[] = [];
  await eachPiece(source, {at: 0, length: size}, (piece, from) => {
    for (let at = 0; at < piece.length; at += holeBytes) {
      const length = Math.min(holeBytes, piece.length - at);
      if (piece.compare(zeros, 0, length, at, at + length) === 0) continue;
      const last = found.at(-1);
      if (last !== undefined && last.at + last.length === from + at) last.length += length;
      else found.push({at: from + at, length});
    }
  });
  return found;
}

async function eachPiece(
  source: FileHandle,
  {at, length}: Stretch,
  use: (piece: Buffer, at: number) => Promise<void> | void,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (let done = 0; done < length; ) {
    const {bytesRead} = await source.read(buffer, 0, Math.min(pieceBytes, length - done), at + done);
    if (bytesRead === 0) throw new Error('A member of the archive has become shorter');
    await use(buffer.subarray(0, bytesRead), at + done);
    done += bytesRead;
  }
}

interface HeaderFields {
  readonly name: string;
  readonly size: number;
  readonly epoch: number;
}

/** A header without its checksum. `size` is that of the bytes that follow. */
function header({name, size, epoch}: HeaderFields, type: '0' | 'S', magic: string): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`The name of a member is too long for tar: ${name}`);
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0);
  octal(block, 0o644, [100, 8]);
  octal(block, 0, [108, 8]);
  octal(block, 0, [116, 8]);
  number(block, size, 124);
  octal(block, epoch, [136, 12]);
  block.write(type, 156);
  block.write(magic, 257, 'latin1');
  return block;
}

export function plainHeader({
  format,
  ...fields
}: HeaderFields & {readonly format: 'ustar' | 'oldgnu'}): Buffer {
  return sealed(header(fields, '0', format === 'ustar' ? 'ustar\u000000' : 'ustar  \0'));
}

/** With the map of a sparse file: four stretches in the header, 21 in each block behind it. */
export function sparseHeader({
  stretches,
  size,
  ...fields
}: HeaderFields & {readonly stretches: readonly Stretch[]}): Buffer {
  const stored = stretches.reduce((sum, {length}) => sum + length, 0);
  // A hole at the end has a stretch of no bytes behind it.
  const last = stretches.at(-1);
  const all =
    last !== undefined && last.at + last.length === size ? stretches : [...stretches, {at: size, length: 0}];
  const block = header({...fields, size: stored}, 'S', 'ustar  \0');
  putStretches(block, 386, all.slice(0, 4));
  block[482] = all.length > 4 ? 1 : 0;
  number(block, size, 483);
  const more: Buffer[] = [];
  for (let index = 4; index < all.length; index += 21) {
    const next = Buffer.alloc(blockBytes);
    putStretches(next, 0, all.slice(index, index + 21));
    next[504] = all.length > index + 21 ? 1 : 0;
    more.push(next);
  }
  return Buffer.concat([sealed(block), ...more]);
}

function putStretches(block: Buffer, from: number, stretches: readonly Stretch[]): void {
  for (const [index, {at, length}] of stretches.entries()) {
    number(block, at, from + index * 24);
    number(block, length, from + index * 24 + 12);
  }
}

function sealed(block: Buffer): Buffer {
  block.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of block.subarray(0, blockBytes)) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Twelve bytes: eleven octal digits or, from 8 GiB on, GNU's base 256. */
function number(block: Buffer, value: number, at: number): void {
  if (value < 8 ** 11) {
    octal(block, value, [at, 12]);
    return;
  }
  block[at] = 0x80;
  block.writeBigUInt64BE(BigInt(value), at + 4);
}

function octal(block: Buffer, value: number, [at, length]: readonly [number, number]): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
}
