import {readSync, writeSync} from 'node:fs';
import {invertedCrc32c} from '../crc32c.ts';
import {NoRoomError} from '../file-system-size.ts';
import type {TreeEntry} from '../tree-archive.ts';
import type {DataExtent, DataStore} from './files.ts';
import {type Chunk, groupType, nodeBytes, sectorBytes} from './format.ts';

const pieceBytes = 1 << 20;
/** The kernel's most for one stretch of data, BTRFS_MAX_EXTENT_SIZE. */
const mostExtentBytes = 128 << 20;
/** Sums in one item: 4 MiB of data. */
const sumsPerItem = 1024;

export interface ChunkStoreRequest {
  readonly file: number;
  /** The archive with the files. */
  readonly source: number;
  /** Where the device begins in the file. */
  readonly offset: number;
  readonly chunks: readonly Chunk[];
}

/** The logical space: gives out room in chunks from their beginnings on, and writes it to where they lie. */
export class ChunkStore implements DataStore {
  readonly #request: ChunkStoreRequest;
  readonly #used = new Map<Chunk, number>();
  readonly #sums: {logical: number; values: Buffer; count: number}[] = [];

  constructor(request: ChunkStoreRequest) {
    this.#request = request;
  }

  usedBytes(chunk: Chunk): number {
    return this.#used.get(chunk) ?? 0;
  }

  placeNode(type: number): number {
    return this.#take(type, nodeBytes).logical;
  }

  /** Of the last nodes of metadata that were placed. */
  giveBack(nodes: number): void {
    for (let index = 0; index < nodes; index += 1) {
      const chunk = this.#request.chunks.findLast(
        (one) => (one.type & groupType.metadata) !== 0 && this.usedBytes(one) > 0,
      );
      if (chunk !== undefined) this.#used.set(chunk, this.usedBytes(chunk) - nodeBytes);
    }
  }

  writeNode(logical: number, node: Buffer): void {
    this.#writeLogical(logical, node);
  }

  /** To a place of the device. */
  writeAt(bytes: Buffer, at: number): void {
    const {file, offset} = this.#request;
    writeSync(file, bytes, 0, bytes.length, offset + at);
  }

  read(entry: TreeEntry): Buffer {
    const content = Buffer.alloc(entry.sizeBytes);
    readSync(this.#request.source, content, 0, content.length, entry.at);
    return content;
  }

  store(inode: number, entry: TreeEntry): readonly DataExtent[] {
    const extents: {inode: number; fileOffset: number; logical: number; bytes: number}[] = [];
    const piece = Buffer.alloc(pieceBytes);
    const zeros = Buffer.alloc(pieceBytes);
    for (let done = 0; done < entry.sizeBytes; done += pieceBytes) {
      const length = Math.min(pieceBytes, entry.sizeBytes - done);
      readSync(this.#request.source, piece, 0, length, entry.at + done);
      // A stretch of zeros is a hole, whatever it was on the host's disk.
      if (length === pieceBytes && piece.equals(zeros)) continue;
      const bytes = Math.ceil(length / sectorBytes) * sectorBytes;
      piece.fill(0, length, bytes);
      const {logical} = this.#take(groupType.data, bytes);
      this.#writeLogical(logical, piece.subarray(0, bytes));
      this.#sum(logical, piece.subarray(0, bytes));
      const last = extents.at(-1);
      const follows =
        last !== undefined &&
        last.logical + last.bytes === logical &&
        last.fileOffset + last.bytes === done &&
        last.bytes + bytes <= mostExtentBytes &&
        this.#chunkOf(last.logical) === this.#chunkOf(logical);
      if (follows) last.bytes += bytes;
      else extents.push({inode, fileOffset: done, logical, bytes});
    }
    return extents;
  }

  /** Checksums of all data, in the order of where it lies. */
  checksums(): readonly {readonly logical: number; readonly values: Buffer}[] {
    return this.#sums
      .map(({logical, values, count}) => ({logical, values: values.subarray(0, count * 4)}))
      .sort((a, b) => a.logical - b.logical);
  }

  #sum(logical: number, data: Buffer): void {
    for (let at = 0; at < data.length; at += sectorBytes) {
      let item = this.#sums.at(-1);
      if (
        item === undefined ||
        item.count === sumsPerItem ||
        item.logical + item.count * sectorBytes !== logical + at ||
        this.#chunkOf(item.logical) !== this.#chunkOf(logical)
      ) {
        item = {logical: logical + at, values: Buffer.alloc(sumsPerItem * 4), count: 0};
        this.#sums.push(item);
      }
      item.values.writeUInt32LE(invertedCrc32c(data.subarray(at, at + sectorBytes)), item.count * 4);
      item.count += 1;
    }
  }

  #take(type: number, bytes: number): {readonly logical: number} {
    for (const chunk of this.#request.chunks) {
      if ((chunk.type & type) === 0) continue;
      const used = this.usedBytes(chunk);
      if (used + bytes > chunk.bytes) continue;
      this.#used.set(chunk, used + bytes);
      return {logical: chunk.logical + used};
    }
    throw new NoRoomError('The content does not fit into the chunks of btrfs');
  }

  #chunkOf(logical: number): Chunk {
    const found = this.#request.chunks.find(
      (one) => logical >= one.logical && logical < one.logical + one.bytes,
    );
    if (found === undefined) throw new Error('There is no chunk of btrfs at an address');
    return found;
  }

  #writeLogical(logical: number, bytes: Buffer): void {
    const chunk = this.#chunkOf(logical);
    for (const at of chunk.stripes) this.writeAt(bytes, at + logical - chunk.logical);
  }
}
