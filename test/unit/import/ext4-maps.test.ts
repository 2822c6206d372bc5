import {describe, expect, it} from 'vitest';
import {ImportError} from '../../../src/stages/import/entry.ts';
import {openExt4} from '../../../src/stages/import/ext4-format.ts';

const blockBytes = 1024;
const blocks = 64;
const usesExtents = 0x80000;

describe('an ext4 file system whose maps are wrong', () => {
  it('is read where they are right', () => {
    const disk = fileSystem({
      flags: usesExtents,
      size: 3 * blockBytes,
      map: extents(0, [
        [0, 20, 1],
        [2, 21, 1],
      ]),
    });
    disk.fill('a', 20 * blockBytes, 21 * blockBytes);
    disk.fill('b', 21 * blockBytes, 22 * blockBytes);
    const content = contentOf(disk).toString('latin1');
    expect(content).toBe('a'.repeat(blockBytes) + '\0'.repeat(blockBytes) + 'b'.repeat(blockBytes));
  });

  const cases: readonly (readonly [string, () => Buffer])[] = [
    ['a node of extents that is below itself', () => withBlock(10, indexes(3, 10, 84), indexes(4, 10, 4))],
    [
      'a node that is there many times, with stretches that were never written',
      () => {
        const disk = withBlock(10, indexes(1, 11, 84), indexes(2, 10, 4));
        extents(0, [[0, 20, 32_769]]).copy(disk, 11 * blockBytes);
        return disk;
      },
    ],
    [
      'a stretch without a length',
      () =>
        fileSystem({
          ...large,
          map: extents(0, [
            [0, 20, 0],
            [0, 20, 0],
          ]),
        }),
    ],
    [
      'a stretch before the one before it',
      () =>
        fileSystem({
          ...large,
          map: extents(0, [
            [5, 20, 1],
            [0, 21, 1],
          ]),
        }),
    ],
    ['a stretch beyond the end', () => fileSystem({...large, map: extents(0, [[0, 2 ** 31, 1]])})],
    [
      'the same blocks again and again',
      () =>
        fileSystem({
          ...large,
          map: extents(0, [
            [0, 20, 40],
            [40, 20, 40],
          ]),
        }),
    ],
    ['a table of blocks that is below itself', () => tables(10)],
    ['a table of tables that are empty', () => tables(11)],
    ['a size that no file has', () => fileSystem({...large, size: 2 ** 60, map: extents(0, [])})],
    [
      'a folder that is larger than the disk',
      () => fileSystem({...large, mode: 0o40755, map: extents(0, [])}),
    ],
    ['a link that is longer than a path', () => fileSystem({...large, mode: 0o120777, map: extents(0, [])})],
  ];

  it.each(cases)('ends with what is wrong: %s', (_, make) => {
    expect(() => contentOf(make())).toThrow(ImportError);
  });
});

describe('an ext4 file system whose superblock is wrong', () => {
  const sound = {flags: usesExtents, size: 1, map: extents(0, [[0, 20, 1]])};

  it.each([7, 21, 22, 31, 32, 2 ** 32 - 1])('is refused with blocks of 2^(10+%d) bytes', (log) => {
    expect(() => contentOf(patched(0x18, log))).toThrow('The file system is damaged: its superblock');
  });

  it.each([0, 64, 129, 130, 2048])('is refused with inodes of %d bytes', (size) => {
    const disk = patched(0x58, size, 2);
    expect(() => contentOf(disk)).toThrow('The file system is damaged: its superblock');
  });

  it('is refused where there is less of it than it says', () => {
    expect(() => contentOf(patched(0x4, blocks + 1))).toThrow(
      'The file system is larger than what there is of it',
    );
  });

  it('is refused where its inodes lie beyond its end', () => {
    const disk = fileSystem(sound);
    disk.writeUInt32LE(0xffffffff, 2 * blockBytes + 8);
    expect(() => contentOf(disk)).toThrow(
      'The file system is damaged: it names a block that it does not have',
    );
  });

  function patched(at: number, value: number, bytes: 2 | 4 = 4): Buffer {
    const disk = fileSystem(sound);
    disk.writeUIntLE(value, blockBytes + at, bytes);
    return disk;
  }
});

