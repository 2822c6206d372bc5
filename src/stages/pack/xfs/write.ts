import {closeSync, openSync, readSync, rmSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {fail, ok, type Result} from '../../../result.ts';
import type {StageFailure} from '../../../run/events.ts';
import type {StageContext} from '../../stage.ts';
import {sourceDateEpoch} from '../../tree.ts';
import type {FileSystemRequest} from '../file-system.ts';
import {xfsLogBytes} from '../file-system-size.ts';
import {Pace} from '../pace.ts';
import {archiveTree, type TreeArchive, type TreeEntry} from '../tree-archive.ts';
import {fitsInode, shortAttributes} from './attributes.ts';
import {sectorOf} from './btree.ts';
import {blockFolder, type Entry, entryKind, shortFolder} from './folders.ts';
import {
  blockBytes,
  byteOf,
  dataForkBytes,
  type Extent,
  extentRecord,
  fileSystemBlock,
  type Geometry,
  type InodeFields,
  inode,
  inodeBytes,
  inodesPerChunk,
  planGeometry,
  seal,
  uuidBuffer,
} from './format.ts';
import {Groups} from './groups.ts';
import {cleanLog} from './log.ts';
import {writeSuperBlocks} from './super-block.ts';

/**
 * Writes an XFS file system with a part of the tree: the prototype file of mkfs.xfs(8) has no times and no hard links, in
 * Debian 12 no attributes and no blanks in names either, and what it makes depends on chance and the clock.
 */
export async function writeXfs(
  context: StageContext,
  request: FileSystemRequest,
): Promise<Result<void, StageFailure>> {
  const {volume} = request;
  const archive = await archiveTree(context, request);
  if (!archive.ok) return archive;
  const large = archive.value.entries.find(({xattrs}) => !fitsInode(xattrs));
  if (large !== undefined)
    return fail({
      reason: 'refused',
      message: `The extended attributes of ${JSON.stringify(`/${large.path}`)} do not fit into an inode of XFS`,
      hint: 'Remove some of them, or write `filesystem: ext4` in storage',
    });
  context.progress(`Writing the file system ${volume.path}`);
  await writeXfsImage(archive.value, {
    path: join(context.work, request.disk),
    offset: request.offset,
    sizeBytes: request.sizeBytes,
    uuid: volume.uuid,
    label: volume.name,
    epoch: sourceDateEpoch(context),
    pace: new Pace(context.signal),
  });
  rmSync(archive.value.path);
  return ok(undefined);
}

export interface XfsImage {
  /** A file that is zero where the file system comes, from `offset` on. */
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly uuid: string;
  readonly label: string;
  readonly epoch: number;
  readonly pace: Pace;
}

export async function writeXfsImage(archive: TreeArchive, image: XfsImage): Promise<void> {
  const file = openSync(image.path, 'r+');
  const source = openSync(archive.path, 'r');
  try {
    await new Writer(image, {file, source}).write(archive.entries);
  } finally {
    closeSync(source);
    closeSync(file);
  }
}

const modeBits: Readonly<Record<TreeEntry['type'], number>> = {
  file: 0o100000,
  folder: 0o040000,
  link: 0o120000,
  character: 0o020000,
  block: 0o060000,
  pipe: 0o010000,
};
/** Behind the root come the bitmap and the summary of a real-time device that there is not. */
const realTimeInodes = 2;
/** Of one stretch of zeros in a file; beyond so many stretches of data they are written. */
const holeBytes = 1 << 20;
const mostExtents = 14;

type Stored = Pick<InodeFields, 'format' | 'sizeBytes' | 'blocks' | 'extents' | 'data'>;

class Writer {
  readonly #image: XfsImage;
  readonly #files: {readonly file: number; readonly source: number};
  readonly #geometry: Geometry;
  readonly #groups: Groups;

  constructor(image: XfsImage, files: {readonly file: number; readonly source: number}) {
    this.#image = image;
    this.#files = files;
    this.#geometry = planGeometry({...image, logBytes: xfsLogBytes(image.sizeBytes)});
    this.#groups = new Groups(this.#geometry);
  }

  async write(entries: readonly TreeEntry[]): Promise<void> {
    const count = entries.length + realTimeInodes;
    const chunks = Array.from({length: Math.ceil(count / inodesPerChunk)}, (_, index) =>
      this.#groups.takeChunk(Math.min(inodesPerChunk, count - index * inodesPerChunk)),
    );
    const numberOf = (index: number): number => {
      const chunk = chunks[Math.floor(index / inodesPerChunk)];
      if (chunk === undefined) throw new Error('An inode of XFS has no place');
      return fileSystemBlock(chunk, this.#geometry) * (blockBytes / inodeBytes) + (index % inodesPerChunk);
    };
    const log = this.#groups.takeWhole(this.#geometry.logBlocks, {group: this.#geometry.groups / 2});
    // The root is the first inode.
    const numbers = entries.map((_, index) => numberOf(index === 0 ? 0 : index + realTimeInodes));
    const folders = foldersOf(entries, numbers);
    const inodes: Buffer[] = [];
    for (const [index, entry] of entries.entries()) {
      inodes.push(this.#inode(entry, numbers[index] ?? 0, folders));
      await this.#image.pace.after(entry.sizeBytes);
    }
    inodes.splice(1, 0, this.#empty(numberOf(1)), this.#empty(numberOf(2)));
    for (const [index, chunk] of chunks.entries()) {
      const first = index * inodesPerChunk;
      const made = Array.from(
        {length: inodesPerChunk},
        (_, at) => inodes[first + at] ?? this.#free(numberOf(first + at)),
      );
      this.#put(Buffer.concat(made), byteOf(chunk, this.#geometry));
    }
    this.#put(cleanLog(this.#geometry), byteOf(log, this.#geometry));
    const freeBlocks = this.#groups.write((bytes, at) => this.#put(bytes, at));
    writeSuperBlocks(
      {
        geometry: this.#geometry,
        logStart: fileSystemBlock(log, this.#geometry),
        rootInode: numberOf(0),
        inodes: chunks.length * inodesPerChunk,
        freeInodes: chunks.length * inodesPerChunk - count,
        freeBlocks,
      },
      (bytes, at) => this.#put(bytes, at),
    );
  }

  #put(bytes: Buffer, at: number): void {
    writeSync(this.#files.file, bytes, 0, bytes.length, this.#image.offset + at);
  }

  #inode(entry: TreeEntry, number: number, folders: ReadonlyMap<string, Folder>): Buffer {
    const {type, mode, uid, gid, modified} = entry;
    const attributes = shortAttributes(entry.xattrs);
    const room = dataForkBytes(attributes);
    const folder = type === 'folder' ? folders.get(entry.path) : undefined;
    const stored = folder === undefined ? this.#content(entry, {number, room}) : this.#folder(folder, room);
    if (stored.format === 'extents' && stored.data.length > room)
      throw new Error(`The data of ${entry.path} lies in too many places`);
    const {epoch} = this.#image;
    return inode(
      {
        number,
        mode: modeBits[type] | mode,
        uid,
        gid,
        links: folder === undefined ? 1 + entry.otherPaths.length : 2 + folder.folders,
        modified: Math.min(modified, epoch),
        epoch,
        attributes,
        ...stored,
      },
      this.#geometry,
    );
  }

  #free(number: number): Buffer {
    return inode({...this.#nothing(number), mode: 0}, this.#geometry);
  }

  /** A file without content, which no folder names. */
  #empty(number: number): Buffer {
    return inode({...this.#nothing(number), mode: modeBits.file}, this.#geometry);
  }

  #nothing(number: number): Omit<InodeFields, 'mode'> {
    const {epoch} = this.#image;
    const none = Buffer.alloc(0);
    return {
      number,
      uid: 0,
      gid: 0,
      links: 1,
      modified: epoch,
      epoch,
      attributes: none,
      ...this.#extents([], 0),
    };
  }

  #extents(extents: readonly Extent[], sizeBytes: number): Stored {
    return {
      format: 'extents',
      sizeBytes,
      blocks: extents.reduce((sum, {blocks}) => sum + blocks, 0),
      extents: extents.length,
      data: Buffer.concat(extents.map((one) => extentRecord(one, this.#geometry))),
    };
  }

  #folder({number, parent, entries}: Folder, room: number): Stored {
    const request = {inode: number, parent, entries};
    const short = shortFolder(request, room);
    if (short !== undefined)
      return {format: 'local', sizeBytes: short.length, blocks: 0, extents: 0, data: short};
    const {blocks, extents, sizeBytes} = blockFolder(request, {
      geometry: this.#geometry,
      take: (count) => this.#groups.takeWhole(count),
    });
    for (const {place, bytes} of blocks) this.#put(bytes, byteOf(place, this.#geometry));
    return this.#extents(extents, sizeBytes);
  }

  #content(entry: TreeEntry, {number, room}: {number: number; room: number}): Stored {
    switch (entry.type) {
      case 'file':
        return this.#file(entry);
      case 'link':
        return this.#link(Buffer.from(entry.target, 'latin1'), {number, room});
      case 'character':
      case 'block': {
        const data = Buffer.alloc(4);
        data.writeUInt32BE(entry.device.major * 2 ** 18 + (entry.device.minor & 0x3_ffff));
        return {format: 'device', sizeBytes: 0, blocks: 0, extents: 0, data};
      }
      case 'pipe':
      case 'folder':
        return {format: 'device', sizeBytes: 0, blocks: 0, extents: 0, data: Buffer.alloc(4)};
    }
  }

  #link(target: Buffer, {number, room}: {number: number; room: number}): Stored {
    if (target.length <= room)
      return {format: 'local', sizeBytes: target.length, blocks: 0, extents: 0, data: target};
    const place = this.#groups.takeWhole(1);
    const block = Buffer.alloc(blockBytes);
    block.write('XSLM', 0, 'latin1');
    block.writeUInt32BE(target.length, 8);
    uuidBuffer(this.#geometry.uuid).copy(block, 16);
    block.writeBigUInt64BE(BigInt(number), 32);
    block.writeBigUInt64BE(sectorOf(place, this.#geometry), 40);
    target.copy(block, 56);
    this.#put(seal(block, 12), byteOf(place, this.#geometry));
    return this.#extents([{...place, fileBlock: 0, blocks: 1}], target.length);
  }

  #file({sizeBytes, at}: TreeEntry): Stored {
    const extents: {group: number; block: number; fileBlock: number; blocks: number}[] = [];
    const piece = Buffer.alloc(holeBytes);
    const zeros = Buffer.alloc(holeBytes);
    for (let done = 0; done < sizeBytes; done += holeBytes) {
      const length = Math.min(holeBytes, sizeBytes - done);
      readSync(this.#files.source, piece, 0, length, at + done);
      // A stretch of zeros is a hole, whatever it was on the host's disk.
      if (length === holeBytes && extents.length < mostExtents && piece.equals(zeros)) continue;
      piece.fill(0, length);
      const wanted = Math.ceil(length / blockBytes);
      for (let stored = 0; stored < wanted; ) {
        const taken = this.#groups.take(wanted - stored);
        this.#put(
          piece.subarray(stored * blockBytes, (stored + taken.blocks) * blockBytes),
          byteOf(taken, this.#geometry),
        );
        const fileBlock = done / blockBytes + stored;
        const last = extents.at(-1);
        if (
          last !== undefined &&
          last.group === taken.group &&
          last.block + last.blocks === taken.block &&
          last.fileBlock + last.blocks === fileBlock
        )
          last.blocks += taken.blocks;
        else extents.push({...taken, fileBlock});
        stored += taken.blocks;
      }
    }
    return this.#extents(extents, sizeBytes);
  }
}

interface Folder {
  readonly number: number;
  readonly parent: number;
  readonly entries: Entry[];
  folders: number;
}

/** Folders by path with what is in them, names sorted as they came. */
function foldersOf(entries: readonly TreeEntry[], numbers: readonly number[]): ReadonlyMap<string, Folder> {
  const folders = new Map<string, Folder>();
  const folderAt = (path: string): Folder => {
    const found = folders.get(path);
    if (found === undefined) throw new Error(`The archive of the tree has no folder ${path}`);
    return found;
  };
  for (const [index, {type, path}] of entries.entries()) {
    if (type !== 'folder') continue;
    const number = numbers[index] ?? 0;
    const parent = path === '' ? number : folderAt(parentOf(path)).number;
    folders.set(path, {number, parent, entries: [], folders: 0});
  }
  for (const [index, {type, path, otherPaths}] of entries.entries()) {
    if (path === '') continue;
    for (const name of [path, ...otherPaths]) {
      const folder = folderAt(parentOf(name));
      const last = Buffer.from(name.slice(name.lastIndexOf('/') + 1), 'latin1');
      folder.entries.push({name: last, inode: numbers[index] ?? 0, kind: entryKind[type]});
      if (type === 'folder') folder.folders += 1;
    }
  }
  return folders;
}

function parentOf(path: string): string {
  const at = path.lastIndexOf('/');
  return at === -1 ? '' : path.slice(0, at);
}
