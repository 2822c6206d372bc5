import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync} from 'node:fs';
import {uptime} from 'node:os';
import {join} from 'node:path';
import type {Database, Statement} from 'better-sqlite3';
import {isIoError, isNoSpace} from '../src/errors.ts';
import {checkObject, type ObjectProblem, summarizeInWorker} from './content.ts';
import {openDatabase, readDatabase} from './database.ts';
import {type CacheLayout, cacheLayout} from './layout.ts';
import {makeFolder} from './make-folder.ts';
import {type ActionRecord, writeRecord} from './record.ts';
import {closeRun, openRun, type RunFolder, sweepRuns} from './runs.ts';

export type {RunFolder};

import type {SummarizeOptions} from './tree.ts';
import {listXattrs} from './xattrs.ts';

/** A record without what its key was made of, which few ask for. */
export type StoredAction = Omit<ActionRecord, 'parts'>;

/** What the cache knows of a key. */
export type Finding =
  | {
      readonly state: 'known';
      readonly action: StoredAction;
      /** Whether the content is there too; otherwise only what it was is known. */
      readonly present: boolean;
      readonly evicted?: Eviction;
      /** Id of the key that signed the record, where it came from a remote cache. */
      readonly signedBy?: string;
    }
  /** Recorded before the machine went down, and not known to have reached the disk. */
  | {readonly state: 'not-durable'}
  | {readonly state: 'absent'};

/** Why content is gone: `corrupt`, or the rule by which gc took it. */
export interface Eviction {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly why: string;
}

/**
 * The local cache: content by digest, and records that say which key gave which content.
 *
 * Publishing: content is made below `tmp/`, renamed to its digest, and only then recorded. A crash in between
 * leaves garbage, never a record without content. Records made since the last `flush` hold only as long as the
 * machine stays up: their bytes may still be in the page cache, so a record from an earlier boot that was not
 * flushed is a miss.
 *
 * Content in use is leased by the run that uses it, in the same kind of transaction in which gc looks for what nobody
 * uses and takes it away: one of the two comes first.
 */
export class Store {
  readonly layout: CacheLayout;
  /** For the tables that other modules own (run history, catalog). */
  readonly database: Database;
  /** Whether nothing may be written. */
  readonly readOnly: boolean;
  readonly #bootId = bootId();
  readonly #statements = new Map<string, Statement>();

  private constructor(layout: CacheLayout, {database, readOnly}: {database: Database; readOnly: boolean}) {
    this.layout = layout;
    this.database = database;
    this.readOnly = readOnly;
  }

  /** Opens the cache, making it where there is none. Throws what the file system or SQLite throws. */
  static open(root: string): Store {
    const layout = cacheLayout(root);
    const {objects, records, tmp, locks, logs, packages, corrupt, trash, traces} = layout;
    for (const folder of [objects, records, tmp, locks, logs, packages, corrupt, trash, traces])
      makeFolder(folder);
    return new Store(layout, {database: openDatabase(layout.database), readOnly: false});
  }

  /** Opens the cache as it is, to look only: nothing is written, and one that is not there is empty. */
  static openToRead(root: string): Store {
    const layout = cacheLayout(root);
    return new Store(layout, {database: readDatabase(layout.database), readOnly: true});
  }

  close(): void {
    this.database.close();
  }

