import {execFileSync} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {uptime} from 'node:os';
import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import Database from 'better-sqlite3';
import {isErrno, isNoSpace} from '../src/errors.ts';
import {type CacheLayout, cacheLayout} from './layout.ts';
import {type Lock, tryLock} from './lock.ts';
import {type SummarizeOptions, summarizeTree, type TreeSummary} from './tree.ts';
import {listXattrs} from './xattrs.ts';

/**
 * The local cache: content by digest, and records that say which key gave which content.
 *
 * Publishing: content is made below `tmp/`, renamed to its digest, and only then recorded. A crash in between
 * leaves garbage, never a record without content. Records made since the last `flush` hold only as long as the
 * machine stays up: their bytes may still be in the page cache, so a record from an earlier boot that was not
 * flushed is a miss.
 */
export class Store {
  readonly layout: CacheLayout;
  readonly #database: Database.Database;
  readonly #bootId = bootId();

  private constructor(layout: CacheLayout, database: Database.Database) {
    this.layout = layout;
    this.#database = database;
  }

  /** Opens the cache, making it where there is none. Throws what the file system or SQLite throws. */
  static open(root: string): Store {
    const layout = cacheLayout(root);
    for (const folder of [layout.objects, layout.tmp, layout.locks, layout.logs, layout.packages]) {
      mkdirSync(folder, {recursive: true});
    }
    const database = new Database(layout.database, {timeout: 10_000});
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    if (database.pragma('user_version', {simple: true}) !== schemaVersion) {
      database.transaction(() => database.exec(schema)).exclusive();
    }
    return new Store(layout, database);
  }

  close(): void {
    this.#database.close();
  }

  /** The database, for the tables that other modules own (run history, catalog). */
  get database(): Database.Database {
    return this.#database;
  }

  /** What a key gave, if it is known and its content is there. */
  lookup(key: string): ActionRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM actions WHERE key = ?').get(key) as
      | ActionRow
      | undefined;
    if (row === undefined) return undefined;
    if (row.durable === 0 && row.boot_id !== this.#bootId) return undefined;
    if (!existsSync(this.objectPath(row.digest))) return undefined;
    return {
      key: row.key,
      stage: row.stage,
      digest: row.digest,
      durationMs: row.duration_ms,
      logPath: row.log_path,
      startedAt: row.started_at,
      parts: JSON.parse(row.parts) as unknown,
      result: JSON.parse(row.result) as unknown,
    };
  }

