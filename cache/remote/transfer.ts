import {createHash} from 'node:crypto';
import {createWriteStream} from 'node:fs';
import {rm} from 'node:fs/promises';
import type {Readable} from 'node:stream';
import {Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {isErrno, isNoSpace} from '../../src/errors.ts';
import {formatSize} from '../../src/ui/format.ts';
import type {Blob} from './backend.ts';
import {RemoteError} from './error.ts';

export interface SaveOptions {
  /** A new file. */
  readonly path: string;
  readonly signal: AbortSignal;
  /** Makes the bytes outlive a power cut before this returns. */
  readonly durable?: boolean;
}

/**
 * Writes a blob's bytes to a file while they are counted and digested. Throws `RemoteError` `damaged` when they are
 * not those of the blob, at the first byte too many; what the source throws otherwise. Leaves no file when it throws.
 */
export async function saveBlob(
  source: Readable,
  blob: Blob,
  {path, signal, durable}: SaveOptions,
): Promise<void> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const check = new Transform({
    transform(chunk: Buffer, _, done) {
      sizeBytes += chunk.length;
      hash.update(chunk);
      done(
        sizeBytes > blob.sizeBytes ? damaged(blob, `it is larger than ${formatSize(blob.sizeBytes)}`) : null,
        chunk,
      );
    },
    flush(done) {
      if (sizeBytes < blob.sizeBytes) {
        done(damaged(blob, `${formatSize(sizeBytes)} came instead of ${formatSize(blob.sizeBytes)}`));
      } else if (hash.digest('hex') !== blob.sha256) done(damaged(blob, 'its bytes have another digest'));
      else done();
    },
  });
  const file = createWriteStream(path, {flags: 'wx', flush: durable === true});
  try {
    await pipeline(source, check, file, {signal});
  } catch (error) {
    // A file that was there before is not this call's to remove.
    if (!isErrno(error, 'EEXIST')) await rm(path, {force: true});
    signal.throwIfAborted();
    throw error;
  }
}

/** Whether an error is of the disk that bytes are written to, and none of the network. */
export function isDiskError(error: unknown): boolean {
  return (
    isNoSpace(error) ||
    isErrno(error, 'EACCES', 'EEXIST', 'EFBIG', 'EIO', 'EMFILE', 'ENOENT', 'ENOTDIR', 'EROFS')
  );
}

function damaged(blob: Blob, why: string): RemoteError {
  return new RemoteError('damaged', `The blob ${blob.sha256.slice(0, 12)} is damaged: ${why}`);
}

/** All bytes of a stream that should be small. Throws `RemoteError` `damaged` when they are more than `limitBytes`. */
export async function readAll(source: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of source as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > limitBytes) {
      source.destroy();
      throw new RemoteError('damaged', `An answer is larger than ${formatSize(limitBytes)}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
