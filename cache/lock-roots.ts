import {existsSync} from 'node:fs';
import type {Database} from 'better-sqlite3';
import type {Store} from './store.ts';

/** A lock file and the SHA-256 of every package that it names. */
export interface LockRoot {
  readonly path: string;
  /** SHA-256 of the file: what was noted once is not noted again. */
  readonly digest: string;
  readonly packages: readonly string[];
}

/** Has gc keep the packages of a lock that was built from or fetched for, as long as the file is there. */
export function keepLocked(store: Store, {path, digest, packages}: LockRoot): void {
  const memo = `lock-root:${path}`;
  if (store.memo(memo) === digest) return;
  const {database} = store;
  const insert = database.prepare(
    `INSERT OR IGNORE INTO roots (digest, kind, name, since) VALUES (?, 'lock', ?, ?)`,
  );
  database
    .transaction(() => {
      forget(database, path);
      for (const one of packages) insert.run(one, path, Date.now());
    })
    .immediate();
  store.setMemo(memo, digest);
}

/** Locks whose file is gone keep nothing any more. */
export function forgetLostLocks(database: Database): void {
  const paths = database
    .prepare(`SELECT DISTINCT name FROM roots WHERE kind = 'lock'`)
    .pluck()
    .all() as string[];
  for (const path of paths) if (!existsSync(path)) forget(database, path);
}

function forget(database: Database, path: string): void {
  database.prepare(`DELETE FROM roots WHERE kind = 'lock' AND name = ?`).run(path);
  database.prepare('DELETE FROM memo WHERE key = ?').run(`lock-root:${path}`);
}
