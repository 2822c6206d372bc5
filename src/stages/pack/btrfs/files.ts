import {crc32c} from '../crc32c.ts';
import type {Pace} from '../pace.ts';
import type {TreeArchive, TreeEntry} from '../tree-archive.ts';
import {
  compareKeys,
  dirItem,
  entryKind,
  generation,
  type Item,
  inodeItem,
  itemType,
  type Key,
  objectId,
  pack,
} from './format.ts';

/** A stretch of a file's data: where in the file, and where in the logical space. */
export interface DataExtent {
  readonly inode: number;
  readonly fileOffset: number;
  readonly logical: number;
  readonly bytes: number;
}

/** Puts the bytes of files into data chunks. */
export interface DataStore {
  /** Stores a file of the archive; stretches of zeros may be left out. */
  store(inode: number, entry: TreeEntry): readonly DataExtent[];
  /** Bytes of a small file. */
  read(entry: TreeEntry): Buffer;
}

/** Files up to this size lie in the tree (the kernel's max_inline). */
const inlineBytes = 2048;

const modeBits: Readonly<Record<TreeEntry['type'], number>> = {
  file: 0o100000,
  folder: 0o040000,
  link: 0o120000,
  character: 0o020000,
  block: 0o060000,
  pipe: 0o010000,
};

interface Name {
  readonly parent: number;
  readonly name: Buffer;
  readonly index: number;
}

/** The items of the tree of files, sorted, and where the data of files lies. */
export async function fileItems(
  {entries}: TreeArchive,
  data: DataStore,
  {epoch, pace}: {readonly epoch: number; readonly pace: Pace},
): Promise<{readonly items: readonly Item[]; readonly extents: readonly DataExtent[]}> {
  const items: Item[] = [];
  const extents: DataExtent[] = [];
  const inodeOf = (index: number): number => objectId.firstFree + index;
  const folders = new Map(
    entries.flatMap(({type, path}, index) =>
      type === 'folder' ? [[path, new Folder(inodeOf(index))] as const] : [],
    ),
  );
  for (const [index, entry] of entries.entries()) {
    const inode = inodeOf(index);
    const paths = entry.path === '' ? [] : [entry.path, ...entry.otherPaths];
    const names = paths.map((path) => addName(path, {inode, kind: entryKind[entry.type], folders}));
    const content = contentOf(inode, entry, data);
    await pace.after(entry.sizeBytes);
    extents.push(...content.extents);
    items.push(...content.items, ...refItems(inode, names), ...xattrItems(inode, entry));
    if (entry.type !== 'folder')
      items.push(inodeItemOf(inode, entry, {epoch, links: names.length, ...content}));
  }
  for (const entry of entries) {
    if (entry.type !== 'folder') continue;
    const folder = folderAt(folders, entry.path);
    items.push(...folder.items());
    items.push(
      inodeItemOf(folder.inode, entry, {epoch, links: 1, sizeBytes: folder.nameBytes * 2, bytes: 0}),
    );
  }
  return {items: items.sort((a, b) => compareKeys(a.key, b.key)), extents};
}

/** Puts a name into its folder. */
function addName(
  path: string,
  {inode, kind, folders}: {inode: number; kind: number; folders: ReadonlyMap<string, Folder>},
): Name {
  const at = path.lastIndexOf('/');
  const folder = folderAt(folders, at === -1 ? '' : path.slice(0, at));
  const name = Buffer.from(path.slice(at + 1), 'latin1');
  const index = folder.nextIndex;
  folder.add(name, {id: inode, type: itemType.inode, offset: 0}, kind);
  return {parent: folder.inode, name, index};
}

function folderAt(folders: ReadonlyMap<string, Folder>, path: string): Folder {
  const found = folders.get(path);
  if (found === undefined) throw new Error(`The archive of the tree has no folder ${path}`);
  return found;
}

/** A folder's rows: by the hash of their names, and in the order in which they were made. */
class Folder {
  readonly inode: number;
  nameBytes = 0;
  nextIndex = 2;
  readonly #byHash = new Map<number, Buffer[]>();
  readonly #rows: Item[] = [];

  constructor(inode: number) {
    this.inode = inode;
  }

