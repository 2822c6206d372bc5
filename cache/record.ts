import {renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {CacheLayout} from './layout.ts';

/**
 * What is kept of a stage that ran. The same JSON stands in the database, in `records/<key>.json` beside the content
 * (from which the database can be made again) and in remote caches.
 */
export interface ActionRecord {
  readonly key: string;
  /** Id of the stage when it ran, e.g. `customize:web/packages`: for people, no part of the key. */
  readonly stage: string;
  /** Digest of its output: the SHA-256 of the output's manifest (cache/tree.ts). */
  readonly digest: string;
  /** Sum of the output's files. */
  readonly sizeBytes: number;
  readonly durationMs: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** SHA-256 of its log, a file of that name in `logs/`; absent where the log is lost. */
  readonly log?: string;
  /** What the key was made of, by name (`KeyParts`). */
  readonly parts: unknown;
  /** The small JSON value that it handed to the stages below it. */
  readonly result: unknown;
}

/** Where the copy of a record lies beside the content. */
export function recordPath(layout: CacheLayout, key: string): string {
  return join(layout.records, `${key}.json`);
}

/** Writes the copy of a record, whole or not at all. Throws what the file system throws. */
export function writeRecord(layout: CacheLayout, action: ActionRecord): void {
  const fresh = join(layout.records, `.${action.key}.${String(process.pid)}`);
  try {
    writeFileSync(fresh, JSON.stringify(action));
    renameSync(fresh, recordPath(layout, action.key));
  } catch (error) {
    rmSync(fresh, {force: true});
    throw error;
  }
}

/** A record as its copy has it; undefined where the text is none. */
export function parseRecord(text: string): ActionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isActionRecord(value) ? value : undefined;
}

function isActionRecord(value: unknown): value is ActionRecord {
  if (typeof value !== 'object' || value === null) return false;
  const {key, stage, digest, sizeBytes, durationMs, startedAt, log, parts, result} = value as Record<
    string,
    unknown
  >;
  return (
    isDigest(key) &&
    typeof stage === 'string' &&
    isDigest(digest) &&
    [sizeBytes, durationMs, startedAt].every((count) => Number.isSafeInteger(count) && Number(count) >= 0) &&
    (log === undefined || isDigest(log)) &&
    typeof parts === 'object' &&
    parts !== null &&
    result !== undefined
  );
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
