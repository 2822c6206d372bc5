import {resolve} from 'node:path';
import type {Database} from 'better-sqlite3';
import type {RunFinished} from './events.ts';
import {lastRuns, type PastRun, type PastState} from './history.ts';

/** How many stages came to each end. */
export type StageCounts = Readonly<Record<PastState, number>>;

/** What the history of runs adds up to. */
export interface Statistics {
  readonly runs: Readonly<Record<RunFinished['outcome'], number>>;
  /** When the first of them started, in ms since the epoch; absent without any. */
  readonly since?: number;
  /** The sum over the runs: each stage of a run is counted once. */
  readonly stages: StageCounts;
  /** Sum of the runs' own times. */
  readonly spentMs: number;
  readonly savedMs: number;
  /** The stages that take longest, by median. */
  readonly slowest: readonly StageTimes[];
  /** The stages that ran most often. */
  readonly mostRun: readonly StageTimes[];
  readonly images: readonly ImageStatistics[];
  /** The newest first. */
  readonly lastRuns: readonly PastRun[];
}

export interface StageTimes {
  readonly stage: string;
  /** How often it ran to its end, and in how many runs it was. */
  readonly ran: number;
  readonly planned: number;
  readonly medianMs: number;
  readonly lastMs: number;
}

export interface ImageStatistics {
  /** Absent: stages that no image has to itself. */
  readonly image?: string;
  readonly stages: StageCounts;
  /** Sum of its stages' own times; stages that ran side by side count both. */
  readonly spentMs: number;
}

/** Adds up the history; of the runs of one spec where `file` names it. */
export function statistics(database: Database, file?: string): Statistics {
  const counts = countsOf(database, file);
  const times = timesOf(database, file, counts);
  const totals = totalsOf(database, file);
  return {
    ...totals,
    stages: sumOf(counts),
    slowest: times.toSorted((a, b) => b.medianMs - a.medianMs).slice(0, listedStages),
    mostRun: times.toSorted((a, b) => b.ran - a.ran).slice(0, listedStages),
    images: imagesOf(counts),
    lastRuns: lastRuns(database, file, listedRuns),
  };
}

const listedStages = 10;
const listedRuns = 5;

function totalsOf(
  database: Database,
  file: string | undefined,
): Pick<Statistics, 'runs' | 'since' | 'spentMs' | 'savedMs'> {
  const rows = database
    .prepare(
      `SELECT outcome, COUNT(*) AS count, SUM(duration_ms) AS spentMs, SUM(saved_ms) AS savedMs,
         MIN(started_at) AS since FROM runs WHERE @file IS NULL OR file = @file GROUP BY outcome`,
    )
    .all({file: pathOf(file)}) as readonly TotalRow[];
  const runs = {done: 0, failed: 0, cancelled: 0};
  for (const {outcome, count} of rows) runs[outcome] += count;
  return {
    runs,
    ...(rows.length === 0 ? {} : {since: Math.min(...rows.map(({since}) => since))}),
    spentMs: rows.reduce((sum, {spentMs}) => sum + spentMs, 0),
    savedMs: rows.reduce((sum, {savedMs}) => sum + savedMs, 0),
  };
}

interface TotalRow {
  readonly outcome: RunFinished['outcome'];
  readonly count: number;
  readonly spentMs: number;
  readonly savedMs: number;
  readonly since: number;
}

/** Stages of runs in which all was cached are kept once for many runs: they count once for each. */
function countsOf(database: Database, file: string | undefined): readonly CountRow[] {
  return database
    .prepare(
      `WITH counted AS (
         SELECT stages_of AS run, COUNT(*) AS runs FROM runs WHERE @file IS NULL OR file = @file GROUP BY stages_of
       )
       SELECT s.stage, s.state, SUM(c.runs) AS count, SUM(c.runs * s.duration_ms) AS spentMs
       FROM counted c JOIN run_stages s ON s.run = c.run GROUP BY s.stage, s.state ORDER BY s.stage, s.state`,
    )
    .all({file: pathOf(file)}) as readonly CountRow[];
}

interface CountRow {
  readonly stage: string;
  readonly state: PastState;
  readonly count: number;
  readonly spentMs: number;
}

function timesOf(
  database: Database,
  file: string | undefined,
  counts: readonly CountRow[],
): readonly StageTimes[] {
  const rows = database
    .prepare(
      `SELECT s.stage, s.duration_ms AS durationMs FROM run_stages s JOIN runs r ON r.id = s.run
       WHERE s.state = 'run' AND (@file IS NULL OR r.file = @file) ORDER BY s.stage, s.started_at`,
    )
    .all({file: pathOf(file)}) as readonly {readonly stage: string; readonly durationMs: number}[];
  const durations = new Map<string, number[]>();
  for (const {stage, durationMs} of rows) {
    const list = durations.get(stage);
    if (list === undefined) durations.set(stage, [durationMs]);
    else list.push(durationMs);
  }
  const planned = new Map<string, number>();
  for (const {stage, count} of counts) planned.set(stage, (planned.get(stage) ?? 0) + count);
  return [...durations].map(([stage, list]) => ({
    stage,
    ran: list.length,
    planned: planned.get(stage) ?? 0,
    medianMs: median(list),
    lastMs: list.at(-1) ?? 0,
  }));
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : Math.round(((sorted[middle - 1] ?? 0) + upper) / 2);
}

function imagesOf(counts: readonly CountRow[]): readonly ImageStatistics[] {
  const byImage = new Map<string | undefined, CountRow[]>();
  for (const row of counts) {
    const image = imageOf(row.stage);
    const own = byImage.get(image);
    if (own === undefined) byImage.set(image, [row]);
    else own.push(row);
  }
  return [...byImage]
    .sort(([a], [b]) => (a === undefined ? 1 : b === undefined ? -1 : a < b ? -1 : 1))
    .map(([image, own]) => ({
      ...(image === undefined ? {} : {image}),
      stages: sumOf(own),
      spentMs: own.reduce((sum, {spentMs}) => sum + spentMs, 0),
    }));
}

/** `web` of `customize:web/packages`; archives and bases belong to all images of their OS. */
function imageOf(stage: string): string | undefined {
  return /^(?:customize|initramfs|adapt|pack|sbom|test):([^/]+)/.exec(stage)?.[1];
}

function sumOf(counts: readonly CountRow[]): StageCounts {
  const sum = {run: 0, cached: 0, failed: 0, skipped: 0};
  for (const {state, count} of counts) sum[state] += count;
  return sum;
}

function pathOf(file: string | undefined): string | null {
  return file === undefined ? null : resolve(file);
}
