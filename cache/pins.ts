import {existsSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import type {Database} from 'better-sqlite3';
import type {CacheLayout} from './layout.ts';
import type {Store} from './store.ts';

/** Content that gc keeps, by the name that a person gave: `web/openstack`. */
export interface Pin {
  readonly name: string;
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** All pins, by name. */
export function listPins(database: Database): readonly Pin[] {
  return database
    .prepare(`SELECT name, digest, since FROM roots WHERE kind = 'pin' ORDER BY name`)
    .all() as Pin[];
}

/** Pins content, in the place of what had the name before. False when its content is not in the cache: nothing is pinned. */
export function pin(store: Store, {name, digest, since}: Pin): boolean {
  return store.database
    .transaction(() => {
      // gc takes content away in the same kind of transaction.
      if (!store.hasContent(digest)) return false;
      put(store.database, {name, digest, since});
      writePins(store.layout, listPins(store.database));
      return true;
    })
    .immediate();
}

/** Gives whether there was a pin of that name. */
export function unpin(store: Store, name: string): boolean {
  return store.database
    .transaction(() => {
      const {changes} = store.database.prepare(`DELETE FROM roots WHERE kind = 'pin' AND name = ?`).run(name);
      if (changes > 0) writePins(store.layout, listPins(store.database));
      return changes > 0;
    })
    .immediate();
}

/** Takes the pins of the file beside the content into a database that was made again; those it has stay. Gives how many. */
export function restorePins(store: Store): number {
  const known = new Set(listPins(store.database).map(({name}) => name));
  const lost = readPins(store.layout).filter(({name}) => !known.has(name));
  store.database
    .transaction(() => {
      for (const one of lost) put(store.database, one);
    })
    .immediate();
  return lost.length;
}

function put(database: Database, {name, digest, since}: Pin): void {
  database.prepare(`DELETE FROM roots WHERE kind = 'pin' AND name = ?`).run(name);
  database
    .prepare(`INSERT INTO roots (digest, kind, name, since) VALUES (?, 'pin', ?, ?)`)
    .run(digest, name, since);
}

/** Whole or not at all. */
function writePins(layout: CacheLayout, pins: readonly Pin[]): void {
  const fresh = `${layout.pins}.${String(process.pid)}`;
  try {
    writeFileSync(fresh, `${JSON.stringify({version: 1, pins}, undefined, 2)}\n`);
    renameSync(fresh, layout.pins);
  } catch (error) {
    rmSync(fresh, {force: true});
    throw error;
  }
}

/** None where the file is not there, or is none. */
function readPins(layout: CacheLayout): readonly Pin[] {
  if (!existsSync(layout.pins)) return [];
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(layout.pins, 'utf8'));
  } catch {
    return [];
  }
  if (typeof value !== 'object' || value === null || !('pins' in value) || !Array.isArray(value.pins))
    return [];
  return value.pins.filter(isPin);
}

function isPin(value: unknown): value is Pin {
  if (typeof value !== 'object' || value === null) return false;
  const {name, digest, since} = value as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    typeof digest === 'string' &&
    /^[0-9a-f]{64}$/.test(digest) &&
    typeof since === 'number' &&
    Number.isSafeInteger(since)
  );
}
