import {closeSync, openSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {derivedUuid} from '../../../plan/key.ts';
import {fail, ok, type Result} from '../../../result.ts';
import type {StageFailure} from '../../../run/events.ts';
import type {StageContext} from '../../stage.ts';
import {sourceDateEpoch} from '../../tree.ts';
import type {FileSystemRequest} from '../file-system.ts';
import {Pace} from '../pace.ts';
import {archiveTree, type TreeArchive} from '../tree-archive.ts';
import {ChunkStore} from './chunk-store.ts';
import {chunkSizes, placeChunks} from './chunks.ts';
import {type DataExtent, fileItems} from './files.ts';
import {
  type Chunk,
  chunkItem,
  deviceItem,
  dirItem,
  entryKind,
  generation,
  groupType,
  type Item,
  inodeItem,
  itemType,
  type Key,
  nodeBytes,
  objectId,
  pack,
  rootItem,
  tree,
  uuidBuffer,
} from './format.ts';
import {allNodes, buildTree, countNodes, type NodeIds, nodeBuffer, rootNode, type Tree} from './nodes.ts';
import {writeSuperBlocks} from './super-block.ts';

/**
 * Writes a btrfs file system with a part of the tree: mkfs.btrfs(8) with `--rootdir` takes names in the order of the
 * host's file system, ids from chance and times from the clock, and before 6.11 inode numbers from the host's disk. One
 * device, metadata twice, data once, a free space tree: as mkfs.btrfs makes them.
 */
export async function writeBtrfs(
  context: StageContext,
  request: FileSystemRequest,
): Promise<Result<void, StageFailure>> {
  const archive = await archiveTree(context, request);
  if (!archive.ok) return archive;
  const large = archive.value.entries.find(({xattrs}) =>
    xattrs.some(({value}) => value.length > mostXattrBytes),
  );
  if (large !== undefined)
    return fail({
      reason: 'refused',
      message: `An extended attribute of ${JSON.stringify(`/${large.path}`)} does not fit into a node of btrfs`,
      hint: 'Remove it, or write `filesystem: ext4` in storage',
    });
  context.progress(`Writing the file system ${request.volume.path}`);
  await writeBtrfsImage(archive.value, {
    path: join(context.work, request.disk),
    offset: request.offset,
    sizeBytes: request.sizeBytes,
    uuid: request.volume.uuid,
    label: request.volume.name,
    epoch: sourceDateEpoch(context),
    pace: new Pace(context.signal),
    ...chunkSizes(request.content),
  });
  rmSync(archive.value.path);
  return ok(undefined);
}

/** Beside its name, in a node. */
const mostXattrBytes = 15_000;

export interface BtrfsImage {
  /** A file that is zero where the file system comes, from `offset` on. */
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly uuid: string;
  readonly label: string;
  readonly epoch: number;
  readonly dataBytes: number;
  readonly metadataBytes: number;
  readonly pace: Pace;
}

export async function writeBtrfsImage(archive: TreeArchive, image: BtrfsImage): Promise<void> {
  const file = openSync(image.path, 'r+');
  const source = openSync(archive.path, 'r');
  try {
    const chunks = placeChunks(image);
    const store = new ChunkStore({file, source, offset: image.offset, chunks});
    await new Writer(image, chunks, store).write(archive);
  } finally {
    closeSync(source);
    closeSync(file);
  }
}

class Writer {
  readonly #image: BtrfsImage;
  readonly #chunks: readonly Chunk[];
  readonly #store: ChunkStore;
  readonly #deviceUuid: string;
  readonly #ids: NodeIds;

  constructor(image: BtrfsImage, chunks: readonly Chunk[], store: ChunkStore) {
    this.#image = image;
    this.#chunks = chunks;
    this.#store = store;
    this.#deviceUuid = derivedUuid(image.uuid, 'device');
    this.#ids = {filesystemUuid: image.uuid, chunkTreeUuid: derivedUuid(image.uuid, 'chunks')};
  }

  async write(archive: TreeArchive): Promise<void> {
    const {epoch, pace} = this.#image;
    const {items, extents} = await fileItems(archive, this.#store, {epoch, pace});
    const node = (): number => this.#store.placeNode(groupType.metadata);
    const chunkTree = buildTree(tree.chunk, this.#chunkItems(), () =>
      this.#store.placeNode(groupType.system),
    );
    const trees = [
      buildTree(tree.device, this.#deviceItems(), node),
      buildTree(tree.files, items, node),
      buildTree(tree.checksum, this.#checksumItems(), node),
      buildTree(tree.relocation, emptyFolder(epoch), node),
    ];
    // These tell of all nodes, their own among them.
    const freeSpaceAt = node();
    const rootAt = node();
    const extentTree = this.#extentTree([chunkTree, ...trees], {extents, freeSpaceAt, rootAt});
    const freeSpaceTree = buildTree(tree.freeSpace, this.#freeSpaceItems(), () => freeSpaceAt);
    const all = [extentTree, ...trees, freeSpaceTree];
    const rootTree = buildTree(tree.root, this.#rootItems(all), () => rootAt);
    for (const one of [freeSpaceTree, rootTree])
      if (allNodes(one).length !== 1) throw new Error('A tree of btrfs is larger than was planned');
    for (const one of [chunkTree, rootTree, ...all])
      for (const each of allNodes(one))
        this.#store.writeNode(each.at, nodeBuffer(each, one.owner, this.#ids));
    writeSuperBlocks(
      {
        ...this.#image,
        rootAt,
        chunkRootAt: rootNode(chunkTree).at,
        chunkRootLevel: rootNode(chunkTree).level,
        usedBytes: this.#chunks.reduce((sum, chunk) => sum + this.#store.usedBytes(chunk), 0),
        device: this.#device(),
        systemChunks: this.#chunks
          .filter(({type}) => (type & groupType.system) !== 0)
          .map((chunk) => ({key: chunkKey(chunk), data: chunkItem(chunk, this.#deviceUuid)})),
      },
      (bytes, at) => this.#store.writeAt(bytes, at),
    );
  }

  #device(): Buffer {
    return deviceItem({
      sizeBytes: this.#image.sizeBytes,
      usedBytes: this.#chunks.reduce((sum, {bytes, stripes}) => sum + bytes * stripes.length, 0),
      uuid: this.#deviceUuid,
      filesystemUuid: this.#image.uuid,
    });
  }

  #chunkItems(): readonly Item[] {
    return [
      {key: {id: objectId.devices, type: itemType.device, offset: 1}, data: this.#device()},
      ...this.#chunks.map((chunk) => ({key: chunkKey(chunk), data: chunkItem(chunk, this.#deviceUuid)})),
    ];
  }

  #deviceItems(): readonly Item[] {
    return this.#chunks
      .flatMap(({stripes, logical, bytes}) =>
        stripes.map((at) => ({
          key: {id: 1, type: itemType.deviceExtent, offset: at},
          data: pack(
            [tree.chunk, 8],
            [objectId.firstChunk, 8],
            [logical, 8],
            [bytes, 8],
            uuidBuffer(this.#ids.chunkTreeUuid),
          ),
        })),
      )
      .sort((a, b) => a.key.offset - b.key.offset);
  }

  #checksumItems(): readonly Item[] {
    return this.#store.checksums().map(({logical, values}) => ({
      key: {id: objectId.checksums, type: itemType.checksum, offset: logical},
      data: values,
    }));
  }

  /** Who uses what: each node, each stretch of data, and how full each chunk is. */
  #extentTree(
    others: readonly Tree[],
    {extents, freeSpaceAt, rootAt}: {extents: readonly DataExtent[]; freeSpaceAt: number; rootAt: number},
  ): Tree {
    const known: Item[] = [
      ...extents.map(dataItem),
      ...others.flatMap((one) => allNodes(one).map(({at, level}) => nodeItem(at, level, one.owner))),
      nodeItem(freeSpaceAt, 0, tree.freeSpace),
      nodeItem(rootAt, 0, tree.root),
    ];
    const sizes = [...known.map(({data}) => data.length), ...this.#chunks.map(() => 24)];
    let own = 1;
    // Its nodes have rows in it, which may need more nodes.
    for (let needed = 0; needed !== own; ) {
      own = Math.max(own, needed);
      needed = countNodes([...sizes, ...Array.from({length: own}, () => nodeItem(0, 0, 0).data.length)]) + 1;
    }
    const places = Array.from({length: own}, () => this.#store.placeNode(groupType.metadata));
    // Levels do not change sizes: built once to learn them, then with rows that tell them.
    const draft = this.#extentItems(
      known,
      places.map((at) => nodeItem(at, 0, tree.extent)),
    );
    const levels = allNodes(buildTree(tree.extent, draft, takeFrom(places))).map(({at, level}) =>
      nodeItem(at, level, tree.extent),
    );
    const unused = places.slice(levels.length);
    this.#store.giveBack(unused.length);
    return buildTree(tree.extent, this.#extentItems(known, levels), takeFrom(places));
  }

  #extentItems(known: readonly Item[], own: readonly Item[]): readonly Item[] {
    const groups = this.#chunks.map((chunk) => ({
      key: {id: chunk.logical, type: itemType.blockGroup, offset: chunk.bytes},
      data: pack([this.#store.usedBytes(chunk), 8], [objectId.firstChunk, 8], [chunk.type, 8]),
    }));
    return [...known, ...own, ...groups].sort((a, b) => a.key.id - b.key.id || a.key.type - b.key.type);
  }

  #freeSpaceItems(): readonly Item[] {
    return this.#chunks.flatMap((chunk) => {
      const used = this.#store.usedBytes(chunk);
      const isFull = used === chunk.bytes;
      return [
        {
          key: {id: chunk.logical, type: itemType.freeSpaceInfo, offset: chunk.bytes},
          data: pack([isFull ? 0 : 1, 4], [0, 4]),
        },
        ...(isFull
          ? []
          : [
              {
                key: {
                  id: chunk.logical + used,
                  type: itemType.freeSpaceExtent,
                  offset: chunk.bytes - used,
                },
                data: Buffer.alloc(0),
              },
            ]),
      ];
    });
  }

  #rootItems(trees: readonly Tree[]): readonly Item[] {
    const {uuid, epoch} = this.#image;
    const roots = trees.map((one) => {
      const {at, level} = rootNode(one);
      const hasFolders = one.owner === tree.files || one.owner === tree.relocation;
      return {
        key: {id: one.owner, type: itemType.root, offset: 0},
        data: rootItem({
          at,
          level,
          bytesUsed: allNodes(one).length * nodeBytes,
          folder: hasFolders ? objectId.firstFree : 0,
          uuid: one.owner === tree.files ? derivedUuid(uuid, 'files') : undefined,
          epoch,
        }),
      };
    });
    const name = Buffer.from('default');
    const files: Key = {id: tree.files, type: itemType.root, offset: -1};
    const folder = objectId.rootFolder;
    const fields = {...emptyInode, modified: epoch, epoch};
    const rows: readonly Item[] = [
      {key: {id: folder, type: itemType.inode, offset: 0}, data: inodeItem(fields)},
      {
        key: {id: folder, type: itemType.inodeRef, offset: folder},
        data: pack([0, 8], [2, 2], Buffer.from('..')),
      },
      {
        key: {id: folder, type: itemType.dirItem, offset: defaultHash},
        data: dirItem(files, entryKind.folder, name),
      },
    ];
    return [...roots, ...rows].sort(
      (a, b) => Number(a.key.id < 0) - Number(b.key.id < 0) || a.key.id - b.key.id || a.key.type - b.key.type,
    );
  }
}

