import {sectorOf} from './btree.ts';
import {blockBytes, type Extent, type Geometry, type Place, seal, uuidBuffer} from './format.ts';

/** A name in a folder. */
export interface Entry {
  readonly name: Buffer;
  readonly inode: number;
  readonly kind: number;
}

/** Kinds of what a name stands for. */
export const entryKind = {file: 1, folder: 2, character: 3, block: 4, pipe: 5, link: 7} as const;

export interface FolderRequest {
  readonly inode: number;
  readonly parent: number;
  readonly entries: readonly Entry[];
}

/** A folder in the inode; undefined where it has no room there. */
export function shortFolder({parent, entries}: FolderRequest, roomBytes: number): Buffer | undefined {
  const size = 6 + entries.reduce((sum, {name}) => sum + name.length + 8, 0);
  if (size > roomBytes || entries.length > 255) return undefined;
  const made = Buffer.alloc(size);
  made[0] = entries.length;
  made.writeUInt32BE(parent, 2);
  let at = 6;
  // Where each would stand in a block, behind `.` and `..`.
  let offset = dataHeaderBytes + 2 * entryBytes(2);
  for (const {name, inode, kind} of entries) {
    made[at] = name.length;
    made.writeUInt16BE(offset, at + 1);
    name.copy(made, at + 3);
    made[at + 3 + name.length] = kind;
    made.writeUInt32BE(inode, at + 4 + name.length);
    at += 8 + name.length;
    offset += entryBytes(name.length);
  }
  return made;
}

const dataHeaderBytes = 64;
const leafHeaderBytes = 64;
/** Blocks of the file at which leaves, and the index of free room, begin. */
const leavesAt = 2 ** 35 / blockBytes;
const freeAt = 2 * leavesAt;
const perLeaf = (blockBytes - leafHeaderBytes) / 8;
const freePerBlock = (blockBytes - 64) / 2;

interface Leaf {
  readonly hash: number;
  readonly address: number;
}

/** A folder's blocks, what its size is, and where the blocks lie. `take` gives blocks that lie together. */
export function blockFolder(
  request: FolderRequest,
  {geometry, take}: {geometry: Geometry; take: (blocks: number) => Place},
): {
  readonly blocks: readonly {readonly place: Place; readonly bytes: Buffer}[];
  readonly extents: readonly Extent[];
  readonly sizeBytes: number;
} {
  const {inode, parent} = request;
  const entries: readonly Entry[] = [
    {name: Buffer.from('.'), inode, kind: entryKind.folder},
    {name: Buffer.from('..'), inode: parent, kind: entryKind.folder},
    ...request.entries,
  ];
  const one = dataHeaderBytes + entries.reduce((sum, {name}) => sum + entryBytes(name.length) + 8, 8);
  if (one <= blockBytes) {
    const place = take(1);
    const {block, leaves} = dataBlock(entries, {index: 0, end: blockBytes - 8 - entries.length * 8});
    const bytes = block;
    leaves.sort(byHash).forEach(({hash, address}, index) => {
      bytes.writeUInt32BE(hash, blockBytes - 8 - (entries.length - index) * 8);
      bytes.writeUInt32BE(address, blockBytes - 4 - (entries.length - index) * 8);
    });
    bytes.writeUInt32BE(entries.length, blockBytes - 8);
    const sealed = sealData(bytes, 'XDB3', {inode, place, geometry});
    return {
      blocks: [{place, bytes: sealed}],
      extents: [{...place, fileBlock: 0, blocks: 1}],
      sizeBytes: blockBytes,
    };
  }
  return manyBlocks(entries, {inode, geometry, take});
}

function manyBlocks(
  entries: readonly Entry[],
  {inode, geometry, take}: {inode: number; geometry: Geometry; take: (blocks: number) => Place},
): ReturnType<typeof blockFolder> {
  const data: {block: Buffer; free: number}[] = [];
  const leaves: Leaf[] = [];
  for (let at = 0; at < entries.length; ) {
    let size = dataHeaderBytes;
    const first = at;
    for (; at < entries.length; at += 1) {
      size += entryBytes(entries[at]?.name.length ?? 0);
      if (size > blockBytes) break;
    }
    const made = dataBlock(entries.slice(first, at), {index: data.length, end: blockBytes});
    data.push(made);
    leaves.push(...made.leaves);
  }
  leaves.sort(byHash);
  const bests = data.map(({free}) => free);
  const isLeaf = leafHeaderBytes + leaves.length * 8 + 4 + bests.length * 2 <= blockBytes;
  const blocks: {place: Place; bytes: Buffer}[] = [];
  const extents: Extent[] = [];
  /** Blocks that lie together in the file, and on the disk. */
  const put = (fileBlock: number, count: number, make: (index: number, place: Place) => Buffer): void => {
    const place = take(count);
    extents.push({...place, fileBlock, blocks: count});
    for (let index = 0; index < count; index += 1) {
      const at = {...place, block: place.block + index};
      blocks.push({place: at, bytes: make(index, at)});
    }
  };
  put(0, data.length, (index, place) =>
    sealData(data[index]?.block ?? Buffer.alloc(0), 'XDD3', {inode, place, geometry}),
  );
  if (isLeaf) {
    put(leavesAt, 1, (_, place) => {
      const leaf = leafBlock(0x3df1, leaves, {inode, place, geometry});
      leaf.writeUInt32BE(bests.length, blockBytes - 4);
      for (const [index, best] of bests.entries())
        leaf.writeUInt16BE(best, blockBytes - 4 - (bests.length - index) * 2);
      return seal(leaf, leafChecksumAt);
    });
    return {blocks, extents, sizeBytes: data.length * blockBytes};
  }
  const count = Math.ceil(leaves.length / perLeaf);
  if (count > perLeaf) throw new Error('A folder has too many names for XFS as it is written here');
  const some = (index: number): readonly Leaf[] => leaves.slice(index * perLeaf, (index + 1) * perLeaf);
  put(leavesAt, count + 1, (index, place) => {
    const at = {inode, place, geometry};
    if (index === 0)
      return nodeBlock(
        Array.from({length: count}, (_, leaf) => some(leaf).at(-1)?.hash ?? 0),
        at,
      );
    const leaf = leafBlock(0x3dff, some(index - 1), at);
    leaf.writeUInt32BE(index < count ? leavesAt + index + 1 : 0, 0);
    leaf.writeUInt32BE(index > 1 ? leavesAt + index - 1 : 0, 4);
    return seal(leaf, leafChecksumAt);
  });
  put(freeAt, Math.ceil(bests.length / freePerBlock), (index, place) => {
    const from = index * freePerBlock;
    return freeBlock(bests.slice(from, from + freePerBlock), {from, at: {inode, place, geometry}});
  });
  return {blocks, extents, sizeBytes: data.length * blockBytes};
}

