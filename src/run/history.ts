import {createHash, randomUUID} from 'node:crypto';
import {resolve} from 'node:path';
import type {Database} from 'better-sqlite3';
import {FgError, isIoError, isNoSpace} from '../errors.ts';
import type {RunEvent, RunFinished, StageFailure} from './events.ts';

export type PastState = 'run' | 'cached' | 'failed' | 'skipped';

/** A run that has ended. One that was killed is in no history. */
export interface PastRun {
  readonly id: string;
  /** Absolute path of the spec. */
  readonly file: string;
  /** The command line. */
  readonly command: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly outcome: RunFinished['outcome'];
  readonly savedMs: number;
  /** The run whose stages these are: another one where both found everything in the cache. */
  readonly stagesOf: string;
}

/** What became of a stage in a run. */
export interface PastStage {
  readonly stage: string;
  readonly state: PastState;
  /** Absent when it was not known: a stage below failed, or a program was missing. */
  readonly key?: string;
  /** How long it ran; 0 when it did not. */
  readonly durationMs: number;
  /** Milliseconds since the epoch; absent when it did not run. */
  readonly startedAt?: number;
  /** SHA-256 of its log; of a cached stage that of when it ran. */
  readonly log?: string;
  /** Why it failed (`StageFailure`). */
  readonly failure?: StageFailure['reason'];
}

/** The runs and what became of their stages, in the cache's database: what estimates and statistics are made from. */
export class RunHistory {
  readonly id = randomUUID();
  readonly #database: Database;
  readonly #file: string;
  readonly #command: string;
  readonly #planned: string[] = [];
  readonly #stages = new Map<string, PastStage>();
  readonly #saved = new Map<string, number>();
  readonly #finished = new Set<string>();
  #startedAt = Date.now();

  /** `file`: the spec, absolute or relative to the working folder. */
  constructor(database: Database, {file, command}: {readonly file: string; readonly command: string}) {
    this.#database = database;
    this.#file = resolve(file);
    this.#command = command;
  }

  /** How long the stages took, when they ran, that did not have to run now. */
  get savedMs(): number {
    let sum = 0;
    for (const [stage, savedMs] of this.#saved)
      if (this.#stages.get(stage)?.state === 'cached') sum += savedMs;
    return sum;
  }

  /** Takes every event of a run; writes with its last one. What becomes of a stage last is what counts. */
  note(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.#startedAt = event.time;
        break;
      case 'stage-planned':
        this.#planned.push(event.stage);
        break;
      case 'stage-started':
        this.#set({stage: event.stage, state: 'run', key: event.key, durationMs: 0, startedAt: event.time});
        break;
      case 'stage-cached': {
        // It ran, earlier in this run: what it gave is looked up once more when the graph is gone through again.
        if (this.#finished.has(event.stage)) break;
        const {stage, key, savedMs, log} = event;
        this.#saved.set(stage, savedMs);
        this.#set({stage, state: 'cached', key, durationMs: 0, ...(log === undefined ? {} : {log})});
        break;
      }
      case 'stage-finished':
      case 'stage-failed': {
        const {stage, durationMs, log} = event;
        const state = event.type === 'stage-finished' ? 'run' : 'failed';
        if (state === 'run') this.#finished.add(stage);
        this.#set({
          ...this.#begun(stage),
          stage,
          state,
          durationMs,
          ...(log === undefined ? {} : {log}),
          ...(event.type === 'stage-failed' ? {failure: event.failure.reason} : {}),
        });
        break;
      }
      case 'stage-skipped':
        this.#set({stage: event.stage, state: 'skipped', durationMs: 0});
        break;
      case 'run-finished':
        try {
          this.#write(event);
        } catch (error) {
          // Told already by the stage that found it so; a run without a row in the history is no failure of its own.
          if (!isNoSpace(error) && !isIoError(error)) throw error;
        }
        break;
      case 'stage-fetched':
      case 'stage-waiting':
      case 'stage-progress':
      case 'stage-log':
      case 'registration-started':
      case 'registration-progress':
      case 'registration-finished':
      case 'registration-failed':
      case 'content-corrupt':
      case 'warning':
        break;
    }
  }

