import {closeSync, fstatSync, openSync, readSync} from 'node:fs';
import {limits, shownPath, type TreeEntry} from './entry.ts';
import {damaged, type Ext4, type Inode, openExt4, type ReadBytes} from './ext4-format.ts';
import {inodeXattrs} from './ext4-xattrs.ts';

/**
 * The entries of an ext2, ext3 or ext4 file system in a file, without mounting it: whoever may read the file can, and
 * nothing of it reaches the kernel (Linux, Documentation/filesystems/ext4). It has to be clean: a journal that is still to
 * be replayed is replayed before, in a copy.
 */
export function* readExt4(path: string, offset: number): Generator<TreeEntry> {
  const file = openSync(path, 'r');
  try {
    const read: ReadBytes = (at, length) => readAt(file, {position: offset + at, length});
    const system = openExt4(read, fstatSync(file).size - offset);
    yield* entriesOf(system);
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, {position, length}: {position: number; length: number}): Buffer {
  const buffer = Buffer.alloc(length);
  for (let count = 0; count < length; ) {
    const got = readSync(file, buffer, count, length - count, position + count);
    if (got === 0) throw damaged('it ends too early');
    count += got;
  }
  return buffer;
}

const rootInode = 2;

function* entriesOf(system: Ext4): Generator<TreeEntry> {
  const named = new Map<number, string>();
  const folders = new Set<number>();
  const open: {readonly path: string; readonly number: number}[] = [{path: '', number: rootInode}];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const {path, number} = next;
    const inode = system.inode(number);
    const type = types[inode.mode >> 12];
    if (type === undefined) throw damaged(`${shownPath(path)} is of no kind`);
    if (type === 'folder') {
      if (folders.has(number)) throw damaged(`${shownPath(path)} is in itself`);
      folders.add(number);
      yield entryOf(system, {path, inode, type});
      const first = open.length;
      for (const {name, number: inner} of system.names(inode)) {
        if (name === '.' || name === '..') continue;
        if (name.includes('/') || name.includes('\0') || open.length > limits.entries)
          throw damaged('a name in it');
        // What fsck puts lost files into belongs to the file system alone.
        if (path !== '' || name !== 'lost+found')
          open.push({path: path === '' ? name : `${path}/${name}`, number: inner});
      }
      // The last is taken first.
      for (const inner of open.splice(first).reverse()) open.push(inner);
      continue;
    }
    const known = named.get(number);
    if (known !== undefined) {
      yield {...ownerOf(inode), path, type: 'hardlink', target: known};
      continue;
    }
    if (inode.links > 1) named.set(number, path);
    yield entryOf(system, {path, inode, type});
  }
}

/** inode(7), the file type. */
const types: Readonly<Record<number, TreeEntry['type']>> = {
  1: 'special',
  2: 'special',
  4: 'folder',
  6: 'special',
  8: 'file',
  10: 'symlink',
  12: 'special',
};

function entryOf(
  system: Ext4,
  {path, inode, type}: {readonly path: string; readonly inode: Inode; readonly type: TreeEntry['type']},
): TreeEntry {
  return {
    ...ownerOf(inode),
    path,
    type,
    xattrs: inodeXattrs(system, inode),
    ...(type === 'symlink' ? {target: system.linkTarget(inode)} : {}),
    ...(type === 'file' ? {content: system.content(inode)} : {}),
  };
}

function ownerOf({mode, uid, gid, mtime}: Inode): Pick<TreeEntry, 'mode' | 'uid' | 'gid' | 'mtime'> {
  return {mode: mode & 0o7777, uid, gid, mtime};
}
