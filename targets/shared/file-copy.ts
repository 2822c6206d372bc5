import {createHash, type Hash} from 'node:crypto';
import {type FileHandle, open, rm} from 'node:fs/promises';
import {FgError} from '../../src/errors.ts';

/** A file that is copied, and what its bytes are known to be. */
export interface CopiedFile {
  readonly from: string;
  readonly to: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Octal, four digits. */
  readonly permissions: string;
}

export interface CopyOptions {
  readonly signal: AbortSignal;
  /** Told how many bytes are copied. */
  readonly onProgress: (copiedBytes: number) => void;
}

const pieceBytes = 1 << 20;
const nothing = Buffer.alloc(pieceBytes);

/**
 * Copies a file piece by piece, holes as holes, flushes it to the disk and reads it again: the copy has the digest that
 * it is to have, or this throws and leaves none. What is at `to` is replaced.
 */
export async function copyVerified(file: CopiedFile, options: CopyOptions): Promise<void> {
  await rm(file.to, {force: true});
  try {
    const digest = await copyPieces(file, options);
    if (digest !== file.sha256) {
      throw new FgError('CACHE_UNUSABLE', `${file.from} is not what was packed`, {
        hint: 'Run "fgimage cache verify", build again, and register then',
      });
    }
    const copied = await fileDigest(file.to, options.signal);
    if (copied !== file.sha256) {
      throw new FgError('OUTPUT_UNUSABLE', `${file.to} has other bytes than were written to it`, {
        hint: 'Check the disk that the folder is on',
      });
    }
  } catch (error) {
    await rm(file.to, {force: true});
    throw error;
  }
}

/** SHA-256 of a file, read piece by piece. */
export async function fileDigest(path: string, signal: AbortSignal): Promise<string> {
  await using source = await open(path, 'r');
  const hash = createHash('sha256');
  await eachPiece(source, {hash, signal}, () => Promise.resolve());
  return hash.digest('hex');
}

async function copyPieces(
  {from, to, sizeBytes, permissions}: CopiedFile,
  {signal, onProgress}: CopyOptions,
): Promise<string> {
  await using source = await open(from, 'r');
  await using target = await open(to, 'wx', 0o600);
  const hash = createHash('sha256');
  await eachPiece(source, {hash, signal}, async (piece, offset) => {
    if (!isZero(piece)) await writeAll(target, piece, offset);
    onProgress(offset + piece.length);
  });
  await target.truncate(sizeBytes);
  await target.chmod(Number.parseInt(permissions, 8));
  await target.sync();
  return hash.digest('hex');
}

async function eachPiece(
  source: FileHandle,
  {hash, signal}: {readonly hash: Hash; readonly signal: AbortSignal},
  use: (piece: Buffer, offset: number) => Promise<void>,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(pieceBytes);
  for (let offset = 0; ; ) {
    signal.throwIfAborted();
    const {bytesRead} = await source.read(buffer, 0, pieceBytes, offset);
    if (bytesRead === 0) return;
    const piece = buffer.subarray(0, bytesRead);
    hash.update(piece);
    await use(piece, offset);
    offset += bytesRead;
  }
}

async function writeAll(target: FileHandle, piece: Buffer, offset: number): Promise<void> {
  for (let written = 0; written < piece.length; ) {
    const {bytesWritten} = await target.write(piece, written, piece.length - written, offset + written);
    written += bytesWritten;
  }
}

function isZero(piece: Buffer): boolean {
  return piece.equals(nothing.subarray(0, piece.length));
}