  #set(stage: PastStage): void {
    this.#stages.set(stage.stage, stage);
  }

  /** Key and time of a stage that has started; one may fail without. */
  #begun(stage: string): Pick<PastStage, 'key' | 'startedAt'> {
    const before = this.#stages.get(stage);
    if (before?.startedAt === undefined || before.key === undefined) return {};
    return {key: before.key, startedAt: before.startedAt};
  }

  /**
   * One transaction. When everything was a hit, and was so in the last run of the same spec, the stages are those of
   * that run: a run in which nothing was done costs one row, however many stages it has.
   */
  #write({time, outcome, durationMs, savedMs}: RunFinished): void {
    const rows = [...this.#stages.values()];
    const digest = planDigest(this.#planned, this.#stages);
    const isNoOp = rows.every(({state}) => state === 'cached');
    this.#database
      .transaction(() => {
        const stagesOf = (isNoOp ? this.#lastWithSame(digest) : undefined) ?? this.id;
        this.#database
          .prepare(
            `INSERT INTO runs (id, file, command, pid, started_at, duration_ms, outcome, saved_ms, stages_of, plan_digest)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
          )
          .run(
            ...[
              this.id,
              this.#file,
              this.#command,
              process.pid,
              this.#startedAt,
              durationMs,
              outcome,
              savedMs,
            ],
            ...[stagesOf, digest],
          );
        if (stagesOf === this.id) this.#insertStages(rows);
        this.#touchActions(rows, time);
      })
      .immediate();
  }

  #lastWithSame(digest: string): string | undefined {
    const last = this.#database
      .prepare(
        'SELECT stages_of AS stagesOf, plan_digest AS digest FROM runs WHERE file = ? ORDER BY started_at DESC, rowid DESC LIMIT 1',
      )
      .get(this.#file) as {readonly stagesOf: string; readonly digest: string} | undefined;
    return last?.digest === digest ? last.stagesOf : undefined;
  }

  #insertStages(rows: readonly PastStage[]): void {
    const insert = this.#database.prepare(
      'INSERT INTO run_stages (run, stage, key, state, duration_ms, started_at, log, failure) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    for (const {stage, key, state, durationMs, startedAt, log, failure} of rows)
      insert.run(
        ...[this.id, stage, key ?? null, state, durationMs, startedAt ?? null, log ?? null, failure ?? null],
      );
  }

  /** Tells gc what is in use, to the hour: a run in which nothing was done need not write a thousand records. */
  #touchActions(rows: readonly PastStage[], now: number): void {
    const used = rows.flatMap(({state, key}) =>
      key !== undefined && (state === 'run' || state === 'cached') ? [key] : [],
    );
    this.#database
      .prepare(
        'UPDATE actions SET last_used_at = ? WHERE last_used_at < ? AND key IN (SELECT value FROM json_each(?))',
      )
      .run(now, now - useResolutionMs, JSON.stringify(used));
  }
}

const useResolutionMs = 3_600_000;

/** The same for two runs when each stage had the same key and the same fate. */
function planDigest(planned: readonly string[], stages: ReadonlyMap<string, PastStage>): string {
  const hash = createHash('sha256');
  for (const id of planned) {
    const stage = stages.get(id);
    hash.update(`${JSON.stringify([id, stage?.key ?? null, stage?.state ?? null])}\n`);
  }
  return hash.digest('hex');
}

const runColumns = `id, file, command, pid, started_at AS startedAt, duration_ms AS durationMs, outcome,
  saved_ms AS savedMs, stages_of AS stagesOf`;

/** The last runs, the newest first; of one spec where `file` names it. */
export function lastRuns(database: Database, file: string | undefined, limit: number): readonly PastRun[] {
  return database
    .prepare(
      `SELECT ${runColumns} FROM runs WHERE ? IS NULL OR file = ? ORDER BY started_at DESC, rowid DESC LIMIT ?`,
    )
    .all(...fileTwice(file), limit) as PastRun[];
}

/** A run by its id or the beginning of it. Throws `FgError` when there is none or more than one. */
export function resolveRun(database: Database, idOrPrefix: string): PastRun {
  const found = database
    .prepare(`SELECT ${runColumns} FROM runs WHERE substr(id, 1, ?) = ? ORDER BY started_at DESC LIMIT 10`)
    .all(idOrPrefix.length, idOrPrefix) as PastRun[];
  const [run, ...others] = found;
  if (run === undefined || idOrPrefix === '') {
    const known = lastRuns(database, undefined, 5).map(({id}) => id.slice(0, 8));
    throw new FgError('USAGE', `There is no run ${idOrPrefix}`, {
      hint:
        known.length === 0
          ? 'Nothing was run yet; a run that was killed is not kept'
          : `The last runs are ${known.join(', ')}; one that was killed is not kept`,
    });
  }
  if (others.length > 0) {
    throw new FgError('USAGE', `${idOrPrefix} begins the ids of several runs`, {
      hint: `They are ${found.map(({id}) => id).join(', ')}`,
    });
  }
  return run;
}

/** What became of the stages of a run, by stage id. */
export function stagesOfRun(database: Database, run: PastRun): readonly PastStage[] {
  const rows = database
    .prepare('SELECT stage, key, state, duration_ms, started_at, log FROM run_stages WHERE run = ?')
    .all(run.stagesOf) as StageRow[];
  return rows.map(pastStage);
}

/** What became of one stage of a run; undefined when the run had no such stage. */
export function stageOfRun(database: Database, run: PastRun, stage: string): PastStage | undefined {
  const row = database
    .prepare(
      'SELECT stage, key, state, duration_ms, started_at, log FROM run_stages WHERE run = ? AND stage = ?',
    )
    .get(run.stagesOf, stage) as StageRow | undefined;
  return row === undefined ? undefined : pastStage(row);
}

/**
 * The key that a stage had in the last run of a spec in which it had one, whatever became of it, and that run's id.
 * `before`: only runs that started earlier, in ms since the epoch.
 */
export function lastKeyOf(
  database: Database,
  {file, stage, before}: {readonly file: string; readonly stage: string; readonly before?: number},
): {readonly key: string; readonly run: string; readonly state: PastState} | undefined {
  return database
    .prepare(
      `SELECT s.key, s.run, s.state FROM run_stages s JOIN runs r ON r.id = s.run
       WHERE s.stage = ? AND s.key IS NOT NULL AND r.file = ? AND r.started_at < ?
       ORDER BY r.started_at DESC, r.rowid DESC LIMIT 1`,
    )
    .get(stage, resolve(file), before ?? Number.MAX_SAFE_INTEGER) as ReturnType<typeof lastKeyOf>;
}

interface StageRow {
  readonly stage: string;
  readonly key: string | null;
  readonly state: PastState;
  readonly duration_ms: number;
  readonly started_at: number | null;
  readonly log: string | null;
}

function pastStage(row: StageRow): PastStage {
  return {
    stage: row.stage,
    state: row.state,
    durationMs: row.duration_ms,
    ...(row.key === null ? {} : {key: row.key}),
    ...(row.started_at === null ? {} : {startedAt: row.started_at}),
    ...(row.log === null ? {} : {log: row.log}),
  };
}

function fileTwice(file: string | undefined): readonly [string | null, string | null] {
  const path = file === undefined ? null : resolve(file);
  return [path, path];
}

/** Tells a build since when stages that failed are not to be run again with the same key, in milliseconds. */
export const failedSinceVariable = 'FGIMAGE_FAILED_SINCE';

/**
 * Keys of stages that have failed since a time, by what they were made of: running them again with the same inputs gives the
 * same. What the host did to a stage is no such failure.
 */
export function keysFailedSince(database: Database, sinceMs: number): ReadonlySet<string> {
  const keys = database
    .prepare(
      `SELECT s.key FROM run_stages s JOIN runs r ON r.id = s.run
       WHERE s.state = 'failed' AND s.key IS NOT NULL AND r.started_at >= ?
       AND s.failure IN ('command-failed', 'timed-out', 'checks-failed', 'refused', 'failed-before')`,
    )
    .pluck()
    .all(sinceMs) as string[];
  return new Set(keys);
}
