import {createHash, type Hash} from 'node:crypto';
import {type FileHandle, open} from 'node:fs/promises';

/**
 * A raw disk as the EBS direct APIs take it: blocks of 512 KiB by index, each with its SHA-256; blocks of zeros are
 * left out, and the last one is padded with zeros. (EBS user guide, "Write snapshots with EBS direct APIs".)
 */
export const blockBytes = 512 * 1024;

export interface DiskBlock {
  readonly index: number;
  /** Good until `put` has settled; then it is filled with another block. */
  readonly data: Buffer;
  /** SHA-256, base64. */
  readonly checksum: string;
}

export interface SentBlocks {
  /** How many blocks hold data. */
  readonly count: number;
  /** SHA-256 of the SHA-256s of these blocks in the order of their indexes, base64 (aggregation method LINEAR). */
  readonly checksum: string;
}

export interface SendOptions {
  readonly sizeBytes: number;
  readonly parallel: number;
  /** Whether a block is there already. */
  readonly isThere: (index: number) => boolean;
  readonly put: (block: DiskBlock, signal: AbortSignal) => Promise<void>;
  readonly report: (fraction: number) => void;
  readonly signal: AbortSignal;
}

/** Reads a disk once and puts its blocks, several at a time; memory holds one block for each. Ends with the first error. */
export async function sendBlocks(path: string, options: SendOptions): Promise<SentBlocks> {
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  const sending: Sending = {
    file: await open(path, 'r'),
    options: {...options, signal},
    blocks: Math.ceil(options.sizeBytes / blockBytes),
    next: 0,
    total: new OrderedChecksum(),
  };
  try {
    const workers = Array.from({length: options.parallel}, () =>
      work(sending).catch((error: unknown) => {
        // The first reason stays the reason.
        failed.abort(error);
      }),
    );
    await Promise.all(workers);
    signal.throwIfAborted();
    return sending.total.result();
  } finally {
    await sending.file.close();
  }
}

interface Sending {
  readonly file: FileHandle;
  readonly options: SendOptions;
  readonly blocks: number;
  next: number;
  readonly total: OrderedChecksum;
}

async function work(sending: Sending): Promise<void> {
  const {file, options, blocks, total} = sending;
  const {signal, sizeBytes} = options;
  const data = Buffer.allocUnsafe(blockBytes);
  while (sending.next < blocks) {
    signal.throwIfAborted();
    const index = sending.next;
    sending.next += 1;
    await readBlock(file, data, {index, sizeBytes});
    if (data.equals(zeros)) {
      total.add(index);
    } else {
      const digest = createHash('sha256').update(data).digest();
      if (!options.isThere(index))
        await options.put({index, data, checksum: digest.toString('base64')}, signal);
      total.add(index, digest);
    }
    options.report((index + 1) / blocks);
  }
}

const zeros = Buffer.alloc(blockBytes);

async function readBlock(
  file: FileHandle,
  data: Buffer,
  {index, sizeBytes}: {readonly index: number; readonly sizeBytes: number},
): Promise<void> {
  const position = index * blockBytes;
  const wanted = Math.min(blockBytes, sizeBytes - position);
  for (let filled = 0; filled < wanted; ) {
    const {bytesRead} = await file.read(data, filled, wanted - filled, position + filled);
    if (bytesRead === 0) throw new Error(`The disk is shorter than ${sizeBytes} bytes`);
    filled += bytesRead;
  }
  data.fill(0, wanted);
}

/** Takes digests in whatever order blocks are done, and hashes them in the order of the blocks. */
export class OrderedChecksum {
  readonly #hash: Hash = createHash('sha256');
  /** Of blocks after `#next`; `undefined`: the block is not sent. */
  readonly #early = new Map<number, Buffer | undefined>();
  #next = 0;
  #count = 0;

  add(index: number, digest?: Buffer): void {
    this.#early.set(index, digest);
    while (this.#early.has(this.#next)) {
      const due = this.#early.get(this.#next);
      this.#early.delete(this.#next);
      this.#next += 1;
      if (due === undefined) continue;
      this.#hash.update(due);
      this.#count += 1;
    }
  }

  /** Once only. */
  result(): SentBlocks {
    return {count: this.#count, checksum: this.#hash.digest('base64')};
  }
}
