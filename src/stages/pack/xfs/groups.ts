import {NoRoomError} from '../file-system-size.ts';
import {buildGroupTree} from './btree.ts';
import {
  blockBytes,
  blocksPerChunk,
  byteOf,
  chunkAlignment,
  type Geometry,
  groupLength,
  inodesPerChunk,
  mostExtentBlocks,
  nothing,
  type Place,
  seal,
  sectorBytes,
  uuidBuffer,
} from './format.ts';

/** Blocks of a group that mkfs.xfs gives out first: headers, the roots of five trees, the free list. */
const roots = {freeByBlock: 1, freeBySize: 2, inodes: 3, freeInodes: 4, shared: 5} as const;
const freeList = [6, 7, 8, 9] as const;
const firstFree = 10;
const freeListRoom = (sectorBytes - 36) / 4;

/** The allocation groups of a file system: gives out blocks one after the other, and writes what is used of each. */
export class Groups {
  readonly #geometry: Geometry;
  readonly #groups: readonly Group[];

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
    this.#groups = Array.from({length: geometry.groups}, (_, index) => ({
      length: groupLength(geometry, index),
      most: mostOf(groupLength(geometry, index)),
      next: firstFree,
      gaps: [],
      chunks: [],
    }));
  }

  /** A stretch of at most so many blocks, in the first group that has room. */
  take(blocks: number): Place & {readonly blocks: number} {
    for (const [index, group] of this.#groups.entries()) {
      const left = group.most - group.next;
      if (left <= 0) continue;
      const taken = Math.min(blocks, left, mostExtentBlocks);
      const block = group.next;
      group.next += taken;
      return {group: index, block, blocks: taken};
    }
    throw new NoRoomError('The content does not fit into the XFS file system');
  }

  /** Blocks that lie together, in one group. */
  takeWhole(
    blocks: number,
    {group: wanted, alignment = 1}: {group?: number; alignment?: number} = {},
  ): Place {
    for (const [index, group] of this.#groups.entries()) {
      if (wanted !== undefined && wanted !== index) continue;
      const at = Math.ceil(group.next / alignment) * alignment;
      if (at + blocks > group.most) continue;
      if (at > group.next) group.gaps.push({block: group.next, blocks: at - group.next});
      group.next = at + blocks;
      return {group: index, block: at};
    }
    throw new NoRoomError('The content does not fit into the XFS file system');
  }

  /** Room for 64 inodes, of which `used` are. */
  takeChunk(used: number): Place {
    const place = this.takeWhole(blocksPerChunk, {alignment: chunkAlignment});
    this.#groups[place.group]?.chunks.push({block: place.block, used});
    return place;
  }

  /** Writes the trees and headers of all groups, and gives the number of free blocks. */
  write(write: (bytes: Buffer, at: number) => void): number {
    let free = 0;
    for (const [index, group] of this.#groups.entries()) {
      const inodes = this.#tree(index, 'IAB3', group.chunks.map(chunkRecord));
      const freeInodes = this.#tree(
        index,
        'FIB3',
        group.chunks.filter(({used}) => used < inodesPerChunk).map(chunkRecord),
      );
      const shared = this.#tree(index, 'R3FC', []);
      // Further blocks of those trees have been taken: now it is known what is free.
      const extents = [...group.gaps, {block: group.next, blocks: group.length - group.next}].filter(
        ({blocks}) => blocks > 0,
      );
      const bySize = extents.toSorted((a, b) => a.blocks - b.blocks || a.block - b.block);
      const trees = [
        inodes,
        freeInodes,
        shared,
        this.#tree(index, 'AB3B', extents.map(freeRecord)),
        this.#tree(index, 'AB3C', bySize.map(freeRecord)),
      ];
      for (const {block, bytes} of trees.flatMap(({blocks}) => blocks))
        write(bytes, byteOf({group: index, block}, this.#geometry));
      const freeBlocks = extents.reduce((sum, {blocks}) => sum + blocks, 0);
      free += freeBlocks + freeList.length;
      const headers = [
        this.#freeSpaceHeader(index, {freeBlocks, longest: bySize.at(-1)?.blocks ?? 0}),
        this.#inodeHeader(index, {inodeLevels: inodes.levels, freeLevels: freeInodes.levels}),
        this.#freeListHeader(index),
      ];
      write(Buffer.concat(headers), byteOf({group: index, block: 0}, this.#geometry) + sectorBytes);
    }
    return free;
  }

  #tree(group: number, tree: keyof typeof places, records: readonly Buffer[]) {
    const more = (): number => this.#takeForTree(group);
    const keyBytes = tree === 'AB3B' || tree === 'AB3C' ? 8 : 4;
    return buildGroupTree({tree, group, root: places[tree], records, keyBytes, more}, this.#geometry);
  }

  /** Of what is kept free. */
  #takeForTree(index: number): number {
    const group = this.#groups[index];
    if (group === undefined || group.next >= group.length)
      throw new NoRoomError('The content does not fit into the XFS file system');
    group.next += 1;
    return group.next - 1;
  }

  #header(word: string, group: number): Buffer {
    const made = Buffer.alloc(sectorBytes);
    made.write(word, 0, 'latin1');
    made.writeUInt32BE(1, 4);
    made.writeUInt32BE(group, 8);
    made.writeUInt32BE(groupLength(this.#geometry, group), 12);
    return made;
  }

  /** AGF. */
  #freeSpaceHeader(group: number, {freeBlocks, longest}: {freeBlocks: number; longest: number}): Buffer {
    const made = this.#header('XAGF', group);
    const fields = [
      [16, roots.freeByBlock],
      [20, roots.freeBySize],
      [28, 1],
      [32, 1],
      [40, 0],
      [44, freeList.length - 1],
      [48, freeList.length],
      [52, freeBlocks],
      [56, longest],
      [84, 1],
      [88, roots.shared],
      [92, 1],
    ] as const;
    for (const [at, value] of fields) made.writeUInt32BE(value, at);
    uuidBuffer(this.#geometry.uuid).copy(made, 64);
    return seal(made, 216);
  }

  /** AGI. */
  #inodeHeader(group: number, {inodeLevels, freeLevels}: {inodeLevels: number; freeLevels: number}): Buffer {
    const made = this.#header('XAGI', group);
    const chunks = this.#groups[group]?.chunks ?? [];
    const last = chunks.at(-1);
    const fields = [
      [16, chunks.length * inodesPerChunk],
      [20, roots.inodes],
      [24, inodeLevels],
      [28, chunks.reduce((sum, {used}) => sum + inodesPerChunk - used, 0)],
      [32, last === undefined ? nothing : firstInode(last)],
      [36, nothing],
      [328, roots.freeInodes],
      [332, freeLevels],
    ] as const;
    for (const [at, value] of fields) made.writeUInt32BE(value, at);
    // Inodes without names that are still open.
    made.fill(0xff, 40, 40 + 64 * 4);
    uuidBuffer(this.#geometry.uuid).copy(made, 296);
    return seal(made, 312);
  }

  /** AGFL. */
  #freeListHeader(group: number): Buffer {
    const made = Buffer.alloc(sectorBytes);
    made.write('XAFL', 0, 'latin1');
    made.writeUInt32BE(group, 4);
    uuidBuffer(this.#geometry.uuid).copy(made, 8);
    made.fill(0xff, 36, 36 + freeListRoom * 4);
    for (const [index, block] of freeList.entries()) made.writeUInt32BE(block, 36 + index * 4);
    return seal(made, 32);
  }
}

const places = {
  AB3B: roots.freeByBlock,
  AB3C: roots.freeBySize,
  IAB3: roots.inodes,
  FIB3: roots.freeInodes,
  R3FC: roots.shared,
} as const;

interface Group {
  readonly length: number;
  /** Up to where content may lie. */
  readonly most: number;
  next: number;
  /** Left free before something that had to be aligned. */
  readonly gaps: {block: number; blocks: number}[];
  readonly chunks: Chunk[];
}

/** The kernel keeps room for the trees of each group, and says so at every mount where there is too little. */
function mostOf(length: number): number {
  return length - Math.ceil(length / 100) - 32;
}

interface Chunk {
  readonly block: number;
  readonly used: number;
}

function firstInode({block}: Chunk): number {
  return block * (blockBytes / 512);
}

/** First inode, number of free ones, and a bit for each of those. */
function chunkRecord(chunk: Chunk): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt32BE(firstInode(chunk), 0);
  record.writeUInt32BE(inodesPerChunk - chunk.used, 4);
  const all = (1n << 64n) - 1n;
  record.writeBigUInt64BE(BigInt.asUintN(64, all << BigInt(chunk.used)), 8);
  return record;
}

function freeRecord({block, blocks}: {readonly block: number; readonly blocks: number}): Buffer {
  const record = Buffer.alloc(8);
  record.writeUInt32BE(block, 0);
  record.writeUInt32BE(blocks, 4);
  return record;
}
