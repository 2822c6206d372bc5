import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import type {Database as OpenDatabase} from 'better-sqlite3';
import {makeFolder} from '../../cache/make-folder.ts';
import {Database} from '../../cache/sqlite.ts';
import {FgError, isErrno} from '../errors.ts';

/**
 * The part of the catalog that nothing can make again: what was registered where, and who approved what. It is no part
 * of the cache, which may be thrown away at any time.
 */
export function catalogFile(env: NodeJS.ProcessEnv = process.env): string {
  const {FGIMAGE_CATALOG: named, XDG_DATA_HOME: data} = env;
  if (named !== undefined && named !== '') return named;
  const folder = data === undefined || data === '' ? join(homedir(), '.local', 'share') : data;
  return join(folder, 'fgimage', 'catalog.db');
}

/** Each brings the tables from one version to the next; what was released is never changed. */
const migrations: readonly string[] = [
  `CREATE TABLE registrations (
     id INTEGER PRIMARY KEY, lineage TEXT NOT NULL, image TEXT NOT NULL, target TEXT NOT NULL, type TEXT NOT NULL,
     endpoint TEXT NOT NULL, remote_id TEXT, name TEXT NOT NULL, digest TEXT NOT NULL, properties TEXT NOT NULL,
     belongings TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, begun_at INTEGER NOT NULL,
     changed_at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX registrations_lineage ON registrations (lineage, endpoint);
   CREATE TABLE verdicts (
     id INTEGER PRIMARY KEY, digest TEXT NOT NULL, image TEXT NOT NULL, target TEXT NOT NULL, verdict TEXT NOT NULL,
     reason TEXT NOT NULL, who TEXT NOT NULL, at INTEGER NOT NULL
   ) STRICT;
   CREATE INDEX verdicts_digest ON verdicts (digest);`,
];

/** Opens the catalog, making or migrating its tables. Whoever opens it closes it. Throws `FgError` CATALOG_UNUSABLE. */
export function openCatalog(path = catalogFile()): OpenDatabase {
  let database: OpenDatabase | undefined;
  try {
    makeFolder(dirname(path), 0o700);
    database = new Database(path, {timeout: busyTimeoutMs});
    database.pragma('journal_mode = WAL');
    migrate(database, path);
    return database;
  } catch (error) {
    database?.close();
    if (!isErrno(error, ...unusable)) throw error;
    const reason = error instanceof Error ? error.message : '';
    throw new FgError('CATALOG_UNUSABLE', `Cannot use ${path} as the catalog: ${reason}`, {
      cause: error,
      hint: 'Name a file on a local file system that you can write with $FGIMAGE_CATALOG',
    });
  }
}

function migrate(database: OpenDatabase, path: string): void {
  const current = (): number => Number(database.pragma('user_version', {simple: true}));
  if (current() === migrations.length) return;
  database
    .transaction(() => {
      const version = current();
      if (version > migrations.length) {
        throw new FgError('CATALOG_UNUSABLE', `The catalog ${path} is of a newer fgimage`, {
          hint: 'Use that version, or name another file with $FGIMAGE_CATALOG',
        });
      }
      for (const migration of migrations.slice(version)) database.exec(migration);
      database.pragma(`user_version = ${String(migrations.length)}`);
    })
    .exclusive();
}

const busyTimeoutMs = 10_000;

const unusable = [
  ...['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'],
  ...['SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_NOTADB', 'SQLITE_CORRUPT'],
];
