import {type Bytes, fieldAt, fields} from './bytes.ts';

/** The superblock of squashfs 4.0, little endian (Linux, fs/squashfs/squashfs_fs.h). */
const superblock = fields([
  [0, 4, 's_magic'],
  [4, 4, 'inodes'],
  [8, 4, 'mkfs_time'],
  [12, 4, 'block_size'],
  [16, 4, 'fragments'],
  [20, 2, 'compression'],
  [22, 2, 'block_log'],
  [24, 2, 'flags'],
  [26, 2, 'no_ids'],
  [28, 2, 's_major'],
  [30, 2, 's_minor'],
  [32, 8, 'root_inode'],
  [40, 8, 'bytes_used'],
  [48, 8, 'id_table_start'],
  [56, 8, 'xattr_id_table_start'],
  [64, 8, 'inode_table_start'],
  [72, 8, 'directory_table_start'],
  [80, 8, 'fragment_table_start'],
  [88, 8, 'lookup_table_start'],
]);

const superblockBytes = 96;

/** Tables by where the superblock tells their starts; one that is not there starts at the largest number. */
const tables: readonly (readonly [at: number, name: string])[] = [
  [64, 'inode table'],
  [72, 'directory table'],
  [80, 'fragment table'],
  [88, 'export table'],
  [48, 'table of user and group ids'],
  [56, 'table of extended attributes'],
];

export function isSquashfs(bytes: Bytes): boolean {
  return bytes.read(0, 4).toString('latin1') === 'hsqs' && bytes.read(28, 2).equals(Buffer.from([4, 0]));
}

/** The field of the superblock, or the table, in which an offset lies. What lies there is compressed. */
export function squashfsPlace(bytes: Bytes, offset: number): readonly string[] {
  if (offset < superblockBytes) return ['superblock', fieldAt(superblock, offset)];
  const head = bytes.read(0, superblockBytes);
  if (offset >= Number(head.readBigUInt64LE(40))) return ['padding'];
  const last = tables
    .map(([at, name]) => ({start: Number(head.readBigUInt64LE(at)), name}))
    .filter(({start}) => start <= offset)
    .toSorted((a, b) => a.start - b.start)
    .at(-1);
  return [last?.name ?? 'data of files'];
}
