import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, createReadStream, openSync, readSync} from 'node:fs';
import {isErrno} from '../../errors.ts';
import {ImportError} from './entry.ts';

/** Compressions by the bytes that a file begins with (RFC 1952; RFC 8878; the .xz file format, 2.1.1.1). */
const compressions: readonly {readonly magic: string; readonly program: string}[] = [
  {magic: '1f8b', program: 'gzip'},
  {magic: '28b52ffd', program: 'zstd'},
  {magic: 'fd377a585a00', program: 'xz'},
];

/** The first bytes of a file. */
export function firstBytes(path: string, count: number): Buffer {
  return bytesAt(path, 0, count);
}

/** The bytes of a file from a place on, as many as there are. */
export function bytesAt(path: string, offset: number, count: number): Buffer {
  // Where partitions are said to lie, no file may reach.
  if (!Number.isSafeInteger(offset + count)) return Buffer.alloc(0);
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, readSync(file, bytes, 0, count, offset));
  } finally {
    closeSync(file);
  }
}

/** The program that takes a file apart; undefined for one that is not compressed. */
export function compressionOf(path: string): string | undefined {
  const begin = firstBytes(path, 6).toString('hex');
  return compressions.find(({magic}) => begin.startsWith(magic))?.program;
}

/**
 * A file's bytes, decompressed as it begins. The host's programs do it: whichever version, the outcome is the same, so
 * they are in no key. Throws `ImportError` for what they do not take, also where the reader has all it wants.
 */
export async function* openDecompressed(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const program = compressionOf(path);
  if (program === undefined) {
    yield* createReadStream(path, {highWaterMark: 1 << 20, signal}) as AsyncIterable<Buffer>;
    return;
  }
  const child = spawn(program, ['-dc', '--', path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 2000) complaint += text;
  });
  const ended = once(child, 'close').then(
    ([code]: readonly unknown[]) => code,
    (error: unknown) => error,
  );
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const code = await ended;
    if (code === 0) return;
    if (isErrno(code, 'ENOENT'))
      throw new ImportError(`${program}, which the file is compressed with, is not on this host`, {
        hint: 'Run "fgimage doctor --install", or decompress the file',
      });
    if (code instanceof Error) throw code;
    throw new ImportError(`${program} cannot read it: ${complaint.split('\n', 1)[0] ?? ''}`);
  } finally {
    child.kill('SIGKILL');
  }
}
