import {closeSync, openSync, readSync, writeSync} from 'node:fs';
import {crc32c} from './crc32c.ts';
import type {FolderFacts} from './measure.ts';

/** Where a file system lies, the one time that a build has, and what the outermost folder is to be. */
export interface SettleExt4 {
  readonly offset: number;
  readonly epoch: number;
  readonly folder: FolderFacts;
}

/** Linux, fs/ext4/ext4.h: struct ext4_super_block, ext4_group_desc, ext4_inode. */
const superBlockAt = 1024;
const superBlock = {
  blocks: 0x04,
  firstBlock: 0x14,
  logBlockBytes: 0x18,
  blocksPerGroup: 0x20,
  inodesPerGroup: 0x28,
  inodeBytes: 0x58,
  incompat: 0x60,
  readOnlyCompat: 0x64,
  uuid: 0x68,
  descriptorBytes: 0xfe,
} as const;
const descriptor = {
  inodeTable: 0x08,
  unusedInodes: 0x1c,
  inodeTableHigh: 0x28,
  unusedInodesHigh: 0x32,
} as const;
const inode = {
  mode: 0x00,
  uid: 0x02,
  accessed: 0x08,
  changed: 0x0c,
  modified: 0x10,
  gid: 0x18,
  generation: 0x64,
  uidHigh: 0x78,
  gidHigh: 0x7a,
  checksum: 0x7c,
  extraBytes: 0x80,
  checksumHigh: 0x82,
  changedExtra: 0x84,
  modifiedExtra: 0x88,
  accessedExtra: 0x8c,
  made: 0x90,
  madeExtra: 0x94,
} as const;
const has64Bit = 0x80;
const hasMetadataChecksums = 0x400;
const rootInode = 2;

/**
 * Gives the inodes of an ext4 file system that mke2fs(8) wrote times that tell nothing of the host: releases before 1.47.1
 * copy those of access and change, which are of the cache's disk. What was modified later than the epoch is of the epoch.
 * The outermost folder gets the owner and mode that mke2fs does not copy.
 */
export function settleExt4(path: string, {offset, epoch, folder}: SettleExt4): void {
  const file = openSync(path, 'r+');
  try {
    const head = read(file, offset + superBlockAt, 1024);
    const blockBytes = 1024 << head.readUInt32LE(superBlock.logBlockBytes);
    const is64Bit = (head.readUInt32LE(superBlock.incompat) & has64Bit) !== 0;
    const descriptorBytes = is64Bit ? head.readUInt16LE(superBlock.descriptorBytes) : 32;
    const firstBlock = head.readUInt32LE(superBlock.firstBlock);
    const blocks = head.readUInt32LE(superBlock.blocks) + (is64Bit ? head.readUInt32LE(0x150) * 2 ** 32 : 0);
    const groups = Math.ceil((blocks - firstBlock) / head.readUInt32LE(superBlock.blocksPerGroup));
    const descriptors = read(file, offset + (firstBlock + 1) * blockBytes, groups * descriptorBytes);
    const inodesPerGroup = head.readUInt32LE(superBlock.inodesPerGroup);
    const inodeBytes = head.readUInt16LE(superBlock.inodeBytes);
    const seed =
      (head.readUInt32LE(superBlock.readOnlyCompat) & hasMetadataChecksums) === 0
        ? undefined
        : crc32c(0xffff_ffff, head.subarray(superBlock.uuid, superBlock.uuid + 16));
    for (let group = 0; group < groups; group += 1) {
      const at = descriptors.subarray(group * descriptorBytes, (group + 1) * descriptorBytes);
      const high = is64Bit ? at.readUInt32LE(descriptor.inodeTableHigh) * 2 ** 32 : 0;
      const table = offset + (at.readUInt32LE(descriptor.inodeTable) + high) * blockBytes;
      const unused =
        at.readUInt16LE(descriptor.unusedInodes) +
        (is64Bit ? at.readUInt16LE(descriptor.unusedInodesHigh) * 2 ** 16 : 0);
      const inodes = read(file, table, (inodesPerGroup - unused) * inodeBytes);
      for (let index = 0; (index + 1) * inodeBytes <= inodes.length; index += 1) {
        const one = inodes.subarray(index * inodeBytes, (index + 1) * inodeBytes);
        if (one.readUInt16LE(inode.mode) === 0) continue;
        const number = group * inodesPerGroup + index + 1;
        settleInode(one, epoch);
        if (number === rootInode) settleFolder(one, folder);
        if (seed !== undefined) sealInode(one, {seed, number});
      }
      writeSync(file, inodes, 0, inodes.length, table);
    }
  } finally {
    closeSync(file);
  }
}

function settleInode(one: Buffer, epoch: number): void {
  one.writeInt32LE(epoch, inode.accessed);
  one.writeInt32LE(epoch, inode.changed);
  const modified = one.readInt32LE(inode.modified);
  const isLater = modified > epoch || hasEpochBits(one);
  one.writeInt32LE(isLater ? epoch : modified, inode.modified);
  if (one.length <= inode.madeExtra) return;
  one.writeInt32LE(epoch, inode.made);
  for (const extra of [inode.changedExtra, inode.modifiedExtra, inode.accessedExtra, inode.madeExtra])
    one.writeUInt32LE(0, extra);
}

function settleFolder(one: Buffer, {mode, uid, gid}: FolderFacts): void {
  one.writeUInt16LE(0o040000 | mode, inode.mode);
  one.writeUInt16LE(uid & 0xffff, inode.uid);
  one.writeUInt16LE(gid & 0xffff, inode.gid);
  one.writeUInt16LE(uid >>> 16, inode.uidHigh);
  one.writeUInt16LE(gid >>> 16, inode.gidHigh);
}

/** Whether the time is one after 2038: the two lowest bits beside the nanoseconds. */
function hasEpochBits(one: Buffer): boolean {
  return one.length > inode.madeExtra && (one.readUInt32LE(inode.modifiedExtra) & 3) !== 0;
}

/** ext4_inode_csum(): seed, number, generation, then the inode with zeros for the checksum. */
function sealInode(one: Buffer, {seed, number}: {readonly seed: number; readonly number: number}): void {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32LE(number);
  one.copy(prefix, 4, inode.generation, inode.generation + 4);
  const isLarge = one.length > 128 && one.readUInt16LE(inode.extraBytes) >= 4;
  one.writeUInt16LE(0, inode.checksum);
  if (isLarge) one.writeUInt16LE(0, inode.checksumHigh);
  const checksum = crc32c(crc32c(seed, prefix), one);
  one.writeUInt16LE(checksum & 0xffff, inode.checksum);
  if (isLarge) one.writeUInt16LE(checksum >>> 16, inode.checksumHigh);
}

function read(file: number, at: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  readSync(file, data, 0, length, at);
  return data;
}