  /** What a key gave, whether or not its content is still there. */
  find(key: string): Finding {
    const row = this.#prepare('SELECT * FROM actions WHERE key = ?').get(key) as ActionRow | undefined;
    if (row === undefined) return {state: 'absent'};
    if (row.durable === 0 && row.boot_id !== this.#bootId) return {state: 'not-durable'};
    const evicted =
      row.evicted_at === null ? undefined : {at: row.evicted_at, why: row.evicted_why ?? 'unknown'};
    return {
      state: 'known',
      action: actionOf(row),
      present: evicted === undefined && existsSync(this.objectPath(row.digest)),
      ...(evicted === undefined ? {} : {evicted}),
      ...(row.signed_by === null ? {} : {signedBy: row.signed_by}),
    };
  }

  /** What a key gave, if its content is there. */
  lookup(key: string): StoredAction | undefined {
    const found = this.find(key);
    return found.state === 'known' && found.present ? found.action : undefined;
  }

  /** What a key was made of, whether or not it ever gave anything. */
  keyParts(key: string): unknown {
    const text = this.#prepare('SELECT parts FROM keys WHERE key = ?').pluck().get(key);
    return typeof text === 'string' ? (JSON.parse(text) as unknown) : undefined;
  }

  /** Keeps what a key is made of, so that a stage that fails can be explained too. */
  noteKey(key: string, parts: unknown): void {
    this.#prepare('INSERT OR REPLACE INTO keys (key, parts) VALUES (?, ?)').run(key, JSON.stringify(parts));
  }

  /**
   * Records what a key gave. `present: false`: known from elsewhere, its content is not here. `signedBy`: the id of the
   * key that vouches for it; only who trusts that key may use the record.
   */
  record(
    action: ActionRecord,
    {present = true, signedBy}: {present?: boolean; signedBy?: string | undefined} = {},
  ): void {
    const {parts, ...stored} = action;
    if (present) writeRecord(this.layout, action);
    const insert = this.#prepare(
      `INSERT OR REPLACE INTO actions (key, stage, digest, size_bytes, duration_ms, started_at, log, result, boot_id,
       durable, signed_by, last_used_at, evicted_at, evicted_why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    );
    this.database
      .transaction(() => {
        this.noteKey(stored.key, parts);
        insert.run(
          stored.key,
          stored.stage,
          stored.digest,
          stored.sizeBytes,
          stored.durationMs,
          stored.startedAt,
          stored.log ?? null,
          JSON.stringify(stored.result),
          this.#bootId,
          signedBy ?? null,
          Date.now(),
          present ? null : Date.now(),
          present ? null : 'not fetched',
        );
        // Other keys that gave the same content have it back as well.
        if (present) this.#markPresent(stored.digest);
      })
      .immediate();
  }

  /** Content that came back, from a remote cache or by a stage that ran again: all its records count again. */
  markPresent(digest: string): void {
    this.database.transaction(() => this.#markPresent(digest)).immediate();
  }

  #markPresent(digest: string): void {
    this.#prepare(
      'UPDATE actions SET evicted_at = NULL, evicted_why = NULL, durable = 0, boot_id = ? WHERE digest = ? AND evicted_at IS NOT NULL',
    ).run(this.#bootId, digest);
  }

  /** Makes what was recorded in this boot durable: its bytes first, then the fact. */
  flush(): void {
    const pending = this.#prepare('SELECT key FROM actions WHERE durable = 0 AND boot_id = ?')
      .pluck()
      .all(this.#bootId) as string[];
    if (pending.length === 0) return;
    execFileSync('sync', ['-f', this.layout.root]);
    const mark = this.#prepare('UPDATE actions SET durable = 1 WHERE key = ?');
    this.database
      .transaction(() => {
        for (const key of pending) mark.run(key);
      })
      .immediate();
  }

  objectPath(digest: string): string {
    return join(this.layout.objects, digest);
  }

  /** The folder with the content of an object. */
  treePath(digest: string): string {
    return join(this.layout.objects, digest, 'tree');
  }

  /** Where the log with this digest is. */
  logPath(log: string): string {
    return join(this.layout.logs, `${log}.log`);
  }

  hasContent(digest: string): boolean {
    return existsSync(this.objectPath(digest));
  }

  /**
   * Moves `folder/tree`, made below `tmp/`, to its place by content digest, leased by `run`. When the same content is
   * there already it stays and the new one is left behind for the run's clean-up.
   */
  async publish(
    folder: string,
    {clamp, run}: {clamp?: SummarizeOptions['clamp'] | undefined; run: RunFolder},
  ): Promise<{digest: string; sizeBytes: number}> {
    const tree = join(folder, 'tree');
    const xattrs = await listXattrs(tree);
    const summary = await summarizeInWorker({tree, xattrs, ...(clamp === undefined ? {} : {clamp})});
    writeFileSync(join(folder, 'manifest'), summary.manifest);
    this.adopt(folder, summary.digest, run);
    return {digest: summary.digest, sizeBytes: summary.sizeBytes};
  }

  /** Moves `folder/{manifest,tree/}`, whose digest is known to be this, to its place. */
  adopt(folder: string, digest: string, run: RunFolder): void {
    const target = this.objectPath(digest);
    this.lease(run, [digest]);
    // What an earlier boot left and nobody flushed may have lost its bytes with the power.
    if (existsSync(target) && !this.#isTrusted(digest)) renameSync(target, join(folder, 'untrusted'));
    if (existsSync(target)) return;
    try {
      renameSync(folder, target);
    } catch (error) {
      // Another process published the same content first: an object is never empty, so rename(2) refuses.
      if (!existsSync(target)) throw error;
    }
  }

  /** Whether content was written in this boot, or is known to have reached the disk. */
  #isTrusted(digest: string): boolean {
    const named = this.#prepare(
      'SELECT MAX(durable = 1 OR boot_id = ?) FROM actions WHERE digest = ? AND evicted_at IS NULL',
    ).pluck();
    const trusted = named.get(this.#bootId, digest) as number | null;
    if (trusted !== null) return trusted === 1;
    // Without a record: what a run is just publishing, or what a crash left, in this boot or an earlier one.
    return statSync(this.objectPath(digest)).ctimeMs > Date.now() - uptime() * 1000;
  }

  /** Keeps content from gc as long as the run lives. Content that gc took before this is gone: ask `hasContent` after. */
  lease(run: RunFolder, digests: readonly string[]): void {
    const insert = this.#prepare('INSERT OR IGNORE INTO leases (run, digest) VALUES (?, ?)');
    this.database
      .transaction(() => {
        for (const digest of digests) insert.run(run.id, digest);
      })
      .immediate();
  }

  /** Reads content anew and compares it with its manifest; undefined when it is what it was. */
  check(digest: string): Promise<ObjectProblem | undefined> {
    return checkObject(this.objectPath(digest), digest);
  }

  /** Sets content that is not what it was aside; its records are misses from then on. Gives its new place. */
  quarantine(digest: string): string {
    const place = join(this.layout.corrupt, `${digest}-${String(Date.now())}`);
    if (this.hasContent(digest)) renameSync(this.objectPath(digest), place);
    this.#prepare(
      `UPDATE actions SET evicted_at = ?, evicted_why = 'corrupt' WHERE digest = ? AND evicted_at IS NULL`,
    ).run(Date.now(), digest);
    return place;
  }

  openRun(): RunFolder {
    return openRun(this.layout);
  }

  closeRun(run: RunFolder): void {
    closeRun(run, this.database);
  }

  sweep(): void {
    sweepRuns(this.layout, this.database);
  }

  /** Small facts that are expensive to find out again, by a key that holds all they depend on. */
  memo(key: string): string | undefined {
    return this.#prepare('SELECT value FROM memo WHERE key = ?').pluck().get(key) as string | undefined;
  }

  setMemo(key: string, value: string): void {
    if (this.readOnly) return;
    try {
      this.#prepare('INSERT OR REPLACE INTO memo (key, value) VALUES (?, ?)').run(key, value);
    } catch (error) {
      // It only saves time; the stage that needs the disk will say so.
      if (!isNoSpace(error) && !isIoError(error)) throw error;
    }
  }

  keyLockPath(key: string): string {
    return join(this.layout.locks, `${key}.lock`);
  }

  /** The same statement is asked thousands of times in a large plan. */
  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

interface ActionRow {
  readonly key: string;
  readonly stage: string;
  readonly digest: string;
  readonly size_bytes: number;
  readonly duration_ms: number;
  readonly started_at: number;
  readonly log: string | null;
  readonly result: string;
  readonly boot_id: string;
  readonly durable: number;
  readonly signed_by: string | null;
  readonly evicted_at: number | null;
  readonly evicted_why: string | null;
}

function actionOf(row: ActionRow): StoredAction {
  return {
    key: row.key,
    stage: row.stage,
    digest: row.digest,
    sizeBytes: row.size_bytes,
    durationMs: row.duration_ms,
    startedAt: row.started_at,
    ...(row.log === null ? {} : {log: row.log}),
    result: JSON.parse(row.result) as unknown,
  };
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Names of the objects that lie in the cache, recorded or not. */
export function listObjects(layout: CacheLayout): readonly string[] {
  return existsSync(layout.objects)
    ? readdirSync(layout.objects).filter((name) => /^[0-9a-f]{64}$/.test(name))
    : [];
}
