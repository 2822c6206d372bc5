/**
 * What stands in a btrfs file system, little endian (btrfs.readthedocs.io, "On-disk Format"; Linux,
 * include/uapi/linux/btrfs_tree.h).
 */
export const sectorBytes = 4096;
export const nodeBytes = 16_384;
const stripeBytes = 65_536;
/** Of everything: the file system is written at once. */
export const generation = 1;

export const tree = {
  root: 1,
  extent: 2,
  chunk: 3,
  device: 4,
  files: 5,
  checksum: 7,
  freeSpace: 10,
  relocation: -9,
} as const;

export const objectId = {devices: 1, rootFolder: 6, firstChunk: 256, firstFree: 256, checksums: -10} as const;

export const itemType = {
  inode: 1,
  inodeRef: 12,
  xattr: 24,
  dirItem: 84,
  dirIndex: 96,
  extentData: 108,
  checksum: 128,
  root: 132,
  extent: 168,
  metadata: 169,
  treeBlockRef: 176,
  extentDataRef: 178,
  blockGroup: 192,
  freeSpaceInfo: 198,
  freeSpaceExtent: 199,
  deviceExtent: 204,
  device: 216,
  chunk: 228,
} as const;

export const groupType = {data: 1, system: 2, metadata: 4, dup: 32} as const;

/** Kinds of what a name stands for. */
export const entryKind = {file: 1, folder: 2, character: 3, block: 4, pipe: 5, link: 7, xattr: 8} as const;

export interface Key {
  /** Negative numbers are those from the end of 64 bits. */
  readonly id: number;
  readonly type: number;
  readonly offset: number;
}

export interface Item {
  readonly key: Key;
  readonly data: Buffer;
}

export function keyBuffer({id, type, offset}: Key): Buffer {
  const made = Buffer.alloc(17);
  made.writeBigInt64LE(BigInt(id), 0);
  made[8] = type;
  made.writeBigInt64LE(BigInt(offset), 9);
  return made;
}

/** In the order of the trees: by unsigned numbers. */
export function compareKeys(a: Key, b: Key): number {
  return order(a.id, b.id) || a.type - b.type || order(a.offset, b.offset);
}

function order(a: number, b: number): number {
  if (a === b) return 0;
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a < b ? -1 : 1;
}

/** Numbers one after the other: [value, bytes]; a buffer as it is. */
export function pack(...fields: readonly (readonly [number, 1 | 2 | 4 | 8] | Buffer)[]): Buffer {
  return Buffer.concat(
    fields.map((field) => {
      if (Buffer.isBuffer(field)) return field;
      const [value, bytes] = field;
      const made = Buffer.alloc(bytes);
      if (bytes === 8) made.writeBigInt64LE(BigInt(value));
      else made.writeUIntLE(value, 0, bytes);
      return made;
    }),
  );
}

export function uuidBuffer(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export interface InodeFields {
  readonly sizeBytes: number;
  /** What is stored of it. */
  readonly bytes: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** With the kind of file. */
  readonly mode: number;
  readonly device: number;
  readonly modified: number;
  /** Time of everything else. */
  readonly epoch: number;
}

export function inodeItem(fields: InodeFields): Buffer {
  const {sizeBytes, bytes, links, uid, gid, mode, device, modified, epoch} = fields;
  const time = (seconds: number): Buffer => pack([seconds, 8], [0, 4]);
  return pack(
    [generation, 8],
    [generation, 8],
    [sizeBytes, 8],
    [bytes, 8],
    [0, 8],
    [links, 4],
    [uid, 4],
    [gid, 4],
    [mode, 4],
    [device, 8],
    [0, 8],
    [0, 8],
    Buffer.alloc(32),
    time(epoch),
    time(epoch),
    time(modified),
    time(epoch),
  );
}

/** A row of a folder, or an extended attribute. */
export function dirItem(to: Key, kind: number, name: Buffer, value: Buffer = Buffer.alloc(0)): Buffer {
  return pack(keyBuffer(to), [generation, 8], [value.length, 2], [name.length, 2], [kind, 1], name, value);
}

export interface RootFields {
  readonly at: number;
  readonly level: number;
  readonly bytesUsed: number;
  /** 0 for trees without folders. */
  readonly folder: number;
  readonly uuid: string | undefined;
  readonly epoch: number;
}

export function rootItem({at, level, bytesUsed, folder, uuid, epoch}: RootFields): Buffer {
  const inode = inodeItem({
    sizeBytes: 3,
    bytes: nodeBytes,
    links: 1,
    uid: 0,
    gid: 0,
    mode: 0o040755,
    device: 0,
    modified: 0,
    epoch: 0,
  });
  const time = uuid === undefined ? 0 : epoch;
  return pack(
    inode,
    [generation, 8],
    [folder, 8],
    [at, 8],
    [0, 8],
    [bytesUsed, 8],
    [0, 8],
    [0, 8],
    [1, 4],
    Buffer.alloc(17),
    [0, 1],
    [level, 1],
    [generation, 8],
    uuid === undefined ? Buffer.alloc(16) : uuidBuffer(uuid),
    Buffer.alloc(32),
    [uuid === undefined ? 0 : generation, 8],
    [uuid === undefined ? 0 : generation, 8],
    Buffer.alloc(16),
    ...[time, time, 0, 0].map((seconds) => pack([seconds, 8], [0, 4])),
    Buffer.alloc(64),
  );
}

export interface DeviceFields {
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly uuid: string;
  readonly filesystemUuid: string;
}

export function deviceItem({sizeBytes, usedBytes, uuid, filesystemUuid}: DeviceFields): Buffer {
  return pack(
    [1, 8],
    [sizeBytes, 8],
    [usedBytes, 8],
    [sectorBytes, 4],
    [sectorBytes, 4],
    [sectorBytes, 4],
    [0, 8],
    [0, 8],
    [0, 8],
    [0, 4],
    [0, 1],
    [0, 1],
    uuidBuffer(uuid),
    uuidBuffer(filesystemUuid),
  );
}

/** A stretch of the logical space, and where it lies on the device: once, or twice. */
export interface Chunk {
  readonly logical: number;
  readonly bytes: number;
  readonly type: number;
  readonly stripes: readonly number[];
}

export function chunkItem({bytes, type, stripes}: Chunk, deviceUuid: string): Buffer {
  return pack(
    [bytes, 8],
    [tree.extent, 8],
    [stripeBytes, 8],
    [type, 8],
    [stripeBytes, 4],
    [stripeBytes, 4],
    [sectorBytes, 4],
    [stripes.length, 2],
    [1, 2],
    ...stripes.flatMap((at) => [pack([1, 8], [at, 8]), uuidBuffer(deviceUuid)]),
  );
}
