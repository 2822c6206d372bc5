import {invertedCrc32c} from '../crc32c.ts';

/**
 * What stands in an XFS file system of version 5, big endian but for checksums ("XFS Algorithms & Data Structures", 3rd
 * edition; Linux, fs/xfs/libxfs/xfs_format.h and xfs_da_format.h). Blocks of 4 KiB, sectors of 512 bytes, inodes of 512.
 */
export const blockBytes = 4096;
export const sectorBytes = 512;
export const inodeBytes = 512;
export const inodesPerChunk = 64;
export const blocksPerChunk = (inodesPerChunk * inodeBytes) / blockBytes;
/** Chunks begin at multiples of this many blocks. */
export const chunkAlignment = 4;
export const nothing = 0xffff_ffff;

export interface Geometry {
  readonly uuid: string;
  readonly label: string;
  readonly blocks: number;
  readonly groups: number;
  readonly groupBlocks: number;
  /** Of a block's number within its group. */
  readonly groupBits: number;
  readonly logBlocks: number;
}

/** A block by its group and its number there. */
export interface Place {
  readonly group: number;
  readonly block: number;
}

export interface Extent extends Place {
  /** In blocks of the file. */
  readonly fileBlock: number;
  readonly blocks: number;
}

export function planGeometry(request: {
  readonly sizeBytes: number;
  readonly logBytes: number;
  readonly uuid: string;
  readonly label: string;
}): Geometry {
  const blocks = Math.floor(request.sizeBytes / blockBytes);
  const groups = 4;
  const groupBlocks = Math.ceil(blocks / groups);
  return {
    uuid: request.uuid,
    label: request.label,
    blocks,
    groups,
    groupBlocks,
    groupBits: Math.ceil(Math.log2(groupBlocks)),
    logBlocks: request.logBytes / blockBytes,
  };
}

export function groupLength({blocks, groups, groupBlocks}: Geometry, group: number): number {
  return group === groups - 1 ? blocks - (groups - 1) * groupBlocks : groupBlocks;
}

/** A block's number in the file system: that of its group in the upper bits. */
export function fileSystemBlock({group, block}: Place, {groupBits}: Geometry): number {
  return group * 2 ** groupBits + block;
}

/** Byte of the file system at which a block lies. */
export function byteOf({group, block}: Place, {groupBlocks}: Geometry): number {
  return (group * groupBlocks + block) * blockBytes;
}

export function uuidBuffer(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Writes the checksum of a structure into it, at `at`. */
export function seal(structure: Buffer, at: number): Buffer {
  structure.writeUInt32LE(0, at);
  structure.writeUInt32LE(invertedCrc32c(structure), at);
  return structure;
}

/** Two 64-bit words: 1 bit of state, 54 of the file's block, 52 of the file system's, 21 of the count. */
export function extentRecord(extent: Extent, geometry: Geometry): Buffer {
  const start = BigInt(fileSystemBlock(extent, geometry));
  const record = Buffer.alloc(16);
  record.writeBigUInt64BE((BigInt(extent.fileBlock) << 9n) | (start >> 43n), 0);
  record.writeBigUInt64BE(BigInt.asUintN(64, (start & 0x7ff_ffff_ffffn) << 21n) | BigInt(extent.blocks), 8);
  return record;
}
/** A count of blocks has 21 bits. */
export const mostExtentBlocks = 2 ** 21 - 1;

export interface InodeFields {
  readonly number: number;
  /** With the kind of file; 0: it is free. */
  readonly mode: number;
  readonly format: 'device' | 'local' | 'extents';
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly modified: number;
  readonly epoch: number;
  readonly sizeBytes: number;
  readonly blocks: number;
  readonly extents: number;
  /** What stands in the inode itself. */
  readonly data: Buffer;
  /** Extended attributes in short form, none where it is empty. */
  readonly attributes: Buffer;
}

const formats = {device: 0, local: 1, extents: 2} as const;
const dataForkAt = 176;
const forkBytes = inodeBytes - dataForkAt;

/** Bytes of an inode that are left for data beside attributes: the attributes begin at a multiple of eight. */
export function dataForkBytes(attributes: Buffer): number {
  return attributes.length === 0 ? forkBytes : Math.floor((forkBytes - attributes.length) / 8) * 8;
}

export function inode(fields: InodeFields, {uuid}: Geometry): Buffer {
  const {number, mode, data, attributes, epoch} = fields;
  const made = Buffer.alloc(inodeBytes);
  made.writeUInt16BE(0x494e, 0);
  made[4] = 3;
  made.writeUInt32BE(nothing, 96);
  made.writeBigUInt64BE(BigInt(number), 152);
  uuidBuffer(uuid).copy(made, 160);
  if (mode === 0) return seal(made, 100);
  made.writeUInt16BE(mode, 2);
  made[5] = formats[fields.format];
  made.writeUInt32BE(fields.uid, 8);
  made.writeUInt32BE(fields.gid, 12);
  made.writeUInt32BE(fields.links, 16);
  made.writeInt32BE(epoch, 32);
  made.writeInt32BE(fields.modified, 40);
  made.writeInt32BE(epoch, 48);
  made.writeBigUInt64BE(BigInt(fields.sizeBytes), 56);
  made.writeBigUInt64BE(BigInt(fields.blocks), 64);
  made.writeUInt32BE(fields.extents, 76);
  made[83] = formats[attributes.length === 0 ? 'extents' : 'local'];
  made.writeInt32BE(epoch, 144);
  data.copy(made, dataForkAt);
  if (attributes.length > 0) {
    const at = dataForkBytes(attributes);
    made[82] = at / 8;
    attributes.copy(made, dataForkAt + at);
  }
  return seal(made, 100);
}
