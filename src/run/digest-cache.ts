import {type BigIntStats, lstatSync, statSync} from 'node:fs';
import {resolve, sep} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {isErrno} from '../errors.ts';
import type {DigestCache} from '../plan/fingerprint.ts';

/** Where the digests of a project lie between runs; `Store` is one. */
export interface Memory {
  memo(key: string): string | undefined;
  setMemo(key: string, value: string): void;
}

/** What is known of a file: a digest belongs to the stamp that its file had before it was read. */
interface Entry {
  readonly stamp: string;
  readonly digest: string;
  /** Whether a later change of the file is sure to change its stamp. */
  readonly settled: boolean;
}

/**
 * The digests of a project's files by what stat(2) says of them, so that a file is read only when that has changed, and
 * what the files were when this run first looked at them.
 *
 * A stamp holds device, inode, size, and both times in nanoseconds. The kernel's times advance in ticks of some
 * milliseconds, on FAT of two seconds: a file that was written so short a time before it was read could have been
 * written again without a new stamp. What is known of such a file holds for no other run.
 *
 * All digests of a project are one text in the memory: read at once, written at once when any is new.
 */
export class ProjectDigests implements DigestCache {
  readonly #projectDir: string;
  readonly #prefix: string;
  readonly #memory: Memory;
  /** By path relative to the project. */
  readonly #stored: Map<string, Entry>;
  readonly #seen = new Map<string, Entry>();
  #fresh = false;

  constructor(projectDir: string, memory: Memory) {
    this.#projectDir = projectDir;
    this.#prefix = projectDir.endsWith(sep) ? projectDir : `${projectDir}${sep}`;
    this.#memory = memory;
    this.#stored = parse(memory.memo(this.#key));
  }

  get(path: string, stat: BigIntStats): string | undefined {
    const name = this.#nameOf(path);
    const known = this.#seen.get(name) ?? this.#stored.get(name);
    if (known?.settled !== true || known.stamp !== stampOf(stat)) return undefined;
    if (!this.#seen.has(name)) this.#seen.set(name, known);
    return known.digest;
  }

  set(path: string, {stat, statMs, digest}: Parameters<DigestCache['set']>[1]): void {
    const name = this.#nameOf(path);
    const entry = {stamp: stampOf(stat), digest, settled: isSettled(stat, statMs)};
    // What the plan was made from stays, whatever is read later.
    if (!this.#seen.has(name)) this.#seen.set(name, entry);
    if (!entry.settled) return;
    this.#stored.set(name, entry);
    this.#fresh = true;
  }

  /**
   * Whether a file is no longer what it was when its digest was asked for: edited, replaced or gone since. By its stamp,
   * so that an edit that was taken back meanwhile counts too: whoever read the file in between has read something else.
   * A file that was not seen has changed.
   */
  hasChanged(path: string): boolean {
    const seen = this.#seen.get(this.#nameOf(path));
    if (seen === undefined) return true;
    try {
      if (stampOf(statSync(path, {bigint: true})) !== seen.stamp) return true;
      return !seen.settled && digestFile(path) !== seen.digest;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'ELOOP')) return true;
      throw error;
    }
  }

  /** Keeps what was found out for later runs, without files that are gone. Writes nothing where nothing is new. */
  save(): void {
    if (!this.#fresh) return;
    const list: string[] = [];
    for (const [name, {stamp, digest}] of this.#stored) {
      const isThere =
        this.#seen.has(name) ||
        lstatSync(resolve(this.#projectDir, name), {throwIfNoEntry: false}) !== undefined;
      if (isThere) list.push(name, stamp, digest);
    }
    this.#memory.setMemo(this.#key, JSON.stringify(list));
    this.#fresh = false;
  }

  /** What lies outside the project keeps its whole path. */
  #nameOf(path: string): string {
    return path.startsWith(this.#prefix) ? path.slice(this.#prefix.length) : path;
  }

  get #key(): string {
    return `digests:1:${this.#projectDir}`;
  }
}

/** Coarser than the times of any file system in use; FAT has two seconds. */
const settledAfterMs = 2000n;

function isSettled({mtimeMs, ctimeMs}: BigIntStats, statMs: number): boolean {
  const changedMs = mtimeMs > ctimeMs ? mtimeMs : ctimeMs;
  return changedMs + settledAfterMs < BigInt(Math.floor(statMs));
}

function stampOf({dev, ino, size, mtimeNs, ctimeNs}: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** Triples of name, stamp and digest, one after the other; anything else is no memory. */
function parse(text: string | undefined): Map<string, Entry> {
  const stored = new Map<string, Entry>();
  if (text === undefined) return stored;
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) return stored;
  for (let index = 0; index + 2 < list.length; index += 3) {
    const [name, stamp, digest] = list.slice(index, index + 3) as readonly unknown[];
    if (typeof name === 'string' && typeof stamp === 'string' && typeof digest === 'string')
      stored.set(name, {stamp, digest, settled: true});
  }
  return stored;
}