  add(name: Buffer, to: Key, kind: number): void {
    const row = dirItem(to, kind, name);
    const hash = nameHash(name);
    this.#byHash.set(hash, [...(this.#byHash.get(hash) ?? []), row]);
    this.#rows.push({key: {id: this.inode, type: itemType.dirIndex, offset: this.nextIndex}, data: row});
    this.nextIndex += 1;
    this.nameBytes += name.length;
  }

  items(): readonly Item[] {
    return [
      ...this.#rows,
      ...[...this.#byHash].map(([hash, rows]) => ({
        key: {id: this.inode, type: itemType.dirItem, offset: hash},
        data: Buffer.concat(rows),
      })),
    ];
  }
}

export function nameHash(name: Buffer): number {
  return crc32c(0xffff_fffe, name);
}

interface Content {
  readonly items: readonly Item[];
  readonly extents: readonly DataExtent[];
  readonly sizeBytes: number;
  readonly bytes: number;
}

function contentOf(inode: number, entry: TreeEntry, data: DataStore): Content {
  if (entry.type === 'link') return inline(inode, Buffer.from(entry.target, 'latin1'));
  if (entry.type !== 'file' || entry.sizeBytes === 0) return {items: [], extents: [], sizeBytes: 0, bytes: 0};
  if (entry.sizeBytes <= inlineBytes) return inline(inode, data.read(entry));
  const extents = data.store(inode, entry);
  const items = extents.map(({fileOffset, logical, bytes}) => ({
    key: {id: inode, type: itemType.extentData, offset: fileOffset},
    data: pack([generation, 8], [bytes, 8], [0, 4], [1, 1], [logical, 8], [bytes, 8], [0, 8], [bytes, 8]),
  }));
  const bytes = extents.reduce((sum, one) => sum + one.bytes, 0);
  return {items, extents, sizeBytes: entry.sizeBytes, bytes};
}

function inline(inode: number, content: Buffer): Content {
  const item = {
    key: {id: inode, type: itemType.extentData, offset: 0},
    data: pack([generation, 8], [content.length, 8], [0, 4], [0, 1], content),
  };
  return {items: [item], extents: [], sizeBytes: content.length, bytes: content.length};
}

/** From a file to its names: those in one folder stand in one item. */
function refItems(inode: number, names: readonly Name[]): readonly Item[] {
  // The root's own folder is its own parent.
  const all = names.length === 0 ? [{parent: inode, name: Buffer.from('..'), index: 0}] : names;
  const byParent = new Map<number, Buffer[]>();
  for (const {parent, name, index} of all)
    byParent.set(parent, [...(byParent.get(parent) ?? []), pack([index, 8], [name.length, 2], name)]);
  return [...byParent].map(([parent, refs]) => ({
    key: {id: inode, type: itemType.inodeRef, offset: parent},
    data: Buffer.concat(refs),
  }));
}

function xattrItems(inode: number, {xattrs}: TreeEntry): readonly Item[] {
  const byHash = new Map<number, Buffer[]>();
  for (const {name, value} of xattrs) {
    const bytes = Buffer.from(name, 'latin1');
    const row = dirItem({id: 0, type: 0, offset: 0}, entryKind.xattr, bytes, value);
    byHash.set(nameHash(bytes), [...(byHash.get(nameHash(bytes)) ?? []), row]);
  }
  return [...byHash].map(([hash, rows]) => ({
    key: {id: inode, type: itemType.xattr, offset: hash},
    data: Buffer.concat(rows),
  }));
}

function inodeItemOf(
  inode: number,
  {type, mode, uid, gid, modified, device}: TreeEntry,
  fields: {
    readonly epoch: number;
    readonly links: number;
    readonly sizeBytes: number;
    readonly bytes: number;
  },
): Item {
  const {epoch, links, sizeBytes, bytes} = fields;
  return {
    key: {id: inode, type: itemType.inode, offset: 0},
    data: inodeItem({
      sizeBytes,
      bytes,
      links,
      uid,
      gid,
      mode: modeBits[type] | mode,
      // The kernel's dev_t: twelve bits of major, twenty of minor.
      device: device.major * 2 ** 20 + device.minor,
      modified: Math.min(modified, epoch),
      epoch,
    }),
  };
}
