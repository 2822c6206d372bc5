import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import {isErrno} from '../../errors.ts';
import {hole, ImportError, limits, shownPath, type TreeEntry} from './entry.ts';

/**
 * Writes entries below a folder that nobody else writes to. Every path is resolved inside that folder, links on its way
 * too: a link to `/etc` leads to the `etc` of the root that is written, as it would for whoever runs in it. Device nodes,
 * pipes and sockets are left out; running systems make their own.
 */
export class TreeWriter {
  readonly root: string;
  /** Where a folder of the entries lies, links followed, by its path in the entries. */
  readonly #folders = new Map<string, string>();
  readonly #times = new Map<string, number>();
  readonly #xattrs = new Map<string, ReadonlyMap<string, Buffer>>();
  /** What the layer at hand wrote: whiteouts are of the layers below it. */
  #written = new Set<string>();
  #special = 0;
  readonly #total = {entries: 0, contentBytes: 0, xattrBytes: 0};

  constructor(root: string) {
    this.root = root;
  }

  /** How many device nodes, pipes and sockets were left out. */
  get leftOut(): number {
    return this.#special;
  }

  /** Extended attributes by path, for `writeXattrs`. */
  get xattrs(): ReadonlyMap<string, ReadonlyMap<string, Buffer>> {
    return this.#xattrs;
  }

  startLayer(): void {
    this.#written = new Set();
  }

  async write(entry: TreeEntry): Promise<void> {
    this.#add('entries', 1);
    if (entry.path === '') return this.#writeRoot(entry);
    try {
      await this.#write(entry);
    } catch (error) {
      const code = refusals.find((one) => isErrno(error, one));
      if (code === undefined) throw error;
      throw new ImportError(`${shownPath(entry.path)} cannot be written: ${code}`, {cause: error});
    }
  }

