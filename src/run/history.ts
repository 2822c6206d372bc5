import {randomUUID} from 'node:crypto';
import type {Database} from 'better-sqlite3';
import {isNoSpace} from '../errors.ts';
import type {RunEvent} from './events.ts';

/** The runs and what became of their stages, in the cache's database: what estimates and statistics are made from. */
export class RunHistory {
  readonly id = randomUUID();
  readonly #database: Database;
  readonly #rows: {
    stage: string;
    key: string | null;
    state: string;
    durationMs: number;
    logPath: string | null;
  }[] = [];
  readonly #started = new Map<string, {key: string; logPath: string}>();
  readonly #file: string;
  #startedAt = Date.now();

  constructor(database: Database, file: string) {
    this.#database = database;
    this.#file = file;
  }

  note(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.#startedAt = event.time;
        break;
      case 'stage-started':
        this.#started.set(event.stage, {key: event.key, logPath: event.logPath});
        break;
      case 'stage-cached':
        this.#rows.push({stage: event.stage, key: event.key, state: 'cached', durationMs: 0, logPath: null});
        break;
      case 'stage-finished':
      case 'stage-failed': {
        const started = this.#started.get(event.stage);
        const state = event.type === 'stage-finished' ? 'run' : 'failed';
        this.#rows.push({
          stage: event.stage,
          key: started?.key ?? null,
          state,
          durationMs: event.durationMs,
          logPath: started?.logPath ?? null,
        });
        break;
      }
      case 'stage-skipped':
        this.#rows.push({stage: event.stage, key: null, state: 'skipped', durationMs: 0, logPath: null});
        break;
      case 'run-finished':
        try {
          this.#write(event.outcome, event.durationMs);
        } catch (error) {
          // Told already by the stage that found no room; a run without a row in the history is no failure of its own.
          if (!isNoSpace(error)) throw error;
        }
        break;
      case 'stage-planned':
      case 'stage-waiting':
      case 'stage-progress':
      case 'stage-log':
      case 'warning':
        break;
    }
  }

  /** One transaction at the end: a run in which nothing was done costs one write. */
  #write(outcome: string, durationMs: number): void {
    const run = this.#database.prepare(
      'INSERT INTO runs (id, file, pid, started_at, duration_ms, outcome) VALUES (?, ?, ?, ?, ?, ?)',
    );
    const stage = this.#database.prepare(
      'INSERT OR REPLACE INTO run_stages (run, stage, key, state, duration_ms, log_path) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#database
      .transaction(() => {
        run.run(this.id, this.#file, process.pid, this.#startedAt, durationMs, outcome);
        for (const row of this.#rows)
          stage.run(this.id, row.stage, row.key, row.state, row.durationMs, row.logPath);
      })
      .immediate();
  }
}
