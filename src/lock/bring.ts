import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import type {RemotePackages} from '../../cache/remote/packages.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {CommandLog} from '../sandbox/process.ts';
import {type Download, downloadFiles, publicUri} from './bring-download.ts';
import {PackageStore, type StoredFile} from './store-packages.ts';

/** A .deb by digest, and where it may be had. */
export interface WantedDeb extends StoredFile {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Where the mirrors have it, in the order in which they are asked. */
  readonly uris: readonly string[];
  /** Where snapshot archives have it (`src/lock/snapshot.ts`). */
  readonly snapshotUris: readonly string[];
}

export interface BringOptions {
  /** The package store: the cache's `packages` folder. */
  readonly packages: string;
  /** Private scratch folder on the same file system. */
  readonly work: string;
  /** Whether nothing but the store may be asked. */
  readonly offline: boolean;
  readonly remote?: RemotePackages | undefined;
  /** A folder that gets a link to each: gc and other builds do not touch those. */
  readonly into?: string;
  /** The links' names there; `fileName` where it is left out. */
  readonly linkName?: (wanted: WantedDeb) => string;
  /** What mends it where an archive does not have a version any more; otherwise `fgimage update` is named. */
  readonly mend?: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
  readonly progress: (message: string, fraction?: number) => void;
  readonly warn?: (message: string, hint?: string) => void;
}

/** How many came from where, and how many bytes came at all. */
export interface Brought {
  readonly fromStore: number;
  readonly fromMirror: number;
  readonly fromSnapshot: number;
  readonly fromRemote: number;
  readonly broughtBytes: number;
}

/**
 * Brings packages into the store, each verified by size and SHA-256: from the store itself, the mirrors, the snapshot
 * archives, the remote package store, in this order. Then they lie there by their `fileName`, and in `into`.
 * Throws what the disk of the cache throws.
 */
export async function bringDebs(
  wanted: readonly WantedDeb[],
  options: BringOptions,
): Promise<Result<Brought, StageFailure>> {
  const store = new PackageStore(options.packages);
  if (options.into !== undefined) mkdirSync(options.into, {recursive: true});
  const bringing = new Bringing(store, options);
  for (const one of distinct(wanted)) await bringing.look(one);
  // A package that gc takes before it is linked is brought again.
  while (bringing.canGoOn) await bringing.round();
  options.signal.throwIfAborted();
  return bringing.missing.length === 0
    ? ok(bringing.brought)
    : fail(describe(bringing.missing, {...options, isUnreachable: bringing.isUnreachable}));
}

type Place = {readonly from: 'mirror' | 'snapshot'; readonly uri: string} | {readonly from: 'remote'};

/** A package that the store does not have yet. */
interface Search {
  readonly wanted: WantedDeb;
  readonly places: Place[];
  /** Where it was looked for, and what was found there, one line each. */
  readonly looked: string[];
}

/** One call of `bringDebs`: what is still missing is looked for in its next place, round by round. */
class Bringing {
  readonly #store: PackageStore;
  readonly #options: BringOptions;
  readonly #count = {fromStore: 0, fromMirror: 0, fromSnapshot: 0, fromRemote: 0, broughtBytes: 0};
  #searches: Search[] = [];
  #asked = false;
  #answered = false;

  constructor(store: PackageStore, options: BringOptions) {
    this.#store = store;
    this.#options = options;
  }

  get missing(): readonly Search[] {
    return this.#searches;
  }

  get brought(): Brought {
    return this.#count;
  }

  get canGoOn(): boolean {
    return !this.#options.signal.aborted && this.#searches.some(({places}) => places.length > 0);
  }

  /** Whether archives were asked, and none gave any answer at all. */
  get isUnreachable(): boolean {
    return this.#asked && !this.#answered;
  }

  async look(wanted: WantedDeb): Promise<void> {
    // Digesting hundreds of packages takes a second; meanwhile views are to be drawn.
    await new Promise(setImmediate);
    if (this.#store.has(wanted) && this.#hand(wanted)) {
      this.#count.fromStore += 1;
      return;
    }
    const {offline, remote} = this.#options;
    const at = (from: 'mirror' | 'snapshot') => (uri: string) => ({from, uri});
    const places: readonly Place[] = offline
      ? []
      : [
          ...wanted.uris.map(at('mirror')),
          ...wanted.snapshotUris.map(at('snapshot')),
          ...(remote === undefined ? [] : [{from: 'remote'} as const]),
        ];
    this.#searches.push({wanted, places: [...places], looked: [`${this.#store.folder}: not there`]});
  }

  /** Looks for everything that is missing in one place each. */
  async round(): Promise<void> {
    const archive: {search: Search; place: Place & {uri: string}}[] = [];
    const remote: Search[] = [];
    for (const search of this.#searches) {
      const place = search.places.shift();
      if (place === undefined) continue;
      if (place.from === 'remote') remote.push(search);
      else if (!/^[a-z][a-z0-9+.-]*:/.test(place.uri)) search.looked.push(`${place.uri}: it is no URI`);
      else archive.push({search, place});
    }
    await this.#download(archive);
    for (const search of remote) await this.#fetch(search);
  }

