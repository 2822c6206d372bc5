import {existsSync, readdirSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Database} from 'better-sqlite3';
import {isErrno} from '../src/errors.ts';
import {staleRecipes} from './recipes.ts';
import type {Store} from './store.ts';

/** What gc removes whatever the bounds: nothing can need it any more. */
export interface Leftover {
  readonly kind: 'trash' | 'corrupt' | 'log' | 'record' | 'recipe' | 'trace' | 'unchanged' | 'cache';
  readonly path: string;
}

/** Explanations, statistics and estimates reach back so far. */
const historyMs = 90 * 24 * 3_600_000;
/** The last builds of a spec file stay, however old. */
const runsKept = 100;
/** What is younger may be about to be recorded. */
const settledMs = 24 * 3_600_000;
/** A build that is not asked for in so long can plan once more. */
const unchangedMs = 30 * 24 * 3_600_000;
/** What a step that nobody builds any more had for the next time. */
const cacheMs = 30 * 24 * 3_600_000;
/** Somebody may want to look into a database that broke. */
const brokenMs = 7 * 24 * 3_600_000;
/** Above this, what only saves time is forgotten as a whole and found out again. */
const mostMemos = 50_000;

/** Files and folders of the cache that no record, run or person waits for. Reads only. */
export function findLeftovers(store: Store, now: number): readonly Leftover[] {
  const {layout, database} = store;
  const entries = (kind: Leftover['kind'], folder: string): Leftover[] =>
    namesIn(folder).map((name) => ({kind, path: join(folder, name)}));
  const old = ({path}: Leftover, ageMs: number): boolean => (changedAt(path) ?? now) <= now - ageMs;
  const [logs, records] = [namedLogs(database), keptRecords(database, now)];
  const nameOf = ({path}: Leftover): string => path.slice(path.lastIndexOf('/') + 1).replace(/\.[a-z]+$/, '');
  return [
    ...entries('trash', layout.trash),
    ...entries('corrupt', layout.corrupt),
    ...brokenDatabases(layout.root, now - brokenMs),
    ...entries('log', layout.logs).filter((log) => !logs.has(nameOf(log)) && old(log, settledMs)),
    ...entries('record', layout.records).filter((one) => !records.has(nameOf(one)) && old(one, settledMs)),
    ...entries('trace', layout.traces).filter((trace) => old(trace, historyMs)),
    ...staleRecipes(layout, {listed: listedArtifacts(database), before: now - historyMs}).map(
      (path): Leftover => ({kind: 'recipe', path}),
    ),
    ...entries('unchanged', layout.unchanged).filter((one) => old(one, unchangedMs)),
    ...entries('cache', layout.caches).filter((one) => old(one, cacheMs)),
  ];
}

/** Removes a path with all below it. What another process removes at the same time is gone as well. */
export function discard(path: string): void {
  try {
    rmSync(path, {recursive: true, force: true, maxRetries: 3});
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  }
}

/**
 * Forgets runs older than 90 days, but for the last 100 of each spec file; records whose content went that long ago;
 * what nothing of this names; and remembered facts of content that is gone. Gives how many runs.
 */
export function forgetHistory(store: Store, now: number, {dryRun}: {dryRun: boolean}): number {
  const {database} = store;
  const before = now - historyMs;
  const runs = database.prepare(oldRuns).pluck().all(before, runsKept) as string[];
  if (dryRun) return runs.length;
  database
    .transaction(() => {
      const forget = database.prepare('DELETE FROM runs WHERE id = ?');
      for (const id of runs) forget.run(id);
      const keys = [
        ...database
          .prepare(
            'DELETE FROM run_stages WHERE run NOT IN (SELECT id FROM runs UNION SELECT stages_of FROM runs) RETURNING key',
          )
          .pluck()
          .all(),
        ...database.prepare('DELETE FROM actions WHERE evicted_at < ? RETURNING key').pluck().all(before),
      ];
      // Only these: the key of a stage that runs right now is named by nothing yet.
      const forgetKey = database.prepare(
        `DELETE FROM keys WHERE key = ? AND key NOT IN (SELECT key FROM actions)
         AND NOT EXISTS (SELECT 1 FROM run_stages s WHERE s.key = keys.key)`,
      );
      for (const key of new Set(keys)) if (key !== null) forgetKey.run(key);
      database
        .prepare(
          `DELETE FROM memo WHERE key LIKE 'disk:%'
           AND substr(key, 6) NOT IN (SELECT digest FROM actions WHERE evicted_at IS NULL)`,
        )
        .run();
      const memos = database.prepare('SELECT COUNT(*) FROM memo').pluck().get() as number;
      if (memos > mostMemos) database.prepare(`DELETE FROM memo WHERE key NOT LIKE 'disk:%'`).run();
    })
    .immediate();
  return runs.length;
}

/** A run whose stages a later one repeats stays with that. */
const oldRuns = `
  SELECT id FROM (
    SELECT id, started_at, ROW_NUMBER() OVER (PARTITION BY file ORDER BY started_at DESC, id) AS place FROM runs
  ) WHERE started_at < ? AND place > ?`;

/** Databases that `cache rebuild` moved aside before a time, by the time in their names. */
function brokenDatabases(root: string, before: number): readonly Leftover[] {
  return namesIn(root).flatMap((name): Leftover[] => {
    const digits = /^fgimage\.db\.broken-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/
      .exec(name)
      ?.slice(1)
      .map(Number);
    if (digits === undefined) return [];
    const [year = 0, month = 1, day = 1, ...time] = digits;
    const movedAt = Date.UTC(year, month - 1, day, ...time);
    return movedAt < before ? [{kind: 'corrupt', path: join(root, name)}] : [];
  });
}

/** Artifacts in the list of images, whether or not their content is here. */
function listedArtifacts(database: Database): ReadonlySet<string> {
  return new Set(database.prepare('SELECT DISTINCT digest FROM images').pluck().all() as string[]);
}

/** Logs that a record or a run names. */
function namedLogs(database: Database): ReadonlySet<string> {
  return new Set(
    database
      .prepare(
        'SELECT log FROM actions WHERE log IS NOT NULL UNION SELECT log FROM run_stages WHERE log IS NOT NULL',
      )
      .pluck()
      .all() as string[],
  );
}

/** Keys whose record stays: the database has it, and its content is there or went less than 90 days ago. */
function keptRecords(database: Database, now: number): ReadonlySet<string> {
  return new Set(
    database
      .prepare('SELECT key FROM actions WHERE evicted_at IS NULL OR evicted_at >= ?')
      .pluck()
      .all(now - historyMs) as string[],
  );
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function changedAt(path: string): number | undefined {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