/** The hash of `default`, the name of the subvolume that is mounted. */
const defaultHash = 0x8dbf_c2d2;

const emptyInode = {
  sizeBytes: 0,
  bytes: 0,
  links: 1,
  uid: 0,
  gid: 0,
  mode: 0o040755,
  device: 0,
} as const;

/** The tree of a folder with nothing in it. */
function emptyFolder(epoch: number): readonly Item[] {
  const id = objectId.firstFree;
  return [
    {key: {id, type: itemType.inode, offset: 0}, data: inodeItem({...emptyInode, modified: epoch, epoch})},
    {key: {id, type: itemType.inodeRef, offset: id}, data: pack([0, 8], [2, 2], Buffer.from('..'))},
  ];
}

function chunkKey({logical}: Chunk): Key {
  return {id: objectId.firstChunk, type: itemType.chunk, offset: logical};
}

function dataItem({logical, bytes, inode, fileOffset}: DataExtent): Item {
  return {
    key: {id: logical, type: itemType.extent, offset: bytes},
    data: pack(
      [1, 8],
      [generation, 8],
      [1, 8],
      [itemType.extentDataRef, 1],
      [tree.files, 8],
      [inode, 8],
      [fileOffset, 8],
      [1, 4],
    ),
  };
}

function nodeItem(at: number, level: number, owner: number): Item {
  return {
    key: {id: at, type: itemType.metadata, offset: level},
    data: pack([1, 8], [generation, 8], [2, 8], [itemType.treeBlockRef, 1], [owner, 8]),
  };
}

/** One of a list after the other. */
function takeFrom(places: readonly number[]): () => number {
  let next = 0;
  return () => {
    const place = places[next];
    if (place === undefined) throw new Error('A tree of btrfs is larger than was planned');
    next += 1;
    return place;
  };
}