interface Wanted {
  readonly mode?: number;
  readonly flags: number;
  readonly size: number;
  readonly map: Buffer;
}

const large = {flags: usesExtents, size: 2 ** 40};

/** A file system with one inode, 12, of the kind that is wanted (super.rst, group_descr.rst, inodes.rst). */
function fileSystem({mode = 0o100644, flags, size, map}: Wanted): Buffer {
  const disk = Buffer.alloc(blocks * blockBytes);
  const superblock = disk.subarray(blockBytes);
  superblock.writeUInt32LE(16, 0);
  superblock.writeUInt32LE(blocks, 0x4);
  superblock.writeUInt32LE(1, 0x14);
  superblock.writeUInt32LE(16, 0x28);
  superblock.writeUInt16LE(0xef53, 0x38);
  superblock.writeUInt32LE(1, 0x4c);
  superblock.writeUInt16LE(128, 0x58);
  superblock.writeUInt32LE(0x42, 0x60);
  disk.writeUInt32LE(3, 2 * blockBytes + 8);
  const inode = disk.subarray(3 * blockBytes + 11 * 128);
  inode.writeUInt16LE(mode, 0);
  inode.writeUInt32LE(size % 2 ** 32, 0x4);
  inode.writeUInt16LE(1, 0x1a);
  inode.writeUInt32LE(flags, 0x20);
  inode.writeUInt32LE(Math.floor(size / 2 ** 32), 0x6c);
  map.copy(inode, 0x28);
  return disk;
}

/** The same, with a block of the map elsewhere. */
function withBlock(number: number, block: Buffer, map: Buffer): Buffer {
  const disk = fileSystem({...large, map});
  block.copy(disk, number * blockBytes);
  return disk;
}

/** A file of ext2 whose tables name one block in all places. */
function tables(inner: number): Buffer {
  const map = Buffer.alloc(60);
  map.writeUInt32LE(10, 56);
  const disk = fileSystem({flags: 0, size: 2 ** 40, map});
  for (let at = 0; at < blockBytes; at += 4) disk.writeUInt32LE(inner, 10 * blockBytes + at);
  return disk;
}

/** ifork.rst: a leaf. */
function extents(
  level: number,
  list: readonly (readonly [logical: number, physical: number, count: number])[],
): Buffer {
  const node = Buffer.alloc(12 + Math.max(4, list.length) * 12);
  node.writeUInt16LE(0xf30a, 0);
  node.writeUInt16LE(list.length, 2);
  node.writeUInt16LE(level, 6);
  for (const [index, [logical, physical, count]] of list.entries()) {
    node.writeUInt32LE(logical, 12 + index * 12);
    node.writeUInt16LE(count, 16 + index * 12);
    node.writeUInt32LE(physical, 20 + index * 12);
  }
  return node;
}

/** ifork.rst: an inner node, all of whose entries lead to one block. */
function indexes(level: number, child: number, count: number): Buffer {
  const node = Buffer.alloc(12 + count * 12);
  node.writeUInt16LE(0xf30a, 0);
  node.writeUInt16LE(count, 2);
  node.writeUInt16LE(level, 6);
  for (let index = 0; index < count; index += 1) node.writeUInt32LE(child, 16 + index * 12);
  return node;
}

/** Reads inode 12 as what it is. */
function contentOf(disk: Buffer): Buffer {
  const system = openExt4((at, length) => disk.subarray(at, at + length), disk.length);
  const inode = system.inode(12);
  if (inode.mode >> 12 === 4) return Buffer.from([...system.names(inode)].map(({name}) => name).join());
  if (inode.mode >> 12 === 10) return Buffer.from(system.linkTarget(inode));
  const parts: Buffer[] = [];
  let size = 0;
  for (const part of system.content(inode)) {
    size += part.length;
    if (size < 2 ** 20) parts.push(part);
  }
  return Buffer.concat(parts);
}
