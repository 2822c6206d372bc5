import type {Filesystem} from '../../../targets/contract.ts';
import {chunkSizes, deviceBytes} from './btrfs/chunks.ts';
import type {Content} from './measure.ts';

/**
 * The least size of a file system with some content, in bytes of whole MiB: what the content takes, the file system's own
 * structures, and a few percent for what is not counted (extent blocks, attributes, half-filled nodes).
 */
export function leastBytes(filesystem: Filesystem, content: Content): number {
  return Math.ceil(estimates[filesystem](content) / mebibyte) * mebibyte;
}

/** What was estimated does not do after all. */
export class NoRoomError extends Error {}

const mebibyte = 1 << 20;
const blockBytes = 4096;

const estimates: Readonly<Record<Filesystem, (content: Content) => number>> = {
  ext4: ext4Bytes,
  xfs: xfsBytes,
  btrfs: btrfsBytes,
};

/** Blocks of files, of long links, of folders and their names, with some room for what a first boot writes. */
function usedBytes({blocks, longLinks, folders, entryBytes}: Content): number {
  return (
    (blocks + longLinks + folders + Math.ceil((entryBytes * 1.5) / blockBytes)) * blockBytes * 1.02 +
    4 * mebibyte
  );
}

/** Bytes of the disk for each inode, as mke2fs's `-i` is given: the most that leaves the content enough inodes. */
export function ext4InodeRatio(content: Content, sizeBytes: number): number {
  const inodes = (content.files + content.folders) * 1.1 + 64;
  return ext4InodeRatios.find((ratio) => sizeBytes / ratio >= inodes) ?? 1024;
}

const ext4InodeRatios = [16_384, 8192, 4096, 2048];
const ext4InodeBytes = 256;

function ext4Bytes(content: Content): number {
  const used = usedBytes(content);
  let size = used;
  // Its own structures grow with it; a few rounds settle.
  for (let round = 0; round < 6; round += 1) size = used + ext4Overhead(size, ext4InodeRatio(content, size));
  return size;
}

/** mke2fs(8) and ext2fs_default_journal_size(), for blocks of 4 KiB. */
function ext4Overhead(sizeBytes: number, ratio: number): number {
  const blocks = sizeBytes / blockBytes;
  const groups = Math.ceil(blocks / 32_768);
  const journal =
    [
      [32_768, 1024],
      [262_144, 4096],
      [524_288, 8192],
      [4_194_304, 16_384],
      [8_388_608, 32_768],
      [16_777_216, 65_536],
      [33_554_432, 131_072],
    ].find(([below = 0]) => blocks < below)?.[1] ?? 262_144;
  const descriptors = Math.ceil((groups * 64) / blockBytes);
  // resize_inode keeps room for a disk of a thousand times the size, at most what one block can name.
  const reserved = Math.min(1024, descriptors * 1024, Math.ceil((groups * 1024 * 64) / blockBytes));
  const copies = [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243].filter((group) => group < groups).length;
  const tables = ((sizeBytes / ratio) * ext4InodeBytes) / blockBytes;
  return (journal + (descriptors + reserved + 1) * copies + groups * 2 + tables + 16) * blockBytes;
}

/** The log and the headers of the groups (src/stages/pack/xfs). */
function xfsBytes(content: Content): number {
  const inodes = ((content.files + content.folders) * 1.02 + 128) * 512;
  const used = usedBytes(content) + inodes;
  const log = xfsLogBytes(used + xfsLargeLogBytes);
  // A hundredth of each group stays free (xfs/groups.ts), and what lies together may leave a rest.
  return Math.max(xfsLeastBytes, (used + log) * 1.012 + 4 * mebibyte);
}

/** The log lies within one of four groups. */
const xfsLeastBytes = 96 * mebibyte;
const xfsLargeLogBytes = 64 * mebibyte;

/** As large as mkfs.xfs has made it since 5.15, but in small file systems. */
export function xfsLogBytes(sizeBytes: number): number {
  return sizeBytes >= 512 * mebibyte ? xfsLargeLogBytes : 16 * mebibyte;
}

function btrfsBytes(content: Content): number {
  return deviceBytes(chunkSizes(content));
}
