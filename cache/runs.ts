import {randomUUID} from 'node:crypto';
import {chmodSync, existsSync, mkdirSync, readdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import type {Database} from 'better-sqlite3';
import {isErrno, isIoError, isNoSpace} from '../src/errors.ts';
import type {CacheLayout} from './layout.ts';
import {type Lock, tryLock} from './lock.ts';

/** A private folder below `tmp/` that lives as long as its process: its lock tells the sweep and gc so. */
export interface RunFolder {
  readonly id: string;
  readonly path: string;
  readonly lock: Lock;
  readonly lockPath: string;
}

export function openRun(layout: CacheLayout): RunFolder {
  const id = randomUUID();
  const lockPath = runLockPath(layout, id);
  const lock = tryLock(lockPath);
  if (lock === undefined) throw new Error(`The lock of a new run is taken: ${lockPath}`);
  const path = join(layout.tmp, id);
  mkdirSync(path);
  // A cache folder with the set-group-id bit would hand it down, with its group, to the root folder of every image.
  chmodSync(path, 0o755);
  return {id, path, lock, lockPath};
}

/** Removes a finished run's folder and gives back what it leased. */
export function closeRun(run: RunFolder, database: Database): void {
  rmSync(run.path, {recursive: true, force: true, maxRetries: 3});
  try {
    dropLeases(database, run.id);
  } catch (error) {
    // A full or failing disk has told of itself already; the next sweep finds that the run is over.
    if (!isNoSpace(error) && !isIoError(error)) throw error;
  }
  run.lock.release({remove: true});
}

/** Removes what runs left behind that ended without closing: kill -9, power cut, full disk; and what gc did not finish. */
export function sweepRuns(layout: CacheLayout, database: Database): void {
  for (const id of readdirSync(layout.tmp)) {
    const lock = tryRunLock(runLockPath(layout, id));
    if (lock === undefined) continue;
    try {
      removeOwn(join(layout.tmp, id));
    } finally {
      lock.release({remove: true});
    }
  }
  for (const name of readdirSync(layout.trash)) removeOwn(join(layout.trash, name));
  for (const id of leasingRuns(database)) if (!isAlive(layout, id)) dropLeases(database, id);
}

/** Runs that hold leases, dead ones too. */
export function leasingRuns(database: Database): readonly string[] {
  return database.prepare('SELECT DISTINCT run FROM leases').pluck().all() as string[];
}

/** Whether a run's process lives: its lock is held. */
export function isAlive(layout: CacheLayout, id: string): boolean {
  // Made before anything of the run, removed after everything.
  if (!existsSync(runLockPath(layout, id))) return false;
  const lock = tryRunLock(runLockPath(layout, id));
  if (lock === undefined) return true;
  lock.release({remove: true});
  return false;
}

/** Undefined, too, when its holder removes the file at this moment: whether the run lives is asked again. */
function tryRunLock(path: string): Lock | undefined {
  try {
    return tryLock(path);
  } catch (error) {
    // What SQLite says of a file that was unlinked between its opening and its locking.
    if (isErrno(error, 'SQLITE_IOERR_FSTAT')) return undefined;
    throw error;
  }
}

function dropLeases(database: Database, id: string): void {
  database.prepare('DELETE FROM leases WHERE run = ?').run(id);
}

function runLockPath(layout: CacheLayout, id: string): string {
  return join(layout.locks, `run-${id}.lock`);
}

/** Files of subordinate ids can be removed only by a run inside the user namespace. */
function removeOwn(path: string): void {
  try {
    rmSync(path, {recursive: true, force: true, maxRetries: 3});
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM')) throw error;
  }
}
