import {existsSync, readFileSync} from 'node:fs';
import type {Database as OpenDatabase} from 'better-sqlite3';
import {isErrno} from '../src/errors.ts';
import {Database} from './sqlite.ts';

/** Raised with every change of the tables. A cache of another version starts with empty tables: content stays. */
const schemaVersion = 2;

const tables = ['actions', 'keys', 'memo', 'runs', 'run_stages', 'images', 'roots', 'leases'] as const;

/**
 * `actions`: what a key gave; a record that gc took stays as a note with `evicted_at`. `keys`: what a key was made of.
 * `leases`: content that a living run uses. `roots`: content that gc keeps whatever its age (pins, registrations).
 */
const schema = `
  CREATE TABLE actions (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, digest TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, started_at INTEGER NOT NULL, log TEXT, result TEXT NOT NULL,
    boot_id TEXT NOT NULL, durable INTEGER NOT NULL, signed_by TEXT, last_used_at INTEGER NOT NULL,
    evicted_at INTEGER, evicted_why TEXT
  ) STRICT;
  CREATE INDEX actions_digest ON actions (digest);
  CREATE INDEX actions_pending ON actions (boot_id) WHERE durable = 0;
  CREATE TABLE keys (key TEXT PRIMARY KEY, parts TEXT NOT NULL) STRICT;
  CREATE TABLE memo (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE runs (
    id TEXT PRIMARY KEY, file TEXT NOT NULL, command TEXT NOT NULL, pid INTEGER NOT NULL, started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL, outcome TEXT NOT NULL, saved_ms INTEGER NOT NULL, stages_of TEXT NOT NULL,
    plan_digest TEXT NOT NULL
  ) STRICT;
  CREATE INDEX runs_file ON runs (file, started_at);
  CREATE TABLE run_stages (
    run TEXT NOT NULL, stage TEXT NOT NULL, key TEXT, state TEXT NOT NULL, duration_ms INTEGER NOT NULL,
    started_at INTEGER, log TEXT, failure TEXT, PRIMARY KEY (run, stage)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX run_stages_stage ON run_stages (stage);
  CREATE TABLE images (
    image TEXT NOT NULL, target TEXT NOT NULL, digest TEXT NOT NULL, key TEXT NOT NULL, spec_digest TEXT NOT NULL,
    path TEXT NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL, tested TEXT NOT NULL, built_at INTEGER NOT NULL,
    PRIMARY KEY (path)
  ) STRICT;
  CREATE TABLE roots (
    digest TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (kind, name, digest)
  ) STRICT;
  CREATE TABLE leases (run TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (run, digest)) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${String(schemaVersion)};
`;

/** Opens the database of a cache, making or renewing its tables. Throws what SQLite throws. */
export function openDatabase(path: string): OpenDatabase {
  const database = new Database(path, {timeout: busyTimeoutMs});
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    if (versionOf(database) !== schemaVersion) renew(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens the database for reading only: nothing is made or changed on disk, on a read-only file system neither. A cache
 * that is not there, or of another version, is an empty one.
 */
export function readDatabase(path: string): OpenDatabase {
  const database = openExisting(path);
  if (versionOf(database) === schemaVersion) return database;
  database.close();
  const empty = new Database(':memory:');
  empty.exec(schema);
  return empty;
}

function openExisting(path: string): OpenDatabase {
  if (!existsSync(path)) return new Database(':memory:');
  // SQLite's files for sharing are made by whoever opens a database that nobody has open; a copy needs none.
  if (!existsSync(`${path}-wal`)) return new Database(detached(readFileSync(path)));
  try {
    const database = new Database(path, {readonly: true, timeout: busyTimeoutMs});
    database.pragma('user_version');
    return database;
  } catch (error) {
    if (!isErrno(error, 'SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_READONLY_CANTINIT')) throw error;
    return new Database(detached(readFileSync(path)));
  }
}

/** A database file's bytes marked as not in WAL mode (https://sqlite.org/fileformat.html, offsets 18 and 19). */
function detached(bytes: Buffer): Buffer {
  if (bytes.length >= 20) bytes.fill(1, 18, 20);
  return bytes;
}

/** Under an exclusive lock, and asked again under it: two processes may open a new cache at once. */
function renew(database: OpenDatabase): void {
  database
    .transaction(() => {
      if (versionOf(database) === schemaVersion) return;
      for (const table of tables) database.exec(`DROP TABLE IF EXISTS ${table}`);
      database.exec(schema);
    })
    .exclusive();
}

function versionOf(database: OpenDatabase): unknown {
  return database.pragma('user_version', {simple: true});
}

const busyTimeoutMs = 10_000;
