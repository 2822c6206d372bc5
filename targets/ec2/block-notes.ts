import {closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {isErrno} from '../../src/errors.ts';

/**
 * Which blocks of an unfinished snapshot were put, since EBS tells that of completed snapshots only: a file beside the
 * catalog, the artifact's digest and then four bytes for each block. What is lost of it costs blocks that are put
 * again; what is wrong in it is found by the checksum of the whole.
 */
export class BlockNotes {
  readonly #file: number;
  readonly #known: ReadonlySet<number>;
  #end: number;

  private constructor(file: number, known: ReadonlySet<number>, end: number) {
    this.#file = file;
    this.#known = known;
    this.#end = end;
  }

  /** `folder`: the catalog's. Notes of another artifact are not believed. */
  static open(folder: string, snapshotId: string, sha256: string): BlockNotes {
    const path = notesPath(folder, snapshotId);
    const digest = Buffer.from(sha256, 'hex');
    const before = read(path);
    mkdirSync(dirname(path), {recursive: true, mode: 0o700});
    if (before?.subarray(0, digest.length).equals(digest) === true) {
      // A write that was cut off leaves an entry of less than four bytes.
      const end = before.length - ((before.length - digest.length) % entryBytes);
      const file = openSync(path, 'r+');
      ftruncateSync(file, end);
      return new BlockNotes(file, entries(before.subarray(digest.length, end)), end);
    }
    const file = openSync(path, 'w', 0o600);
    writeSync(file, digest);
    return new BlockNotes(file, new Set(), digest.length);
  }

  /** Whether the block was put before these notes were opened. */
  has(index: number): boolean {
    return this.#known.has(index);
  }

  add(index: number): void {
    const entry = Buffer.alloc(entryBytes);
    // From 1: zeros are what a power cut leaves in a file.
    entry.writeUInt32LE(index + 1);
    writeSync(this.#file, entry, 0, entryBytes, this.#end);
    this.#end += entryBytes;
  }

  /** The service was asked to complete the snapshot: it takes no more blocks. */
  seal(): void {
    this.add(sealed);
  }

  get isSealed(): boolean {
    return this.#known.has(sealed);
  }

  close(): void {
    closeSync(this.#file);
  }

  static forget(folder: string, snapshotId: string): void {
    rmSync(notesPath(folder, snapshotId), {force: true});
  }
}

const entryBytes = 4;
/** In the place of a block's index; there are not as many blocks. */
const sealed = 0xff_ff_ff_fe;

function notesPath(folder: string, snapshotId: string): string {
  return join(folder, 'ec2-uploads', snapshotId.replaceAll(/[^\w-]/g, '_'));
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function entries(bytes: Buffer): ReadonlySet<number> {
  const known = new Set<number>();
  for (let at = 0; at < bytes.length; at += entryBytes) known.add(bytes.readUInt32LE(at) - 1);
  known.delete(-1);
  return known;
}
