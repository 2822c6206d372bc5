import {invertedCrc32c} from '../crc32c.ts';
import {superBlockPlaces} from './chunks.ts';
import {
  generation,
  type Item,
  keyBuffer,
  nodeBytes,
  objectId,
  pack,
  sectorBytes,
  uuidBuffer,
} from './format.ts';

export interface SuperBlock {
  readonly uuid: string;
  readonly label: string;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly rootAt: number;
  readonly chunkRootAt: number;
  readonly chunkRootLevel: number;
  readonly device: Buffer;
  /** The chunks that the chunk tree lies in. */
  readonly systemChunks: readonly Item[];
}

const superBlockBytes = 4096;
/** MIXED_BACKREF, BIG_METADATA, EXTENDED_IREF, SKINNY_METADATA, NO_HOLES. */
const incompat = 0x1 | 0x20 | 0x40 | 0x100 | 0x200;
/** FREE_SPACE_TREE, FREE_SPACE_TREE_VALID. */
const readOnlyCompat = 0x1 | 0x2;
const labelBytes = 256;

/** Writes the super block to each of its places that the device has. */
export function writeSuperBlocks(block: SuperBlock, write: (bytes: Buffer, at: number) => void): void {
  for (const at of superBlockPlaces)
    if (at + superBlockBytes <= block.sizeBytes) write(superBlock(block, at), at);
}

export function superBlock(block: SuperBlock, at: number): Buffer {
  const {uuid, label, sizeBytes, usedBytes, rootAt, chunkRootAt, chunkRootLevel, device} = block;
  const systemChunks = Buffer.concat(block.systemChunks.flatMap(({key, data}) => [keyBuffer(key), data]));
  const made = Buffer.alloc(superBlockBytes);
  pack(
    uuidBuffer(uuid),
    [at, 8],
    [1, 8],
    Buffer.from('_BHRfS_M', 'latin1'),
    [generation, 8],
    [rootAt, 8],
    [chunkRootAt, 8],
    [0, 8],
    [0, 8],
    [sizeBytes, 8],
    [usedBytes, 8],
    [objectId.rootFolder, 8],
    [1, 8],
    [sectorBytes, 4],
    [nodeBytes, 4],
    [nodeBytes, 4],
    [sectorBytes, 4],
    [systemChunks.length, 4],
    [generation, 8],
    [0, 8],
    [readOnlyCompat, 8],
    [incompat, 8],
    [0, 2],
    [0, 1],
    [chunkRootLevel, 1],
    [0, 1],
    device,
  ).copy(made, 0x20);
  made.write(label, 0x12b, labelBytes - 1, 'utf8');
  systemChunks.copy(made, 0x32b);
  made.writeUInt32LE(invertedCrc32c(made.subarray(0x20)), 0);
  return made;
}
