import {existsSync, linkSync, lstatSync, mkdirSync, renameSync, rmSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {isErrno} from '../errors.ts';

/** What is asked for of a file in the package store. */
export interface StoredFile {
  /** The name apt gives it: `debFileName()`. */
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * The cache's folder of packages: .debs by the names that apt gives them, so that apt and mmdebstrap find them there.
 * Two archives may have a package of one name and version with other bytes: the name then is of the one that was
 * wanted last, and the other is kept by a name with its digest in it. Nothing is believed by its name.
 */
export class PackageStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, {recursive: true});
  }

  /** Whether the store has these very bytes; if so they lie at `path(wanted)` now. */
  has(wanted: StoredFile): boolean {
    const path = this.path(wanted);
    if (this.#isThere(path, wanted)) return true;
    const aside = this.#aside(wanted.fileName, wanted.sha256);
    if (!this.#isThere(aside, wanted)) return false;
    this.keep(aside, wanted);
    return true;
  }

  path({fileName}: Pick<StoredFile, 'fileName'>): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9%+.~_-]*$/.test(fileName)) throw new Error(`${fileName} is no file name`);
    return join(this.folder, fileName);
  }

  /** Takes a verified file into the store, by a move within the file system. */
  keep(from: string, wanted: StoredFile): void {
    const path = this.path(wanted);
    this.#setAside(path, wanted);
    renameSync(from, path);
  }

  /** Gives the bytes a further name, which gc does not take; false when gc was first. */
  link(wanted: StoredFile, to: string): boolean {
    try {
      rmSync(to, {force: true});
      linkSync(this.path(wanted), to);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Moves other bytes than these out of the way: they may be another archive's package, or damaged. */
  #setAside(path: string, {fileName, sha256}: StoredFile): void {
    if (!existsSync(path)) return;
    const found = digestOf(path);
    if (found === undefined || found === sha256) return;
    try {
      renameSync(path, this.#aside(fileName, found));
    } catch (error) {
      // gc, or another build, was first.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  #isThere(path: string, {sizeBytes, sha256}: StoredFile): boolean {
    const stat = lstatSync(path, {throwIfNoEntry: false});
    if (stat?.isFile() !== true || stat.size !== sizeBytes || digestOf(path) !== sha256) return false;
    markUsed(path);
    return true;
  }

  #aside(fileName: string, sha256: string): string {
    const dot = fileName.lastIndexOf('.');
    return join(this.folder, `${fileName.slice(0, dot)}~sha256-${sha256}${fileName.slice(dot)}`);
  }
}

function digestOf(path: string): string | undefined {
  try {
    return digestFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EISDIR')) return undefined;
    throw error;
  }
}

/** gc takes what was not used for long first, and most file systems do not note reading. */
function markUsed(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, lstatSync(path).mtime);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EPERM', 'EROFS', 'EACCES')) throw error;
  }
}
