import type {Bytes} from './bytes.ts';
import {cpioPlace, isCpio} from './cpio.ts';
import {diskPlace, isDisk} from './disk.ts';
import {ext4Place, isExt4} from './ext4.ts';
import {fatPlace, isFat} from './fat.ts';
import {gzipPlace, isGzip} from './gzip.ts';
import {isQcow2, qcow2Place} from './qcow2.ts';
import {isSquashfs, squashfsPlace} from './squashfs.ts';
import {isTar, tarPlace} from './tar.ts';

/** Formats whose parts can be named. */
export type Format = 'qcow2' | 'squashfs' | 'gzip' | 'cpio' | 'tar' | 'disk' | 'ext4' | 'FAT';

interface FormatReader {
  readonly is: (bytes: Bytes) => boolean;
  /** What lies at an offset, the largest part first: `['group 0', 'inode 12 (/etc/motd)', 'i_mtime']`. */
  readonly place: (bytes: Bytes, offset: number) => readonly string[];
}

/** A FAT file system's first sector looks like a master boot record: it is asked for before disks are. */
const readers: Readonly<Record<Format, FormatReader>> = {
  qcow2: {is: isQcow2, place: qcow2Place},
  squashfs: {is: isSquashfs, place: squashfsPlace},
  gzip: {is: isGzip, place: gzipPlace},
  cpio: {is: isCpio, place: cpioPlace},
  tar: {is: isTar, place: tarPlace},
  ext4: {is: isExt4, place: ext4Place},
  FAT: {is: isFat, place: fatPlace},
  disk: {is: isDisk, place: (bytes, offset) => diskPlace(bytes, offset, placeIn)},
};

/** What bytes are, by their magic numbers. */
export function formatOf(bytes: Bytes): Format | undefined {
  for (const [format, {is}] of Object.entries(readers)) if (is(bytes)) return format as Format;
  return undefined;
}

/** What lies at an offset, the format first; empty where nothing is known of it. */
export function placeIn(bytes: Bytes, offset: number): readonly string[] {
  const format = formatOf(bytes);
  return format === undefined ? [] : [format, ...readers[format].place(bytes, offset)];
}
