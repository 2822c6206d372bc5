import {type FSWatcher, lstatSync, readdirSync, realpathSync, statSync, watch} from 'node:fs';
import {dirname, join, sep} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {isErrno} from '../errors.ts';

/** What a build reads, by absolute path. */
export interface WatchedInputs {
  readonly files: readonly string[];
  /** Whatever lies in these, at whatever depth. */
  readonly folders: readonly string[];
}

/** A file that is not as it was. */
export interface FileChange {
  readonly path: string;
  readonly change: 'changed' | 'added' | 'removed';
}

/** Tells of changes to inputs. */
export interface Watcher {
  /** Looks at these from now on. What changed since the last `next` in what was watched before is still told. */
  watch(inputs: WatchedInputs): void;
  /** What changed, once nothing has changed for a moment; nothing when the signal comes first. */
  next(signal: AbortSignal): Promise<readonly FileChange[]>;
  close(): void;
}

export interface WatcherOptions {
  /** How often to look, instead of asking the kernel, which hears nothing of what other machines do. */
  readonly pollMs?: number | undefined;
  /** For how long nothing may change before a change is told: editors and checkouts write in several steps. */
  readonly quietMs?: number;
  /** Folders that are no inputs, whatever lies around them. */
  readonly ignored?: readonly string[];
  /** Told once, with the reason, when the kernel watches no more folders and the watcher looks by itself. */
  readonly onPolling?: (reason: string) => void;
}

type Stamps = ReadonlyMap<string, string>;

/**
 * Watches files. An event of the kernel (inotify(7)) is only a reason to look: what changed is found by comparing what
 * stat(2) says of every input with what it said before. So an event without a name, for another file, or one too many
 * does no harm, and looking at intervals finds the same changes.
 */
export class FileWatcher implements Watcher {
  readonly #quietMs: number;
  readonly #ignored: ReadonlySet<string>;
  readonly #onPolling: (reason: string) => void;
  readonly #watched = new Map<string, {readonly watcher: FSWatcher; readonly identity: string}>();
  #pollMs: number | undefined;
  #inputs: WatchedInputs = {files: [], folders: []};
  #known: Stamps = new Map();
  #stirred = false;
  #wake: () => void = () => undefined;

  constructor({pollMs, quietMs = 150, ignored = [], onPolling = () => undefined}: WatcherOptions) {
    this.#pollMs = pollMs;
    this.#quietMs = quietMs;
    this.#ignored = new Set(ignored);
    this.#onPolling = onPolling;
  }

