import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync} from 'node:fs';
import {join} from 'node:path';
import type {Database as OpenDatabase} from 'better-sqlite3';
import {FgError} from '../src/errors.ts';
import {livingRuns} from './gc-roots.ts';
import {holderText, lockHousekeeping} from './housekeeping.ts';
import {type CacheLayout, cacheLayout} from './layout.ts';
import {restorePins} from './pins.ts';
import {type ActionRecord, parseRecord} from './record.ts';
import {Database} from './sqlite.ts';
import {Store} from './store.ts';

export interface RebuildOptions {
  /** The key of parts, so that a record that was changed is none. Throws, or gives another one, for what are no parts. */
  readonly keyOf: (parts: unknown) => string;
  /** Whether content is believed to be what its name says; else all of it is read. */
  readonly trust: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface RebuildReport {
  /** Where the broken database lies now; absent: it was sound, or there was none. */
  readonly brokenDatabase?: string;
  /** Records that were taken up, with their content and without. */
  readonly recorded: number;
  readonly withoutContent: number;
  /** Records that the database had already. */
  readonly known: number;
  /** Files in `records/` that are no records, or not of the key they are named after. */
  readonly skipped: readonly string[];
  /** Digests of content that is not what it was: set aside. */
  readonly corrupt: readonly string[];
  readonly pins: number;
}

/**
 * Makes the database of a cache again from what lies beside the content. One that is broken is moved aside; to one that
 * is sound only what it lacks is added. Throws `FgError` while a run lives in the cache, or another process cleans it.
 */
export async function rebuildDatabase(root: string, options: RebuildOptions): Promise<RebuildReport> {
  const layout = cacheLayout(root);
  for (const folder of [layout.locks, layout.tmp]) mkdirSync(folder, {recursive: true});
  const lock = lockHousekeeping(layout);
  try {
    refuseLivingRuns(layout);
    const brokenDatabase = isBroken(layout.database) ? moveAside(layout.database, options.now) : undefined;
    const store = Store.open(root);
    try {
      const report = await takeUp(store, options);
      store.flush();
      return {...(brokenDatabase === undefined ? {} : {brokenDatabase}), ...report};
    } finally {
      store.close();
    }
  } finally {
    lock.release();
  }
}

/** A run that goes on would note in the old database what it uses, and gc would not know of it. */
function refuseLivingRuns(layout: CacheLayout): void {
  const [run] = livingRuns(layout);
  if (run === undefined) return;
  const who = holderText(join(layout.locks, `run-${run}.lock`)) ?? 'a build';
  throw new FgError('CACHE_UNUSABLE', `The cache in ${layout.root} is in use by ${who}`, {
    hint: 'Wait until that has ended, then try again',
  });
}

/** Whether SQLite cannot read the file as a whole. What else keeps it from being opened is thrown. */
function isBroken(path: string): boolean {
  if (!existsSync(path)) return false;
  let database: OpenDatabase | undefined;
  try {
    database = new Database(path);
    return database.pragma('quick_check(1)', {simple: true}) !== 'ok';
  } catch (error) {
    if (error instanceof Database.SqliteError && /^SQLITE_(?:NOTADB|CORRUPT)/.test(error.code)) return true;
    throw error;
  } finally {
    database?.close();
  }
}

function moveAside(path: string, now: number): string {
  const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const place = `${path}.broken-${time}`;
  // SQLite would take the log of the old one for that of the new one.
  for (const suffix of ['-wal', '-shm', ''])
    if (existsSync(`${path}${suffix}`)) renameSync(`${path}${suffix}`, `${place}${suffix}`);
  return place;
}

async function takeUp(
  store: Store,
  {keyOf, trust, onProgress}: RebuildOptions,
): Promise<Omit<RebuildReport, 'brokenDatabase'>> {
  const {layout, database} = store;
  const names = readdirSync(layout.records)
    .filter((name) => name.endsWith('.json'))
    .sort();
  const knownKeys = new Set(database.prepare('SELECT key FROM actions').pluck().all());
  const used = database.prepare('UPDATE actions SET last_used_at = ? WHERE key = ?');
  const lost = database.prepare('UPDATE actions SET evicted_why = ? WHERE key = ?');
  const checked = new Map<string, Content>();
  const skipped: string[] = [];
  let [recorded, withoutContent, known] = [0, 0, 0];
  for (const [index, name] of names.entries()) {
    onProgress?.(index, names.length);
    const key = name.slice(0, -'.json'.length);
    if (knownKeys.has(key)) {
      known += 1;
      continue;
    }
    const record = readRecord(join(layout.records, name), {key, keyOf});
    if (record === undefined) {
      skipped.push(name);
      continue;
    }
    const content = checked.get(record.digest) ?? (await contentOf(store, record.digest, {trust}));
    checked.set(record.digest, content);
    store.record(record, {present: content === 'sound'});
    used.run(record.startedAt + record.durationMs, key);
    if (content === 'sound') recorded += 1;
    else {
      lost.run(content === 'corrupt' ? 'corrupt' : 'unknown', key);
      withoutContent += 1;
    }
  }
  onProgress?.(names.length, names.length);
  const corrupt = [...checked].flatMap(([digest, content]) => (content === 'corrupt' ? [digest] : []));
  return {recorded, withoutContent, known, skipped, corrupt, pins: restorePins(store)};
}

function readRecord(
  path: string,
  {key, keyOf}: {key: string; keyOf: RebuildOptions['keyOf']},
): ActionRecord | undefined {
  const record = parseRecord(readFileSync(path, 'utf8'));
  if (record?.key !== key) return undefined;
  try {
    return keyOf(record.parts) === key ? record : undefined;
  } catch (error) {
    // Parts of another shape than this release knows.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

type Content = 'sound' | 'corrupt' | 'gone';

async function contentOf(store: Store, digest: string, {trust}: {trust: boolean}): Promise<Content> {
  if (!store.hasContent(digest)) return 'gone';
  if (trust || (await store.check(digest)) === undefined) return 'sound';
  store.quarantine(digest);
  return 'corrupt';
}