  async #download(
    asked: readonly {readonly search: Search; readonly place: Place & {readonly uri: string}}[],
  ): Promise<void> {
    if (asked.length === 0) return;
    this.#asked = true;
    const {work, log, signal, progress, remote} = this.#options;
    const total = asked.reduce((sum, {search}) => sum + search.wanted.sizeBytes, 0);
    const onBytes = (bytes: number): void =>
      progress(
        `Downloading ${megabytes(bytes)} of ${megabytes(total)} MB`,
        total === 0 ? 1 : Math.min(1, bytes / total),
      );
    onBytes(0);
    const files = asked.map(
      ({search: {wanted}, place: {uri}}): Download => ({
        uri,
        sizeBytes: wanted.sizeBytes,
        sha256: wanted.sha256,
      }),
    );
    const results = await downloadFiles(files, {work, log, signal, onBytes});
    for (const [index, {search, place}] of asked.entries()) {
      const result = results[index];
      if (result === undefined) throw new Error('A download has no result');
      if (result.state !== 'failed') this.#answered = true;
      if (result.state !== 'done') {
        if (!signal.aborted) this.#note(search, publicUri(place.uri), result);
        continue;
      }
      this.#take(search, result.path, place.from === 'mirror' ? 'fromMirror' : 'fromSnapshot');
      remote?.upload(search.wanted, this.#store.path(search.wanted));
    }
  }

  async #fetch(search: Search): Promise<void> {
    const {remote, work, signal, progress} = this.#options;
    if (remote === undefined || signal.aborted) return;
    progress(`Fetching ${search.wanted.fileName} from ${remote.name}`);
    const path = join(work, `remote-${search.wanted.sha256}`);
    rmSync(path, {force: true});
    const fetched = await remote.fetch(search.wanted, path, signal);
    if (fetched.ok) {
      this.#take(search, path, 'fromRemote');
      return;
    }
    const {kind, message} = fetched.error;
    this.#note(search, `remote cache ${remote.name}`, {
      state: kind === 'damaged' ? 'differs' : 'failed',
      why: message,
    });
  }

  #take(search: Search, path: string, from: 'fromMirror' | 'fromSnapshot' | 'fromRemote'): void {
    const {wanted} = search;
    this.#store.keep(path, wanted);
    if (!this.#hand(wanted)) {
      search.looked.push(`${this.#store.folder}: it was removed at once`);
      return;
    }
    this.#count[from] += 1;
    this.#count.broughtBytes += wanted.sizeBytes;
    this.#searches = this.#searches.filter((one) => one !== search);
  }

  #hand(wanted: WantedDeb): boolean {
    const {into, linkName} = this.#options;
    return into === undefined || this.#store.link(wanted, join(into, linkName?.(wanted) ?? wanted.fileName));
  }

  /** Bytes that are not those of the lock are a matter to tell, also where the next place has the right ones. */
  #note(
    {wanted, looked}: Search,
    where: string,
    {state, why}: {readonly state: string; readonly why: string},
  ): void {
    const {log, warn} = this.#options;
    if (state !== 'differs') {
      looked.push(`${where}: ${why}`);
      return;
    }
    looked.push(`${where}: refused, ${why}`);
    const message = `${title(wanted)} from ${where} is refused: ${why}`;
    log.write(message);
    warn?.(message, 'These are other bytes by the same name: tell whoever keeps that archive');
  }
}

const mostTold = 10;

function describe(
  missing: readonly Search[],
  {offline, mend, isUnreachable}: Pick<BringOptions, 'offline' | 'mend'> & {readonly isUnreachable: boolean},
): StageFailure {
  const told = missing.slice(0, mostTold);
  const more = missing.length - told.length;
  const rest = more === 0 ? [] : [`and ${String(more)} more`];
  const names = [...new Set(told.map(({wanted}) => wanted.name))];
  const count =
    missing.length === 1
      ? title((missing[0] as Search).wanted)
      : `${String(missing.length)} ${(missing[0] as Search).wanted.architecture === 'source' ? 'files of source packages' : 'packages'}`;
  if (offline) {
    return {
      reason: 'refused',
      message: `${count} ${missing.length === 1 ? 'is' : 'are'} not in the package store, and nothing is fetched offline`,
      details: [...(missing.length === 1 ? [] : told.map(({wanted}) => title(wanted))), ...rest],
      hint: 'Run "fgimage fetch" while there is a network, or build from a bundle',
    };
  }
  const gone = `Run "fgimage update ${names.slice(0, 3).join(' ')}" to take what the archive has now, or name an archive of snapshots with os.snapshots in the spec`;
  const unreachable =
    'Check that the archive can be reached from this host, then run the build again: what was fetched is kept';
  return {
    reason: 'refused',
    message: `${count} cannot be had`,
    details: [
      ...told.flatMap(({wanted, looked}) => [`${title(wanted)}:`, ...looked.map((line) => `  ${line}`)]),
      ...rest,
    ],
    hint: isUnreachable ? unreachable : (mend ?? gone),
  };
}

/** A source package has several files. */
function title({name, version, architecture, fileName}: WantedDeb): string {
  return architecture === 'source' ? fileName : `${name} ${version}`;
}

/** The same bytes by the same name are brought once. */
function distinct(wanted: readonly WantedDeb[]): readonly WantedDeb[] {
  return [...new Map(wanted.map((one) => [`${one.fileName} ${one.sha256}`, one])).values()];
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
