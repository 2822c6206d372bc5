import {ImportError} from './entry.ts';

/** Reads bytes of the file system. */
export type ReadBytes = (offset: number, length: number) => Buffer;

export interface Inode {
  readonly number: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly links: number;
  readonly flags: number;
  /** Block of the extended attributes; 0: none. */
  readonly xattrBlock: number;
  /** The 60 bytes that say where the content is. */
  readonly map: Buffer;
  /** All bytes of the inode, and where what the format knows of ends. */
  readonly raw: Buffer;
  readonly extraBytes: number;
}

/** A file system that was opened. */
export interface Ext4 {
  readonly blockBytes: number;
  readonly block: (number: number, count?: number) => Buffer;
  readonly inode: (number: number) => Inode;
  readonly names: (folder: Inode) => Iterable<{readonly name: string; readonly number: number}>;
  readonly content: (inode: Inode) => Iterable<Buffer>;
  readonly linkTarget: (inode: Inode) => string;
}

/** Incompatible features (super.rst, s_feature_incompat) that this reader knows, or that change nothing for reading. */
const readable = {
  filetype: 0x2,
  extents: 0x40,
  bit64: 0x80,
  mmp: 0x100,
  flexBg: 0x200,
  csumSeed: 0x2000,
  largeDir: 0x4000,
} as const;
const journalToReplay = 0x4;
const bit64 = readable.bit64;
const superBytes = 1024;

/** Whether an ext file system begins at the start of these bytes. */
export function isExt4(begin: Buffer): boolean {
  return begin.length >= superBytes + 0x3a && begin.readUInt16LE(superBytes + 0x38) === 0xef53;
}

/** Whether its journal holds what was not written to its place yet. */
export function hasJournalToReplay(begin: Buffer): boolean {
  return (begin.readUInt32LE(superBytes + 0x60) & journalToReplay) !== 0;
}

/** Reads the superblock (super.rst) and gives what reads the rest. Throws `ImportError` for what cannot be read. */
export function openExt4(read: ReadBytes): Ext4 {
  const superblock = read(superBytes, superBytes);
  const incompatible = superblock.readUInt32LE(0x60);
  const known = Object.values(readable).reduce((sum, bit) => sum | bit, 0);
  const unknown = incompatible & ~known & ~journalToReplay;
  if (unknown !== 0)
    throw new ImportError(`The file system has features that are not read (0x${unknown.toString(16)})`, {
      hint: 'Make a tar archive of it on a machine that can mount it, and import that',
    });
  const blockBytes = 1024 << superblock.readUInt32LE(0x18);
  const inodesPerGroup = superblock.readUInt32LE(0x28);
  const inodeBytes = superblock.readUInt32LE(0x4c) === 0 ? 128 : superblock.readUInt16LE(0x58);
  const inodes = superblock.readUInt32LE(0);
  const descriptorBytes = (incompatible & bit64) === 0 ? 32 : Math.max(64, superblock.readUInt16LE(0xfe));
  if (blockBytes > 65_536 || inodesPerGroup === 0 || inodeBytes < 128) throw damaged('its superblock');
  const descriptors = (superblock.readUInt32LE(0x14) + 1) * blockBytes;
  const block = (number: number, count = 1): Buffer => read(number * blockBytes, count * blockBytes);
  const inode = (number: number): Inode => {
    if (number < 1 || number > inodes) throw damaged(`inode ${String(number)}`);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const descriptor = read(descriptors + group * descriptorBytes, descriptorBytes);
    const high = descriptorBytes >= 64 ? descriptor.readUInt32LE(0x28) : 0;
    const table = high * 2 ** 32 + descriptor.readUInt32LE(0x8);
    return parseInode(
      number,
      read(table * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes, inodeBytes),
    );
  };
  const reader = {blockBytes, block};
  return {
    ...reader,
    inode,
    names: (folder) => namesOf(folder, reader),
    content: (one) => contentOf(one, reader),
    linkTarget: (one) => linkTargetOf(one, reader),
  };
}

type Blocks = Pick<Ext4, 'blockBytes' | 'block'>;

/** inodes.rst */
function parseInode(number: number, raw: Buffer): Inode {
  const flags = raw.readUInt32LE(0x20);
  const extraBytes = raw.length > 128 ? raw.readUInt16LE(0x80) : 0;
  const seconds = raw.readInt32LE(0x10);
  // Two bits more for the seconds, and the nanoseconds (inodes.rst, "Inode Timestamps").
  const extra = extraBytes >= 0x8c - 0x80 ? raw.readUInt32LE(0x88) : 0;
  if ((flags & (0x10000000 | 0x800)) !== 0)
    throw new ImportError('The file system has encrypted files, or files within inodes');
  return {
    number,
    mode: raw.readUInt16LE(0),
    uid: raw.readUInt16LE(0x2) + raw.readUInt16LE(0x78) * 65_536,
    gid: raw.readUInt16LE(0x18) + raw.readUInt16LE(0x7a) * 65_536,
    sizeBytes: raw.readUInt32LE(0x4) + raw.readUInt32LE(0x6c) * 2 ** 32,
    mtime: seconds + (extra & 3) * 2 ** 32 + (extra >>> 2) / 1e9,
    links: raw.readUInt16LE(0x1a),
    flags,
    xattrBlock: raw.readUInt32LE(0x68) + raw.readUInt16LE(0x76) * 2 ** 32,
    map: raw.subarray(0x28, 0x64),
    raw,
    extraBytes,
  };
}

