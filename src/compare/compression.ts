import {spawn} from 'node:child_process';
import {closeSync, openSync, writeSync} from 'node:fs';
import type {Bytes} from './bytes.ts';

export type Compression = 'gzip' | 'zstd' | 'xz' | 'lz4' | 'bzip2';

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  // The legacy frames, which the kernel reads.
  ['lz4', [0x02, 0x21, 0x4c, 0x18]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** How bytes that begin like this are compressed. */
export function compressionOf(start: Buffer): Compression | undefined {
  return magics.find(([, magic]) => start.subarray(0, magic.length).equals(Buffer.from(magic)))?.[0];
}

/** Decompresses bytes into a file by the program of that name. False where the program is missing or refuses them. */
export async function decompress(
  bytes: Bytes,
  compression: Compression,
  {to, signal}: {readonly to: string; readonly signal: AbortSignal},
): Promise<boolean> {
  const packed = `${to}.${compression}`;
  copyBytes(bytes, packed);
  const [input, output] = [openSync(packed, 'r'), openSync(to, 'w')];
  try {
    return await succeeds(compression, ['-dc'], {stdio: [input, output, 'ignore'], signal});
  } finally {
    for (const file of [input, output]) closeSync(file);
  }
}

/** Runs a program to its end; whether it is there and ended well. */
export function succeeds(
  program: string,
  words: readonly string[],
  {
    stdio = ['ignore', 'ignore', 'ignore'],
    signal,
  }: {
    readonly stdio?: readonly [number | 'ignore', number | 'ignore', number | 'ignore'];
    readonly signal: AbortSignal;
  },
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, words, {stdio: [...stdio], signal});
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

function copyBytes(bytes: Bytes, to: string): void {
  const file = openSync(to, 'w');
  try {
    for (let at = 0; at < bytes.size; at += pieceBytes) writeSync(file, bytes.read(at, pieceBytes));
  } finally {
    closeSync(file);
  }
}

const pieceBytes = 1 << 20;