  record(action: ActionRecord): void {
    this.#database
      .prepare(
        `INSERT OR REPLACE INTO actions (key, stage, digest, duration_ms, log_path, started_at, parts, result, boot_id, durable)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
      )
      .run(
        action.key,
        action.stage,
        action.digest,
        action.durationMs,
        action.logPath,
        action.startedAt,
        JSON.stringify(action.parts),
        JSON.stringify(action.result),
        this.#bootId,
      );
  }

  /** Makes what was recorded in this boot durable: its bytes first, then the fact. */
  flush(): void {
    const pending = this.#database
      .prepare('SELECT key FROM actions WHERE durable = 0 AND boot_id = ?')
      .all(this.#bootId) as {
      key: string;
    }[];
    if (pending.length === 0) return;
    execFileSync('sync', ['-f', this.layout.root]);
    const mark = this.#database.prepare('UPDATE actions SET durable = 1 WHERE key = ?');
    this.#database
      .transaction(() => {
        for (const {key} of pending) mark.run(key);
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

  /**
   * Moves `folder/tree`, made below `tmp/`, to its place by content digest. When the same content is there already
   * it stays and the new one is left behind for the run's clean-up.
   */
  async publish(
    folder: string,
    clamp: SummarizeOptions['clamp'],
  ): Promise<{digest: string; sizeBytes: number}> {
    const tree = join(folder, 'tree');
    const xattrs = await listXattrs(tree);
    const summary = await summarizeInWorker({tree, xattrs, ...(clamp === undefined ? {} : {clamp})});
    const target = this.objectPath(summary.digest);
    // What an earlier boot left and nobody flushed may have lost its bytes with the power.
    if (existsSync(target) && !this.#isTrusted(summary.digest)) renameSync(target, join(folder, 'untrusted'));
    if (!existsSync(target)) {
      writeFileSync(join(folder, 'manifest'), summary.manifest);
      try {
        renameSync(folder, target);
      } catch (error) {
        // Another process published the same content first: an object is never empty, so rename(2) refuses.
        if (!existsSync(target)) throw error;
      }
    }
    return {digest: summary.digest, sizeBytes: summary.sizeBytes};
  }

  /** Whether content was written in this boot, or is known to have reached the disk. */
  #isTrusted(digest: string): boolean {
    const named = this.#database
      .prepare('SELECT MAX(durable = 1 OR boot_id = ?) FROM actions WHERE digest = ?')
      .pluck();
    const trusted = named.get(this.#bootId, digest) as number | null;
    if (trusted !== null) return trusted === 1;
    // Without a record: what a run is just publishing, or what a crash left, in this boot or an earlier one.
    return statSync(this.objectPath(digest)).ctimeMs > Date.now() - uptime() * 1000;
  }

  /** A private folder below `tmp/` that lives as long as this process: its lock tells the sweep so. */
  openRun(): RunFolder {
    const id = randomUUID();
    const lockPath = join(this.layout.locks, `run-${id}.lock`);
    const lock = tryLock(lockPath);
    if (lock === undefined) throw new Error(`The lock of a new run is taken: ${lockPath}`);
    const path = join(this.layout.tmp, id);
    mkdirSync(path);
    return {id, path, lock, lockPath};
  }

  /** Removes a finished run's folder. */
  closeRun(run: RunFolder): void {
    rmSync(run.path, {recursive: true, force: true, maxRetries: 3});
    run.lock.release();
    rmSync(run.lockPath, {force: true});
  }

  /** Removes what runs left behind that ended without closing: kill -9, power cut, full disk. */
  sweep(): void {
    for (const id of readdirSync(this.layout.tmp)) {
      const lockPath = join(this.layout.locks, `run-${id}.lock`);
      const lock = tryLock(lockPath);
      if (lock === undefined) continue;
      try {
        rmSync(join(this.layout.tmp, id), {recursive: true, force: true, maxRetries: 3});
        rmSync(lockPath, {force: true});
      } catch (error) {
        // Files of subordinate ids: only a run inside the user namespace can remove them.
        if (!isErrno(error, 'EACCES', 'EPERM')) throw error;
      } finally {
        lock.release();
      }
    }
  }

  /** Small facts that are expensive to find out again, by a key that holds all they depend on. */
  memo(key: string): string | undefined {
    return this.#database.prepare('SELECT value FROM memo WHERE key = ?').pluck().get(key) as
      | string
      | undefined;
  }

  setMemo(key: string, value: string): void {
    try {
      this.#database.prepare('INSERT OR REPLACE INTO memo (key, value) VALUES (?, ?)').run(key, value);
    } catch (error) {
      // It only saves time; the stage that needs the room will say so.
      if (!isNoSpace(error)) throw error;
    }
  }

  keyLockPath(key: string): string {
    return join(this.layout.locks, `${key}.lock`);
  }
}

/** What is kept of a stage that ran. `result` is the small JSON value that it handed to the stages below it. */
export interface ActionRecord {
  readonly key: string;
  readonly stage: string;
  readonly digest: string;
  readonly durationMs: number;
  readonly logPath: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly parts: unknown;
  readonly result: unknown;
}

export interface RunFolder {
  readonly id: string;
  readonly path: string;
  readonly lock: Lock;
  readonly lockPath: string;
}

interface ActionRow {
  readonly key: string;
  readonly stage: string;
  readonly digest: string;
  readonly duration_ms: number;
  readonly log_path: string;
  readonly started_at: number;
  readonly parts: string;
  readonly result: string;
  readonly boot_id: string;
  readonly durable: number;
}

const schemaVersion = 1;
const schema = `
  CREATE TABLE IF NOT EXISTS actions (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, digest TEXT NOT NULL, duration_ms INTEGER NOT NULL,
    log_path TEXT NOT NULL, started_at INTEGER NOT NULL, parts TEXT NOT NULL, result TEXT NOT NULL,
    boot_id TEXT NOT NULL, durable INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, file TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL,
    duration_ms INTEGER, outcome TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS run_stages (
    run TEXT NOT NULL, stage TEXT NOT NULL, key TEXT, state TEXT NOT NULL, duration_ms INTEGER NOT NULL, log_path TEXT,
    PRIMARY KEY (run, stage)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS images (
    image TEXT NOT NULL, target TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL, spec_digest TEXT NOT NULL,
    path TEXT NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL, tested TEXT NOT NULL, built_at INTEGER NOT NULL,
    PRIMARY KEY (path)
  ) STRICT;
  PRAGMA user_version = ${String(schemaVersion)};
`;

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

interface SummarizeJob extends SummarizeOptions {
  readonly tree: string;
}

/** Digests a tree beside the event loop: a base is 10,000 files and 250 MB. */
function summarizeInWorker(job: SummarizeJob): Promise<TreeSummary> {
  const {tree, ...options} = job;
  const script = new URL('./tree-worker.js', import.meta.url);
  if (!existsSync(script) || statSync(tree).nlink < 3) return Promise.resolve(summarizeTree(tree, options));
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, {workerData: job});
    worker.once('message', (summary: TreeSummary) => resolve(summary));
    worker.once('error', reject);
  });
}