/** directory.rst: a folder with an index can be read like one without, its tree lies in entries without a name. */
function* namesOf(folder: Inode, blocks: Blocks): Generator<{name: string; number: number}> {
  for (const bytes of contentOf(folder, blocks)) {
    for (let start = 0; start < bytes.length; start += blocks.blockBytes) {
      const block = bytes.subarray(start, start + blocks.blockBytes);
      for (let at = 0; at + 8 <= block.length; ) {
        const number = block.readUInt32LE(at);
        const length = block.readUInt16LE(at + 4);
        const nameBytes = block.readUInt8(at + 6);
        // Blocks of 64 KiB have lengths that do not fit.
        const step = length === 0 || length === 65_535 ? block.length : length;
        if (step < 8 || at + 8 + nameBytes > block.length) throw damaged('a folder');
        if (number !== 0 && nameBytes > 0)
          yield {number, name: block.toString('latin1', at + 8, at + 8 + nameBytes)};
        at += step;
      }
    }
  }
}

function linkTargetOf(inode: Inode, blocks: Blocks): string {
  // One that fits lies where others say where their content is.
  const isFast = inode.sizeBytes < 60 && (inode.flags & usesExtents) === 0;
  const bytes = isFast ? inode.map : Buffer.concat([...contentOf(inode, blocks)]);
  return bytes.toString('latin1', 0, inode.sizeBytes);
}

const usesExtents = 0x80000;
const pieceBlocks = 256;

/** A stretch of a file: where it begins in the file, where on the disk, in blocks. */
interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

/** The bytes of a file, holes as zeros. */
function* contentOf(inode: Inode, {blockBytes, block}: Blocks): Generator<Buffer> {
  const blocks = {blockBytes, block};
  const extents =
    (inode.flags & usesExtents) === 0 ? joined(mappedBlocks(inode, blocks)) : extentsOf(inode.map, blocks, 0);
  let at = 0;
  const end = Math.ceil(inode.sizeBytes / blockBytes);
  const cut = (bytes: Buffer, first: number): Buffer =>
    bytes.subarray(0, Math.max(0, inode.sizeBytes - first * blockBytes));
  for (const {logical, physical, count} of extents) {
    if (logical < at) throw damaged('the map of a file');
    yield* zerosBetween(at, Math.min(logical, end), {cut, blockBytes});
    for (let done = 0; done < count && logical + done < end; done += pieceBlocks) {
      const size = Math.min(pieceBlocks, count - done, end - logical - done);
      yield cut(block(physical + done, size), logical + done);
    }
    at = Math.min(end, logical + count);
    if (at === end) return;
  }
  yield* zerosBetween(at, end, {cut, blockBytes});
}

function* zerosBetween(
  from: number,
  to: number,
  {cut, blockBytes}: {readonly cut: (bytes: Buffer, first: number) => Buffer; readonly blockBytes: number},
): Generator<Buffer> {
  const zeros = Buffer.alloc(pieceBlocks * blockBytes);
  for (let at = from; at < to; at += pieceBlocks)
    yield cut(zeros.subarray(0, Math.min(pieceBlocks, to - at) * blockBytes), at);
}

/** ifork.rst, "Extent Tree"; stretches that were reserved and never written are holes. */
function* extentsOf(node: Buffer, blocks: Blocks, depth: number): Generator<Extent> {
  if (node.readUInt16LE(0) !== 0xf30a || depth > 5) throw damaged('the map of a file');
  const entries = node.readUInt16LE(2);
  const level = node.readUInt16LE(6);
  if (12 + entries * 12 > node.length) throw damaged('the map of a file');
  for (let index = 0; index < entries; index += 1) {
    const at = 12 + index * 12;
    if (level > 0) {
      const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
      yield* extentsOf(blocks.block(child), blocks, depth + 1);
      continue;
    }
    const length = node.readUInt16LE(at + 4);
    if (length > 32_768) continue;
    yield {
      logical: node.readUInt32LE(at),
      physical: node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32,
      count: length,
    };
  }
}

/** Stretches that lie side by side in the file and on the disk, as one. */
function* joined(extents: Iterable<Extent>): Generator<Extent> {
  let last: Extent | undefined;
  for (const next of extents) {
    const isNext =
      last !== undefined &&
      last.logical + last.count === next.logical &&
      last.physical + last.count === next.physical;
    if (last !== undefined && isNext) {
      last = {...last, count: last.count + next.count};
      continue;
    }
    if (last !== undefined) yield last;
    last = next;
  }
  if (last !== undefined) yield last;
}

/** ifork.rst, "Direct/Indirect Block Addressing", of ext2 and ext3. */
function* mappedBlocks({map}: Inode, blocks: Blocks): Generator<Extent> {
  const each = blocks.blockBytes / 4;
  function* below(number: number, level: number, logical: number): Generator<Extent> {
    if (number === 0) return;
    if (level === 0) {
      yield {logical, physical: number, count: 1};
      return;
    }
    const table = blocks.block(number);
    for (let index = 0; index < each; index += 1)
      yield* below(table.readUInt32LE(index * 4), level - 1, logical + index * each ** (level - 1));
  }
  for (let index = 0; index < 12; index += 1) yield* below(map.readUInt32LE(index * 4), 0, index);
  let logical = 12;
  for (const level of [1, 2, 3]) {
    yield* below(map.readUInt32LE((11 + level) * 4), level, logical);
    logical += each ** level;
  }
}

export function damaged(what: string): ImportError {
  return new ImportError(`The file system is damaged: ${what}`, {hint: 'Run e2fsck on it'});
}
