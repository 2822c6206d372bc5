import {
  blockBytes,
  byteOf,
  chunkAlignment,
  type Geometry,
  inodeBytes,
  seal,
  sectorBytes,
  uuidBuffer,
} from './format.ts';

export interface SuperBlock {
  readonly geometry: Geometry;
  readonly logStart: number;
  readonly rootInode: number;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly freeBlocks: number;
}

/** Version 5; link counts of 32 bits, aligned chunks, log version 2, states of extents, folders version 2, more features. */
const version = 0xb4a5;
/** Counters kept lazily, attributes version 2, project ids of 32 bits, checksums. */
const features2 = 0x18a;
/** A tree of free inodes, shared blocks. */
const readOnlyCompat = 0x1 | 0x4;
/** Kinds of files in folders. */
const incompat = 0x1;

/** Writes the super block into the first sector of each group. */
export function writeSuperBlocks(block: SuperBlock, write: (bytes: Buffer, at: number) => void): void {
  const made = superBlock(block);
  for (let group = 0; group < block.geometry.groups; group += 1)
    write(made, byteOf({group, block: 0}, block.geometry));
}

export function superBlock({geometry, ...block}: SuperBlock): Buffer {
  const made = Buffer.alloc(sectorBytes);
  made.write('XFSB', 0, 'latin1');
  const words: readonly (readonly [number, number])[] = [
    [4, blockBytes],
    [80, 1],
    [84, geometry.groupBlocks],
    [88, geometry.groups],
    [96, geometry.logBlocks],
    [180, chunkAlignment],
    // Unit of the log: one byte says that there is none.
    [196, 1],
    [200, features2],
    [204, features2],
    [212, readOnlyCompat],
    [216, incompat],
  ];
  for (const [at, value] of words) made.writeUInt32BE(value, at);
  const longs: readonly (readonly [number, number])[] = [
    [8, geometry.blocks],
    [48, block.logStart],
    [56, block.rootInode],
    [64, block.rootInode + 1],
    [72, block.rootInode + 2],
    [128, block.inodes],
    [136, block.freeInodes],
    [144, block.freeBlocks],
  ];
  for (const [at, value] of longs) made.writeBigUInt64BE(BigInt(value), at);
  uuidBuffer(geometry.uuid).copy(made, 32);
  made.writeUInt16BE(version, 100);
  made.writeUInt16BE(sectorBytes, 102);
  made.writeUInt16BE(inodeBytes, 104);
  made.writeUInt16BE(blockBytes / inodeBytes, 106);
  made.write(geometry.label, 108, 12, 'utf8');
  // Logarithms of block, sector, inode, inodes in a block; of a group's blocks; most percent for inodes.
  made.set([12, 9, 9, 3, geometry.groupBits], 120);
  made[127] = 25;
  return seal(made, 224);
}