  watch(inputs: WatchedInputs): void {
    const wasInput = membership(this.#inputs);
    const isInput = membership(inputs);
    this.#inputs = inputs;
    this.#listen();
    const known = new Map([...this.#known].filter(([path]) => isInput(path)));
    for (const [path, stamp] of this.#look()) if (!wasInput(path)) known.set(path, stamp);
    this.#known = known;
  }

  async next(signal: AbortSignal): Promise<readonly FileChange[]> {
    for (let last = this.#look(); !signal.aborted; ) {
      const changed = differences(this.#known, last).length > 0;
      await (changed ? this.#pause(signal) : this.#event(signal));
      const now = this.#look();
      if (changed && differences(last, now).length === 0) {
        const changes = differences(this.#known, now);
        this.#known = now;
        this.#listen();
        return changes;
      }
      // Events of other files, as a large one is written, are not worth a look each.
      if (!changed && differences(this.#known, now).length === 0) await this.#pause(signal);
      last = now;
    }
    return [];
  }

  close(): void {
    for (const {watcher} of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  #look(): Stamps {
    this.#stirred = false;
    return stampsOf(this.#inputs, this.#ignored);
  }

  #pause(signal: AbortSignal): Promise<void> {
    return sleep(this.#quietMs, undefined, {signal}).catch(() => undefined);
  }

  /** Until the kernel has told of something, it is time to look by ourselves, or the signal comes. */
  async #event(signal: AbortSignal): Promise<void> {
    if (this.#pollMs !== undefined) {
      await sleep(this.#pollMs, undefined, {signal}).catch(() => undefined);
      return;
    }
    if (this.#stirred || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', () => resolve(), {once: true});
    });
  }

  /** Has the kernel watch the folders in which an input lies, or could come to lie, and no others. */
  #listen(): void {
    if (this.#pollMs !== undefined) return;
    const wanted = foldersOf(this.#inputs, this.#ignored);
    for (const [folder, {watcher, identity}] of this.#watched) {
      if (wanted.get(folder) === identity) continue;
      watcher.close();
      this.#watched.delete(folder);
    }
    for (const [folder, identity] of wanted) {
      if (this.#watched.has(folder)) continue;
      try {
        const watcher = watch(folder, () => {
          this.#stirred = true;
          this.#wake();
        });
        watcher.on('error', () => watcher.close());
        this.#watched.set(folder, {watcher, identity});
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) continue;
        if (!isErrno(error, 'ENOSPC', 'EMFILE', 'ENOSYS')) throw error;
        this.close();
        this.#pollMs = defaultPollMs;
        this.#onPolling(error instanceof Error ? error.message : '');
        return;
      }
    }
  }
}

export const defaultPollMs = 2000;

function differences(before: Stamps, now: Stamps): readonly FileChange[] {
  const changes: FileChange[] = [];
  for (const [path, stamp] of now) {
    const known = before.get(path);
    if (known !== stamp) changes.push({path, change: known === undefined ? 'added' : 'changed'});
  }
  for (const path of before.keys()) if (!now.has(path)) changes.push({path, change: 'removed'});
  return changes;
}

function membership({files, folders}: WatchedInputs): (path: string) => boolean {
  const named = new Set(files);
  return (path) => named.has(path) || folders.some((folder) => path.startsWith(`${folder}${sep}`));
}

/** What stat(2) says of each input that is there. Links count as such in a folder, else by what they lead to. */
function stampsOf({files, folders}: WatchedInputs, ignored: ReadonlySet<string>): Stamps {
  const stamps = new Map<string, string>();
  for (const folder of folders) {
    walk(folder, ignored, ({path, isFolder}) => {
      const stamp = isFolder ? undefined : stampOf(path, lstatSync);
      if (stamp !== undefined) stamps.set(path, stamp);
    });
  }
  for (const path of files) {
    const stamp = stampOf(path, statSync);
    if (stamp !== undefined) stamps.set(path, stamp);
  }
  return stamps;
}

/** By folder, which one it is: another of the same name has to be watched anew. */
function foldersOf(
  {files, folders}: WatchedInputs,
  ignored: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const found = new Set<string>();
  for (const path of files) {
    found.add(nearestFolder(dirname(path)));
    const real = attempt(() => realpathSync(path));
    if (real !== undefined) found.add(dirname(real));
  }
  for (const folder of folders) {
    found.add(nearestFolder(folder));
    walk(folder, ignored, ({path, isFolder}) => {
      if (isFolder) found.add(path);
    });
  }
  return new Map(
    [...found].map((folder) => {
      const stat = attempt(() => statSync(folder));
      return [folder, stat === undefined ? '' : `${stat.dev}:${stat.ino}`];
    }),
  );
}

/** The folder, or the one above it in which it would appear. */
function nearestFolder(folder: string): string {
  const there = attempt(() => statSync(folder).isDirectory()) === true;
  return there || folder === dirname(folder) ? folder : nearestFolder(dirname(folder));
}

function walk(
  folder: string,
  ignored: ReadonlySet<string>,
  visit: (entry: {path: string; isFolder: boolean}) => void,
): void {
  for (const entry of attempt(() => readdirSync(folder, {withFileTypes: true})) ?? []) {
    const path = join(folder, entry.name);
    if (ignored.has(path)) continue;
    const isFolder = entry.isDirectory();
    visit({path, isFolder});
    if (isFolder) walk(path, ignored, visit);
  }
}

function stampOf(path: string, stat: typeof statSync): string | undefined {
  const found = attempt(() => stat(path, {bigint: true}));
  return found === undefined
    ? undefined
    : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
}

/** Undefined for what is not there, or not any more. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isErrno(error, ...notThere)) return undefined;
    throw error;
  }
}

/** The last three: the server of a network file system is gone. */
const notThere = [
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'ELOOP',
  'ENAMETOOLONG',
  'EIO',
  'ESTALE',
  'ENOTCONN',
] as const;
