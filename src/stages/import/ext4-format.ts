import {hole, ImportError} from './entry.ts';

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
  readonly blocks: number;
  /** Blocks that belong to one file alone: content, and the map to it. */
  readonly block: (number: number, count?: number) => Buffer;
  /** A block that files may share. */
  readonly sharedBlock: (number: number) => Buffer;
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
const superBytes = 1024;

/** Whether an ext file system begins at the start of these bytes. */
export function isExt4(begin: Buffer): boolean {
  return begin.length >= superBytes + 0x3a && begin.readUInt16LE(superBytes + 0x38) === 0xef53;
}

/** Whether its journal holds what was not written to its place yet. */
export function hasJournalToReplay(begin: Buffer): boolean {
  return (begin.readUInt32LE(superBytes + 0x60) & journalToReplay) !== 0;
}

/**
 * Reads the superblock (super.rst) and gives what reads the rest. Throws `ImportError` for what cannot be read.
 *
 * Whatever is written in it, reading ends: nothing beyond its own blocks is read, and no block for more than one file, so
 * that maps that lead in circles run out of blocks. `sizeBytes`: what there is of it.
 */
export function openExt4(read: ReadBytes, sizeBytes: number): Ext4 {
  const layout = readSuperblock(read(0, 2 * superBytes).subarray(superBytes));
  const {blockBytes, blocks, inodes, inodesPerGroup, inodeBytes, descriptors, descriptorBytes} = layout;
  if (blocks * blockBytes > sizeBytes)
    throw new ImportError('The file system is larger than what there is of it', {
      hint: 'The file or the partition was cut off: make it anew',
    });
  const within = (offset: number, length: number): Buffer => {
    if (offset + length > blocks * blockBytes) throw damaged('it names a block that it does not have');
    return read(offset, length);
  };
  let unread = blocks;
  const block = (number: number, count = 1): Buffer => {
    unread -= count;
    if (unread < 0) throw damaged('several files are in the same blocks');
    return within(number * blockBytes, count * blockBytes);
  };
  const inode = (number: number): Inode => {
    if (number < 1 || number > inodes) throw damaged(`inode ${String(number)}`);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const descriptor = within(descriptors + group * descriptorBytes, descriptorBytes);
    const high = descriptorBytes >= 64 ? descriptor.readUInt32LE(0x28) : 0;
    const table = high * 2 ** 32 + descriptor.readUInt32LE(0x8);
    return parseInode(
      number,
      within(table * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes, inodeBytes),
    );
  };
  const reader = {blockBytes, blocks, block};
  return {
    ...reader,
    sharedBlock: (number) => within(number * blockBytes, blockBytes),
    inode,
    names: (folder) => namesOf(folder, reader),
    content: (one) => contentOf(one, reader),
    linkTarget: (one) => linkTargetOf(one, reader),
  };
}

/** What the superblock says of where things are. */
interface Layout {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptors: number;
  readonly descriptorBytes: number;
}

function readSuperblock(superblock: Buffer): Layout {
  const incompatible = superblock.readUInt32LE(0x60);
  const known = Object.values(readable).reduce((sum, bit) => sum | bit, 0);
  const unknown = (incompatible & ~known & ~journalToReplay) >>> 0;
  if (unknown !== 0)
    throw new ImportError(`The file system has features that are not read (0x${unknown.toString(16)})`, {
      hint: 'Make a tar archive of it on a machine that can mount it, and import that',
    });
  const is64Bit = (incompatible & readable.bit64) !== 0;
  const logBlock = superblock.readUInt32LE(0x18);
  if (logBlock > 6) throw damaged('its superblock');
  const blockBytes = 1024 << logBlock;
  const inodesPerGroup = superblock.readUInt32LE(0x28);
  const inodeBytes = superblock.readUInt32LE(0x4c) === 0 ? 128 : superblock.readUInt16LE(0x58);
  const isPower = (inodeBytes & (inodeBytes - 1)) === 0;
  if (inodesPerGroup === 0 || inodeBytes < 128 || inodeBytes > blockBytes || !isPower)
    throw damaged('its superblock');
  return {
    blockBytes,
    blocks: superblock.readUInt32LE(0x4) + (is64Bit ? superblock.readUInt32LE(0x150) * 2 ** 32 : 0),
    inodes: superblock.readUInt32LE(0),
    inodesPerGroup,
    inodeBytes,
    descriptors: (superblock.readUInt32LE(0x14) + 1) * blockBytes,
    descriptorBytes: is64Bit ? Math.max(64, superblock.readUInt16LE(0xfe)) : 32,
  };
}

type Blocks = Pick<Ext4, 'blockBytes' | 'blocks' | 'block'>;

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
  // A folder has no holes.
  if (folder.sizeBytes > blocks.blocks * blocks.blockBytes) throw damaged('a folder');
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

/** Linux's PATH_MAX, the end of the string included. */
const longestTarget = 4096;

function linkTargetOf(inode: Inode, blocks: Blocks): string {
  if (inode.sizeBytes >= longestTarget) throw damaged('a symbolic link');
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
function* contentOf(inode: Inode, blocks: Blocks): Generator<Buffer> {
  const {blockBytes, block} = blocks;
  if (inode.sizeBytes > 2 ** 32 * blockBytes) throw damaged('the size of a file');
  const extents =
    (inode.flags & usesExtents) === 0 ? joined(mappedBlocks(inode, blocks)) : extentsOf(inode.map, blocks);
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
  const piece = Math.floor(hole.length / blockBytes);
  for (let at = from; at < to; at += piece)
    yield cut(hole.subarray(0, Math.min(piece, to - at) * blockBytes), at);
}

/**
 * ifork.rst, "Extent Tree"; stretches that were reserved and never written are holes. A leaf has entries, each behind the
 * one before: so no part of the tree can be walked twice.
 */
function* extentsOf(root: Buffer, blocks: Blocks): Generator<Extent> {
  let next = 0;
  function* below(node: Buffer, level: number): Generator<Extent> {
    const entries = node.readUInt16LE(2);
    if (node.readUInt16LE(0) !== 0xf30a || node.readUInt16LE(6) !== level || 12 + entries * 12 > node.length)
      throw damaged('the map of a file');
    for (let at = 12; at < 12 + entries * 12; at += 12) {
      if (level > 0) {
        const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
        yield* below(blocks.block(child), level - 1);
        continue;
      }
      const logical = node.readUInt32LE(at);
      const length = node.readUInt16LE(at + 4);
      const isWritten = length <= 32_768;
      const count = isWritten ? length : length - 32_768;
      if (logical < next || count === 0) throw damaged('the map of a file');
      next = logical + count;
      const physical = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
      if (isWritten) yield {logical, physical, count};
    }
  }
  const depth = root.readUInt16LE(6);
  if (depth > 5) throw damaged('the map of a file');
  yield* below(root, depth);
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
