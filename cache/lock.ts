import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {isNoSpace} from '../src/errors.ts';
import {Database} from './sqlite.ts';

/**
 * Locks that the kernel frees when their holder ends in whatever way: a small SQLite file held in an exclusive
 * transaction. The file must never be opened in any other way by this process: closing that descriptor would drop
 * the lock (fcntl(2), "record locks"). Local file systems only.
 */
export interface Lock {
  /** `remove`: the file goes too, before anybody else can have the lock. */
  release(options?: {readonly remove?: boolean}): void;
}

export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** Its command line, e.g. `fgimage build web`. */
  readonly command: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** Takes the lock, or gives undefined when somebody else, in this or another process, has it. */
export function tryLock(path: string): Lock | undefined {
  const database = new Database(path, {timeout: 0});
  try {
    // A journal on disk would need room, and a file that its last holder has just removed has no place for one.
    database.pragma('journal_mode = memory');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
  const owner: LockOwner = {pid: process.pid, host: hostname(), command: commandLine(), since: Date.now()};
  try {
    writeFileSync(`${path}.owner`, JSON.stringify(owner));
  } catch (error) {
    // The note is for people; a full disk must not keep a lock from being taken.
    if (!isNoSpace(error)) throw error;
  }
  return {
    release({remove = false} = {}) {
      rmSync(`${path}.owner`, {force: true});
      if (remove) rmSync(path, {force: true});
      database.exec('ROLLBACK');
      database.close();
    },
  };
}

/** Who holds a lock, as far as the holder's note tells. */
export function lockOwner(path: string): LockOwner | undefined {
  try {
    return JSON.parse(readFileSync(`${path}.owner`, 'utf8')) as LockOwner;
  } catch {
    return undefined;
  }
}

/** As a person typed it, without the paths of node and the script. */
function commandLine(): string {
  return ['fgimage', ...process.argv.slice(2)].join(' ');
}
