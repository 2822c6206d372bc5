import {resolve} from 'node:path';
import type {Database} from 'better-sqlite3';
import {asKeyParts} from '../plan/explain.ts';
import type {Os} from '../spec/image.ts';

/** How often a base was there when a run wanted it. */
export interface BaseUse {
  /** The stage, e.g. `base:debian-bookworm-amd64`. */
  readonly base: string;
  readonly hits: number;
  /** It had to be made, or that was tried. */
  readonly misses: number;
  /** Milliseconds since the epoch; absent: never. */
  readonly lastMissAt?: number;
  /** What it is made from where no project is needed for that; absent: an import. */
  readonly os?: Os;
}

/** How often packages were put on what another image has of them. */
export interface CloneUse {
  readonly cloned: number;
  /** They were installed on the root, the kernel and the platform alone. */
  readonly fromScratch: number;
}

export interface BaseStatistics {
  /** Most misses first. */
  readonly bases: readonly BaseUse[];
  readonly clones: CloneUse;
}

/** Adds up what became of bases in the runs of this cache; of one spec where `file` names it. */
export function baseStatistics(database: Database, file?: string): BaseStatistics {
  const of = {file: file === undefined ? null : resolve(file)};
  const rows = database
    .prepare(
      `${countedRuns}
       SELECT s.stage, s.state, s.key, SUM(c.runs) AS count, MAX(s.started_at) AS lastAt
       FROM counted c JOIN run_stages s ON s.run = c.run
       WHERE s.stage LIKE 'base:%' AND s.state <> 'skipped' GROUP BY s.stage, s.state, s.key
       ORDER BY s.stage, s.key IS NULL`,
    )
    .all(of) as readonly UseRow[];
  const bases = groups(rows, database).map(useOf);
  return {
    bases: bases.toSorted((a, b) => b.misses - a.misses || (a.base < b.base ? -1 : 1)),
    clones: clonesOf(database, of),
  };
}

/** Stages of runs in which all was cached are kept once for many runs: they count once for each. */
const countedRuns = `WITH counted AS (
  SELECT stages_of AS run, COUNT(*) AS runs FROM runs WHERE @file IS NULL OR file = @file GROUP BY stages_of
)`;

interface UseRow {
  readonly stage: string;
  readonly state: 'run' | 'cached' | 'failed';
  readonly count: number;
  readonly lastAt: number | null;
  readonly key: string | null;
}

interface Group {
  readonly base: string;
  readonly os: Os | undefined;
  readonly rows: UseRow[];
}

/** By what a base is made from: of one name there may be several, with archives of their own. */
function groups(rows: readonly UseRow[], database: Database): readonly Group[] {
  const found = new Map<string, Group>();
  for (const row of rows) {
    const os = osOf(database, row.key);
    // A stage that failed before its key was known is one of those that have one.
    const known = row.key === null ? [...found.values()].find(({base}) => base === row.stage) : undefined;
    const id = JSON.stringify([row.stage, os ?? null]);
    const group = known ?? found.get(id) ?? {base: row.stage, os, rows: []};
    group.rows.push(row);
    if (known === undefined) found.set(id, group);
  }
  return [...found.values()];
}

function useOf({base, os, rows}: Group): BaseUse {
  const sum = (found: readonly UseRow[]): number => found.reduce((total, {count}) => total + count, 0);
  const missed = rows.filter(({state}) => state !== 'cached');
  const lastMissAt = Math.max(0, ...missed.map(({lastAt}) => lastAt ?? 0));
  return {
    base,
    hits: sum(rows) - sum(missed),
    misses: sum(missed),
    ...(lastMissAt === 0 ? {} : {lastMissAt}),
    ...(os === undefined ? {} : {os}),
  };
}

/** What a base was made from, as its key's notes tell; none of an import, of a lock, or of what needs its project. */
function osOf(database: Database, key: string | null): Os | undefined {
  const text = database.prepare('SELECT parts FROM keys WHERE key = ?').pluck().get(key);
  const parts = typeof text === 'string' ? asKeyParts(JSON.parse(text) as unknown) : undefined;
  const os = parts?.notes?.['os'];
  const ofProject = parts === undefined || Object.keys(parts.files).length > 0 || parts.salt !== undefined;
  if (ofProject || 'import' in parts.params || 'refinement' in parts.params) return undefined;
  return typeof os === 'object' && os !== null && 'distribution' in os ? (os as unknown as Os) : undefined;
}

function clonesOf(database: Database, of: {readonly file: string | null}): CloneUse {
  const row = database
    .prepare(
      `${countedRuns},
       made AS (
         SELECT s.run, c.runs, EXISTS (
           SELECT 1 FROM run_stages o WHERE o.run = s.run AND o.stage = replace(s.stage, '/packages', '/shared')
         ) AS cloned
         FROM counted c JOIN run_stages s ON s.run = c.run
         WHERE s.stage LIKE 'customize:%/packages' AND s.state = 'run'
       )
       SELECT COALESCE(SUM(CASE WHEN cloned THEN runs END), 0) AS cloned,
         COALESCE(SUM(CASE WHEN cloned THEN 0 ELSE runs END), 0) AS fromScratch FROM made`,
    )
    .get(of) as CloneUse;
  return {cloned: row.cloned, fromScratch: row.fromScratch};
}
