import type {Readable} from 'node:stream';
import {isErrno, isNoSpace} from '../errors.ts';
import {formatSize} from '../ui/format.ts';
import {RemoteError} from './error.ts';

/** Whether an error is of the disk that bytes are written to, and none of the network. */
export function isDiskError(error: unknown): boolean {
  return (
    isNoSpace(error) ||
    isErrno(error, 'EACCES', 'EEXIST', 'EFBIG', 'EIO', 'EMFILE', 'ENOENT', 'ENOTDIR', 'EROFS')
  );
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