/** Entries of a block from its header on; what is left before `end` is free. */
function dataBlock(
  entries: readonly Entry[],
  {index, end}: {index: number; end: number},
): {readonly block: Buffer; readonly leaves: Leaf[]; readonly free: number} {
  const block = Buffer.alloc(blockBytes);
  const leaves: Leaf[] = [];
  let at = dataHeaderBytes;
  for (const {name, inode, kind} of entries) {
    const length = entryBytes(name.length);
    block.writeBigUInt64BE(BigInt(inode), at);
    block[at + 8] = name.length;
    name.copy(block, at + 9);
    block[at + 9 + name.length] = kind;
    block.writeUInt16BE(at, at + length - 2);
    leaves.push({hash: nameHash(name), address: (index * blockBytes + at) / 8});
    at += length;
  }
  const free = end - at;
  if (free > 0) {
    block.writeUInt16BE(0xffff, at);
    block.writeUInt16BE(free, at + 2);
    block.writeUInt16BE(at, end - 2);
    block.writeUInt16BE(at, 48);
    block.writeUInt16BE(free, 50);
  }
  return {block, leaves, free};
}

interface BlockAt {
  readonly inode: number;
  readonly place: Place;
  readonly geometry: Geometry;
}

function sealData(block: Buffer, word: 'XDB3' | 'XDD3' | 'XDF3', {inode, place, geometry}: BlockAt): Buffer {
  block.write(word, 0, 'latin1');
  block.writeBigUInt64BE(sectorOf(place, geometry), 8);
  uuidBuffer(geometry.uuid).copy(block, 24);
  block.writeBigUInt64BE(BigInt(inode), 40);
  return seal(block, 4);
}

const leafChecksumAt = 12;

function leafHeader(magic: number, count: number, {inode, place, geometry}: BlockAt): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt16BE(magic, 8);
  block.writeBigUInt64BE(sectorOf(place, geometry), 16);
  uuidBuffer(geometry.uuid).copy(block, 32);
  block.writeBigUInt64BE(BigInt(inode), 48);
  block.writeUInt16BE(count, 56);
  return block;
}

function leafBlock(magic: number, leaves: readonly Leaf[], at: BlockAt): Buffer {
  const block = leafHeader(magic, leaves.length, at);
  for (const [index, {hash, address}] of leaves.entries()) {
    block.writeUInt32BE(hash, leafHeaderBytes + index * 8);
    block.writeUInt32BE(address, leafHeaderBytes + index * 8 + 4);
  }
  return block;
}

/** The root above the leaves: the last hash of each. */
function nodeBlock(hashes: readonly number[], at: BlockAt): Buffer {
  const block = leafHeader(0x3ebe, hashes.length, at);
  block.writeUInt16BE(1, 58);
  for (const [index, hash] of hashes.entries()) {
    block.writeUInt32BE(hash, leafHeaderBytes + index * 8);
    block.writeUInt32BE(leavesAt + 1 + index, leafHeaderBytes + index * 8 + 4);
  }
  return seal(block, leafChecksumAt);
}

/** The longest free stretch of each data block. */
function freeBlock(bests: readonly number[], {from, at}: {from: number; at: BlockAt}): Buffer {
  const block = Buffer.alloc(blockBytes);
  block.writeUInt32BE(from, 48);
  block.writeUInt32BE(bests.length, 52);
  block.writeUInt32BE(bests.length, 56);
  for (const [index, best] of bests.entries()) block.writeUInt16BE(best, 64 + index * 2);
  return sealData(block, 'XDF3', at);
}

/** Inode, length, name, kind and offset, in whole eight bytes. */
function entryBytes(nameBytes: number): number {
  return Math.ceil((12 + nameBytes) / 8) * 8;
}

function byHash(a: Leaf, b: Leaf): number {
  return a.hash - b.hash || a.address - b.address;
}

/** xfs_da_hashname(): four bytes at a time, seven bits each. */
export function nameHash(name: Buffer): number {
  const byte = (at: number): number => name[at] ?? 0;
  const turn = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
  let hash = 0;
  let at = 0;
  for (; name.length - at >= 4; at += 4)
    hash = (byte(at) << 21) ^ (byte(at + 1) << 14) ^ (byte(at + 2) << 7) ^ byte(at + 3) ^ turn(hash, 28);
  const left = name.length - at;
  if (left === 3) hash = (byte(at) << 14) ^ (byte(at + 1) << 7) ^ byte(at + 2) ^ turn(hash, 21);
  if (left === 2) hash = (byte(at) << 7) ^ byte(at + 1) ^ turn(hash, 14);
  if (left === 1) hash = byte(at) ^ turn(hash, 7);
  return hash >>> 0;
}
