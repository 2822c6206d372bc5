import {createHash} from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import {isErrno} from '../errors.ts';

/**
 * A tree below a folder of this host, looked at from outside: no link is ever followed but by `read`, and there inside the
 * tree. Paths are absolute in the tree, and as text one character for each byte (latin1), since a name may be no UTF-8.
 */
export class VettedTree {
  readonly #root: string;
  readonly #buffer = Buffer.allocUnsafe(largestTextBytes + 1);
  #readFiles = 0;
  #readBytes = 0;

  constructor(root: string) {
    this.#root = bytesOf(root === '/' ? '' : root);
  }

  /** Files that were read, and how many bytes. */
  get readSoFar(): {readonly files: number; readonly bytes: number} {
    return {files: this.#readFiles, bytes: this.#readBytes};
  }

  /** Everything in the tree, a folder before what is in it. */
  *entries(): Generator<Entry> {
    const open = [''];
    for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
      for (const name of this.names(folder)) {
        const entry = this.entry(`${folder}/${name}`);
        if (entry === undefined) continue;
        yield entry;
        if (entry.type === 'folder') open.push(entry.path);
      }
    }
  }

  /** Names in a folder, in their order; none where it is no folder. */
  names(folder: string): readonly string[] {
    try {
      return readdirSync(this.#place(folder === '' ? '/' : folder), {encoding: 'latin1'}).sort();
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw error;
    }
  }

  /** What is at a path whose folders are no links. */
  entry(path: string): Entry | undefined {
    const stat = lstatSync(this.#place(path), {throwIfNoEntry: false});
    if (stat === undefined) return undefined;
    const type = stat.isFile()
      ? 'file'
      : stat.isDirectory()
        ? 'folder'
        : stat.isSymbolicLink()
          ? 'link'
          : stat.isFIFO() || stat.isSocket()
            ? 'pipe'
            : 'device';
    return {path, type, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, sizeBytes: stat.size};
  }

  /** Where a link leads, as it stands. */
  link(path: string): string {
    return readlinkSync(this.#place(path), {encoding: 'latin1'});
  }

  /** The path of what `path` leads to, links followed in the tree; it need not be there. */
  resolve(path: string): string | undefined {
    const parts = path.split('/').reverse();
    let at = '';
    for (let links = 0; ; ) {
      const part = parts.pop();
      if (part === undefined) return at;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const below = `${at}/${part}`;
      if (this.entry(below)?.type !== 'link') {
        at = below;
        continue;
      }
      links += 1;
      if (links > mostLinks) return undefined;
      const target = this.link(below);
      if (target.startsWith('/')) at = '';
      parts.push(...target.split('/').reverse());
    }
  }

  /** The text of a file by whatever path leads to it in the tree; undefined where there is none. */
  read(path: string): string | undefined {
    const found = this.resolve(path);
    if (found === undefined || this.entry(found)?.type !== 'file') return undefined;
    return this.#bytes(found, undefined)?.toString('latin1');
  }

  /** Lines of a file, as `read`; none where there is none. */
  lines(path: string): readonly string[] {
    const text = this.read(path);
    return text === undefined ? [] : text.split('\n').filter((line) => line !== '');
  }

  /** A file of the walk as text; undefined for one that is large, empty or no text. */
  text({path, type, sizeBytes}: Entry): string | undefined {
    if (type !== 'file' || sizeBytes === 0 || sizeBytes > largestTextBytes) return undefined;
    const bytes = this.#bytes(path, looksBinary);
    return bytes?.toString('latin1');
  }

  /** Of the file at a path whose folders are no links. */
  md5(path: string): string {
    return createHash('md5')
      .update(this.#bytes(path, undefined) ?? '')
      .digest('hex');
  }

  /** The same, as rpm has digests. */
  sha256(path: string): string {
    return createHash('sha256')
      .update(this.#bytes(path, undefined) ?? '')
      .digest('hex');
  }

  /** All bytes of a file, unless `refuse` says after the first of them that they are not wanted. */
  #bytes(path: string, refuse: ((beginning: Buffer) => boolean) | undefined): Buffer | undefined {
    const file = openSync(this.#place(path), openFlags);
    try {
      const size = fstatSync(file).size;
      const buffer = size <= largestTextBytes ? this.#buffer : Buffer.allocUnsafe(size);
      let length = readSync(file, buffer, 0, Math.min(size, beginningBytes), 0);
      if (refuse?.(buffer.subarray(0, length)) === true) return undefined;
      while (length < size) {
        const count = readSync(file, buffer, length, size - length, length);
        if (count === 0) break;
        length += count;
      }
      this.#readFiles += 1;
      this.#readBytes += length;
      return buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  }

  #place(path: string): Buffer {
    return Buffer.from(this.#root + path, 'latin1');
  }
}

export interface Entry {
  readonly path: string;
  readonly type: 'file' | 'folder' | 'link' | 'pipe' | 'device';
  /** Permissions with the set-user-ID, set-group-ID and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
}

/** Text as it stands in the spec or in UTF-8 elsewhere, as the paths and texts of a tree have it. */
export function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** The other way round, for people; bytes that are no UTF-8 are escaped as in a URL. */
export function shown(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString('utf8');
  if (!text.includes('�') && !/\p{Cc}/u.test(text)) return text;
  return bytes.replace(
    /[^ -$&-~]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
}

/** Longer files are not searched for secrets: nobody writes a key into so much text. */
export const largestTextBytes = 1 << 20;

/** So much of a file tells whether it is text: as git(1) has it, it holds no NUL then. */
const beginningBytes = 8000;

function looksBinary(beginning: Buffer): boolean {
  return beginning.includes(0);
}

/** A path is opened once it was looked at: a pipe that came since must not stop the walk. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** As the kernel's (path_resolution(7)). */
const mostLinks = 40;
