/**
 * What an imported root is made of, whatever it was read from. Paths and link targets are bytes, as latin1 text: names in
 * an image need not be UTF-8.
 */
export interface TreeEntry {
  /** Relative to the root, without `.` and `..`; empty: the root itself. */
  readonly path: string;
  readonly type: 'file' | 'folder' | 'symlink' | 'hardlink' | 'special';
  /** Permission bits with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Of a link: where it leads; of a hard link a path of the same root. */
  readonly target?: string;
  /** Extended attributes by name. */
  readonly xattrs?: ReadonlyMap<string, Buffer>;
  /** Of a file: its bytes, to be read before the next entry is asked for. */
  readonly content?: AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** What is wrong with something that is to be imported, in words for people. */
export class ImportError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, {hint, cause}: {readonly hint?: string; readonly cause?: unknown} = {}) {
    super(message, {cause});
    this.name = 'ImportError';
    this.hint = hint;
  }
}

/**
 * A path of an archive as `TreeEntry.path`: an absolute one is one of the root. Throws `ImportError` where it climbs: no
 * tool writes that by accident.
 */
export function plainEntryPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new ImportError(`An entry leads out of the root: ${shownPath(path)}`);
  if (path.includes('\0')) throw new ImportError(`An entry has a NUL byte in its name: ${shownPath(path)}`);
  return parts.join('/');
}

/** For messages: nothing of a name reaches a terminal as it is. */
export function shownPath(path: string): string {
  const text = Buffer.from(path, 'latin1').toString('utf8');
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** What a root may hold at most: what claims more was made to fill disks or to run for days. A hole counts as its length. */
export const limits = {
  entries: 10_000_000,
  contentBytes: 2 * 2 ** 40,
  /** All extended attributes together. */
  xattrBytes: 256 * 2 ** 20,
} as const;

/** Zeros. Content that is a part of this very buffer is a hole. */
export const hole = Buffer.alloc(1 << 24);
