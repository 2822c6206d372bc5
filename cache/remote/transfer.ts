import {createHash} from 'node:crypto';
import {createWriteStream} from 'node:fs';
import {rm} from 'node:fs/promises';
import type {Readable} from 'node:stream';
import {Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {isErrno} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import {formatSize} from '../../src/ui/format.ts';
import type {Blob} from './backend.ts';

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

function damaged(blob: Blob, why: string): RemoteError {
  return new RemoteError('damaged', `The blob ${blob.sha256.slice(0, 12)} is damaged: ${why}`);
}
