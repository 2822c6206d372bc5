import type {Content} from '../measure.ts';
import {type Chunk, groupType, sectorBytes} from './format.ts';

const mebibyte = 1 << 20;
/** Places of the super block and its copies on the device. */
export const superBlockPlaces = [64 << 10, 64 * mebibyte, 256 * 2 ** 30] as const;
const superBlockBytes = 65_536;
/** The first MiB is nobody's (the kernel's BTRFS_DEVICE_RANGE_RESERVED). */
const firstChunk = mebibyte;
const systemBytes = 8 * mebibyte;
const leastMetadataBytes = 32 * mebibyte;
/** As much as the kernel puts into one chunk of data. */
const mostChunkBytes = 2 ** 30;

export interface ChunkSizes {
  readonly dataBytes: number;
  readonly metadataBytes: number;
}

/** Room for the content, and half of that of its metadata for changes. */
export function chunkSizes({files, folders, entryBytes, blocks}: Content): ChunkSizes {
  const whole = (bytes: number): number => Math.ceil(bytes / mebibyte) * mebibyte;
  const metadata = (files + folders) * 700 + entryBytes * 3 + blocks * 5 + 4 * mebibyte;
  return {
    dataBytes: whole(blocks * sectorBytes + 8 * mebibyte),
    metadataBytes: whole(Math.max(leastMetadataBytes, metadata * 1.5)),
  };
}

/** The least size of a device with such chunks. */
export function deviceBytes(sizes: ChunkSizes): number {
  const ends = layOut(sizes).flatMap(({bytes, stripes}) => stripes.map((at) => at + bytes));
  return Math.max(...ends);
}

/** Places the chunks on a device: system and metadata twice, data once; none holds a copy of the super block. */
export function placeChunks({
  sizeBytes,
  ...sizes
}: ChunkSizes & {readonly sizeBytes: number}): readonly Chunk[] {
  if (deviceBytes(sizes) > sizeBytes) throw new Error('The chunks of btrfs do not fit onto the disk');
  return layOut(sizes);
}

function layOut({dataBytes, metadataBytes}: ChunkSizes): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let logical = firstChunk;
  let physical = firstChunk;
  const stripe = (bytes: number): number => {
    for (const place of superBlockPlaces)
      if (physical < place + superBlockBytes && physical + bytes > place)
        physical = Math.ceil((place + superBlockBytes) / mebibyte) * mebibyte;
    const at = physical;
    physical += bytes;
    return at;
  };
  const add = (type: number, bytes: number, copies: number): void => {
    chunks.push({logical, bytes, type, stripes: Array.from({length: copies}, () => stripe(bytes))});
    logical += bytes;
  };
  add(groupType.system | groupType.dup, systemBytes, 2);
  for (let left = metadataBytes; left > 0; left -= mostChunkBytes)
    add(groupType.metadata | groupType.dup, Math.min(left, mostChunkBytes), 2);
  for (let left = dataBytes; left > 0; left -= mostChunkBytes)
    add(groupType.data, Math.min(left, mostChunkBytes), 1);
  return chunks;
}
