import {existsSync, readdirSync} from 'node:fs';
import type {Database} from 'better-sqlite3';
import type {CacheLayout} from './layout.ts';
import {isAlive, leasingRuns} from './runs.ts';

/** When recorded content was used last, in milliseconds since the epoch, by digest: by its records and the runs. */
export function lastUses(database: Database): ReadonlyMap<string, number> {
  const rows = database
    .prepare(
      `SELECT a.digest AS digest, MAX(MAX(a.last_used_at, COALESCE(u.at, 0))) AS at
       FROM actions a
       LEFT JOIN (SELECT s.key AS key, MAX(r.started_at + r.duration_ms) AS at
                  FROM run_stages s JOIN runs r ON r.stages_of = s.run
                  WHERE s.key IS NOT NULL GROUP BY s.key) u ON u.key = a.key
       WHERE a.evicted_at IS NULL GROUP BY a.digest`,
    )
    .all() as {digest: string; at: number}[];
  return new Map(rows.map(({digest, at}) => [digest, at]));
}

/** Content that stays whatever the bounds: pins and other roots, and what the last `keepLast` good builds used. */
export function rootedDigests(database: Database, keepLast: number): ReadonlySet<string> {
  const rooted = database.prepare('SELECT DISTINCT digest FROM roots').pluck().all() as string[];
  return new Set([...rooted, ...digestsOfLastRuns(database, keepLast)]);
}

/** Content that living runs use. Reads the locks, so that the leases of a run that was killed do not count. */
export function leasedDigests(database: Database, layout: CacheLayout): ReadonlySet<string> {
  const ofRun = database.prepare('SELECT digest FROM leases WHERE run = ?').pluck();
  const living = leasingRuns(database).filter((id) => isAlive(layout, id));
  return new Set(living.flatMap((id) => ofRun.all(id) as string[]));
}

/** Runs whose process lives: they have a folder in `tmp/` and hold its lock. */
export function livingRuns(layout: CacheLayout): readonly string[] {
  return existsSync(layout.tmp) ? readdirSync(layout.tmp).filter((id) => isAlive(layout, id)) : [];
}

/**
 * Builds of one spec file with the same stages are a series; of each series the last `count` count. A build that found
 * all of it made counts as one with the build that it repeats.
 */
function digestsOfLastRuns(database: Database, count: number): readonly string[] {
  if (count === 0) return [];
  const runs = database
    .prepare(
      `SELECT file, stages_of AS stagesOf, MAX(started_at) AS at FROM runs WHERE outcome = 'done'
       GROUP BY file, stages_of ORDER BY at DESC, stagesOf`,
    )
    .all() as {file: string; stagesOf: string}[];
  const stages = database.prepare('SELECT stage FROM run_stages WHERE run = ? ORDER BY stage').pluck();
  const digests = database
    .prepare('SELECT DISTINCT a.digest FROM run_stages s JOIN actions a ON a.key = s.key WHERE s.run = ?')
    .pluck();
  const counts = new Map<string, number>();
  return runs.flatMap(({file, stagesOf}) => {
    const series = JSON.stringify([file, stages.all(stagesOf)]);
    const before = counts.get(series) ?? 0;
    counts.set(series, before + 1);
    return before < count ? (digests.all(stagesOf) as string[]) : [];
  });
}
