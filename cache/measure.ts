import {lstatSync, readdirSync, type Stats} from 'node:fs';
import {isErrno} from '../src/errors.ts';
import type {Store} from './store.ts';

/** What a file, or a folder with all below it, takes on the disk. */
export interface DiskUse {
  /** Blocks, not lengths: holes take nothing. A file with several links counts once. */
  readonly bytes: number;
  /** Of these, what files take that have a link elsewhere too: removing this one frees nothing of it. */
  readonly linkedBytes: number;
}

/**
 * Measures what lies at a path; nothing lies there: 0. Files whose inode is in `seen` were counted before and count as
 * nothing; those with several links are added to it. Throws what the file system throws, e.g. EACCES.
 */
export function diskUse(path: string, seen = new Set<string>()): DiskUse {
  let bytes = 0;
  const links = new Map<string, {left: number; bytes: number}>();
  const visit = (at: Buffer): void => {
    const stat = lstatIfThere(at);
    if (stat === undefined) return;
    const inode = stat.nlink > 1 && !stat.isDirectory() ? `${stat.dev}:${stat.ino}` : undefined;
    const link = inode === undefined ? undefined : links.get(inode);
    if (link !== undefined) link.left -= 1;
    if (link !== undefined || (inode !== undefined && seen.has(inode))) return;
    const own = stat.blocks * blockBytes;
    bytes += own;
    if (inode !== undefined) {
      links.set(inode, {left: stat.nlink - 1, bytes: own});
      seen.add(inode);
    }
    if (!stat.isDirectory()) return;
    for (const name of namesIn(at)) visit(Buffer.concat([at, slash, name]));
  };
  visit(Buffer.from(path));
  const linkedBytes = [...links.values()].reduce((sum, link) => sum + (link.left > 0 ? link.bytes : 0), 0);
  return {bytes, linkedBytes};
}

/** The same of an object. Content never changes, so it is measured once and remembered, unless it shares files. */
export function objectUse(store: Store, digest: string): DiskUse {
  const known = store.memo(diskMemo(digest));
  if (known !== undefined) return {bytes: Number(known), linkedBytes: 0};
  const use = diskUse(store.objectPath(digest));
  if (use.linkedBytes === 0 && use.bytes > 0) store.setMemo(diskMemo(digest), String(use.bytes));
  return use;
}

/** Under which memo the size of an object on the disk is remembered. */
export function diskMemo(digest: string): string {
  return `disk:${digest}`;
}

/** What is gone meanwhile takes nothing. */
function lstatIfThere(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function namesIn(folder: Buffer): readonly Buffer[] {
  try {
    return readdirSync(folder, {encoding: 'buffer'});
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** What st_blocks counts in (stat(2)), whatever the file system. */
const blockBytes = 512;
const slash = Buffer.from('/');