  async #write(entry: TreeEntry): Promise<void> {
    const [above, name] = splitName(entry.path);
    const path = join(this.#folder(above), name);
    if (entry.type === 'special') {
      this.#special += 1;
      return;
    }
    const there = this.#lstat(path);
    if (there !== undefined && !(there.isDirectory() && entry.type === 'folder')) this.#remove(path);
    this.#noteWritten(path);
    switch (entry.type) {
      case 'folder':
        if (there?.isDirectory() !== true) mkdirSync(this.#bytes(path), 0o700);
        this.#own(path, entry);
        chmodSync(this.#bytes(path), entry.mode);
        this.#times.set(path, timeOf(entry));
        break;
      case 'symlink':
        this.#symlink(path, entry);
        return;
      case 'hardlink':
        this.#link(path, entry);
        return;
      case 'file':
        await this.#file(path, entry);
    }
    this.#noteXattrs(path, entry);
  }

  /** Takes a path of the layers below away (image-spec 1.0, layer.md, "Whiteouts"). */
  whiteout(path: string): void {
    const [above, name] = splitName(path);
    const folder = this.#folder(above);
    const full = join(folder, name);
    if (!this.#written.has(full) && this.#lstat(full) !== undefined) this.#remove(full);
  }

  /** Takes away what the layers below have in a folder. */
  opaque(path: string): void {
    const folder = this.#folder(path);
    for (const name of this.#names(folder)) {
      const full = join(folder, name);
      if (!this.#written.has(full)) this.#remove(full);
    }
  }

  /** The place of a path, links on its way followed inside the root, itself not; undefined where there is nothing. */
  find(path: string): Buffer | undefined {
    const [above, name] = split(path);
    const folder = this.#resolve(above, {make: false});
    const full = folder === undefined ? undefined : join(folder, name);
    return full !== undefined && this.#lstat(full) !== undefined ? this.#bytes(full) : undefined;
  }

  /** The place of a file, links followed inside the root; undefined where there is none. */
  follow(path: string): Buffer | undefined {
    let at = path;
    for (let links = 0; links <= mostLinks; links += 1) {
      const [above, name] = split(at);
      const folder = this.#resolve(above, {make: false});
      if (folder === undefined) return undefined;
      const full = join(folder, name);
      const there = this.#lstat(full);
      if (there?.isFile() === true) return this.#bytes(full);
      if (there?.isSymbolicLink() !== true) return undefined;
      const target = readlinkSync(this.#bytes(full), 'latin1');
      at = target.startsWith('/') ? target : join(folder, target);
    }
    return undefined;
  }

  /** The place of a folder, itself no link any more; undefined where there is none. */
  folder(path: string): Buffer | undefined {
    const found = this.#resolve(path, {make: false});
    return found === undefined ? undefined : this.#bytes(found);
  }

  /**
   * Sets the times of folders, which change while something is written in them, and forgets what a later layer or entry
   * has put something else in the place of: behind a link that was a folder lies what is outside of the root.
   */
  finish(): void {
    const folders = new Map<string, boolean>();
    for (const [path, mtime] of [...this.#times].reverse()) {
      if (this.#isFolder(path, folders)) lutimesSync(this.#bytes(path), mtime, mtime);
    }
    for (const path of this.#xattrs.keys()) {
      const isThere = this.#isFolder(split(path)[0], folders) && this.#lstat(path) !== undefined;
      if (path !== '' && !isThere) this.#xattrs.delete(path);
    }
  }

  /** Whether a path is a folder without a link on the way. */
  #isFolder(path: string, known: Map<string, boolean>): boolean {
    if (path === '') return true;
    const before = known.get(path);
    if (before !== undefined) return before;
    const found = this.#isFolder(split(path)[0], known) && this.#lstat(path)?.isDirectory() === true;
    known.set(path, found);
    return found;
  }

  #writeRoot(entry: TreeEntry): void {
    if (entry.type !== 'folder') throw new ImportError('An entry has no name');
    this.#own('', entry);
    chmodSync(this.root, entry.mode);
    this.#times.set('', timeOf(entry));
  }

  #noteXattrs(path: string, {xattrs}: TreeEntry): void {
    if (xattrs === undefined || xattrs.size === 0) {
      this.#xattrs.delete(path);
      return;
    }
    for (const [name, value] of xattrs) {
      // Names are handed on between NUL bytes.
      if (name.includes('\0'))
        throw new ImportError(`An extended attribute of ${shownPath(path)} has a NUL byte in its name`);
      this.#add('xattrBytes', name.length + value.length);
    }
    this.#xattrs.set(path, xattrs);
  }

  #add(what: keyof typeof limits, count: number): void {
    this.#total[what] += count;
    if (this.#total[what] <= limits[what]) return;
    throw new ImportError(`It claims to hold more than ${tooMany[what]}, which is taken for an attack`, {
      hint: 'Look at what it holds; if it is meant so, make a smaller root of it',
    });
  }

  async #file(path: string, entry: TreeEntry): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = openSync(this.#bytes(path), flags, 0o600);
    try {
      let size = 0;
      for await (const chunk of entry.content ?? []) {
        // A hole stays one: what is sparse in an image is often larger than what it holds.
        if (chunk.buffer !== hole.buffer && !isZero(chunk)) writeAll(file, chunk, size);
        size += chunk.length;
        this.#add('contentBytes', chunk.length);
      }
      ftruncateSync(file, size);
      own(path, entry, (uid, gid) => fchownSync(file, uid, gid));
      fchmodSync(file, entry.mode);
      futimesSync(file, timeOf(entry), timeOf(entry));
    } finally {
      closeSync(file);
    }
  }

  #symlink(path: string, entry: TreeEntry): void {
    const {target = ''} = entry;
    if (target === '' || target.includes('\0'))
      throw new ImportError(`${shownPath(path)} is a link to no path: ${shownPath(target)}`);
    symlinkSync(bytes(target), this.#bytes(path));
    this.#own(path, entry);
    lutimesSync(this.#bytes(path), timeOf(entry), timeOf(entry));
  }

  #link(path: string, {target = ''}: TreeEntry): void {
    const [above, name] = splitName(target);
    const folder = this.#resolve(above, {make: false});
    const from = folder === undefined ? undefined : join(folder, name);
    const there = from === undefined ? undefined : this.#lstat(from);
    if (from === undefined || there === undefined || there.isDirectory())
      throw new ImportError(`${shownPath(path)} is a hard link to what is not there: ${shownPath(target)}`);
    linkSync(this.#bytes(from), this.#bytes(path));
    // The name that they came with may go.
    const xattrs = this.#xattrs.get(from);
    if (xattrs !== undefined) this.#xattrs.set(path, xattrs);
  }

  #own(path: string, entry: TreeEntry): void {
    own(path, entry, (uid, gid) => lchownSync(this.#bytes(path), uid, gid));
  }

  #noteWritten(path: string): void {
    this.#written.add(path);
    for (let [above] = split(path); above !== ''; [above] = split(above)) this.#written.add(above);
  }

  #remove(path: string): void {
    if (this.#lstat(path)?.isFile() !== true) this.#folders.clear();
    rmSync(this.#bytes(path), {recursive: true, force: true});
    this.#times.delete(path);
    this.#xattrs.delete(path);
  }

  /** The place of a folder; it is made where it is missing, as archives need not name every folder. */
  #folder(path: string): string {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const found = this.#resolve(path, {make: true}) ?? '';
    this.#folders.set(path, found);
    return found;
  }

  #resolve(path: string, {make}: {readonly make: boolean}): string | undefined {
    const open = path.split('/').filter((part) => part !== '');
    let links = 0;
    let at = '';
    for (let part = open.shift(); part !== undefined; part = open.shift()) {
      if (part === '.') continue;
      if (part === '..') {
        [at] = split(at);
        continue;
      }
      const next = join(at, part);
      const there = this.#lstat(next);
      if (there === undefined) {
        if (!make) return undefined;
        mkdirSync(this.#bytes(next), 0o755);
        this.#noteWritten(next);
        // Of what was here before it was taken away.
        this.#times.delete(next);
        this.#xattrs.delete(next);
      } else if (there.isSymbolicLink()) {
        links += 1;
        if (links > mostLinks) throw new ImportError(`Links lead in circles at ${shownPath(next)}`);
        const target = readlinkSync(this.#bytes(next), 'latin1');
        if (target.startsWith('/')) at = '';
        open.unshift(...target.split('/').filter((one) => one !== ''));
        continue;
      } else if (!there.isDirectory()) {
        if (!make) return undefined;
        throw new ImportError(`An entry lies below ${shownPath(next)}, which is no folder`);
      }
      at = next;
    }
    return at;
  }

  #names(folder: string): readonly string[] {
    return readdirSync(this.#bytes(folder), {encoding: 'latin1'});
  }

  #lstat(path: string) {
    try {
      return lstatSync(this.#bytes(path), {throwIfNoEntry: false});
    } catch (error) {
      if (isErrno(error, 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  #bytes(path: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.root}/`), bytes(path)]);
  }
}

/** symlink(7): what Linux follows. */
const mostLinks = 40;

/** What a file system does not take because of what an entry is called or claims to be. */
const refusals = ['ENAMETOOLONG', 'EINVAL', 'ELOOP', 'EMLINK', 'EFBIG'] as const;

const tooMany: Readonly<Record<keyof typeof limits, string>> = {
  entries: '10 million entries',
  contentBytes: '2 TiB',
  xattrBytes: '256 MiB of extended attributes',
};

/** Node takes a time before 1970 for the time at which it is set. */
function timeOf({mtime}: TreeEntry): number {
  return Math.max(0, mtime);
}

function own(path: string, {uid, gid}: TreeEntry, change: (uid: number, gid: number) => void): void {
  try {
    change(uid, gid);
  } catch (error) {
    if (!isErrno(error, 'EINVAL')) throw error;
    throw new ImportError(
      `${shownPath(path)} belongs to ${String(uid)}:${String(gid)}, which is not among the ids of this user`,
      {hint: 'Give the user more subordinate ids (subuid(5)), or build as root', cause: error},
    );
  }
}

function split(path: string): [above: string, name: string] {
  const at = path.lastIndexOf('/');
  return at === -1 ? ['', path] : [path.slice(0, at), path.slice(at + 1)];
}

/** A path that something is written at or taken away from: its last part is a name. */
function splitName(path: string): [above: string, name: string] {
  const parts = split(path);
  if (['', '.', '..'].includes(parts[1]) || path.includes('\0'))
    throw new ImportError(`An entry leads out of the root: ${shownPath(path)}`);
  return parts;
}

function join(above: string, name: string): string {
  return above === '' ? name : `${above}/${name}`;
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function isZero(chunk: Buffer): boolean {
  for (let at = 0; at < chunk.length; at += hole.length) {
    const part = chunk.subarray(at, at + hole.length);
    if (!hole.subarray(0, part.length).equals(part)) return false;
  }
  return true;
}

function writeAll(file: number, chunk: Buffer, position: number): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at, chunk.length - at, position + at);
}
