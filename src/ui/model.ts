import type {RunEvent, RunFinished, StageFailed, StagePlanned, Warning} from '../run/events.ts';

export type StageState = 'planned' | 'waiting' | 'running' | 'done' | 'cached' | 'failed' | 'skipped';

/** What is known of one stage, the sum of its events so far. */
export interface StageView {
  readonly plan: StagePlanned;
  readonly state: StageState;
  /** When it began to run or to wait for another process. */
  readonly since?: number;
  readonly durationMs?: number;
  /** What it is doing, or what it waits for. */
  readonly message?: string;
  readonly fraction?: number | undefined;
  readonly lastLine?: string;
  readonly savedMs?: number;
  readonly failure?: StageFailed;
  readonly because?: string;
}

/** The run as the views see it. Owns no output and decides nothing; `apply` is its only way to change. */
export class RunModel {
  readonly #stages = new Map<string, StageView>();
  readonly warnings: Warning[] = [];
  startedAt: number | undefined;
  finished: RunFinished | undefined;

  /** Every planned stage, in the order of the plan. */
  get stages(): readonly StageView[] {
    return [...this.#stages.values()];
  }

  stage(id: string): StageView | undefined {
    return this.#stages.get(id);
  }

  count(...states: readonly StageState[]): number {
    let count = 0;
    for (const {state} of this.#stages.values()) if (states.includes(state)) count++;
    return count;
  }

  get savedMs(): number {
    let sum = 0;
    for (const {savedMs} of this.#stages.values()) sum += savedMs ?? 0;
    return sum;
  }

  apply(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.startedAt = event.time;
        break;
      case 'stage-planned':
        this.#stages.set(event.stage, {plan: event, state: 'planned'});
        break;
      case 'stage-cached':
        this.#change(event.stage, {state: 'cached', savedMs: event.savedMs});
        break;
      case 'stage-waiting':
        this.#change(event.stage, {
          state: 'waiting',
          since: event.time,
          message: waitingMessage(event.owner),
        });
        break;
      case 'stage-started':
        this.#change(event.stage, {state: 'running', since: event.time, message: ''});
        break;
      case 'stage-progress':
        /* Without a fraction the one before ends: `Downloading 90 %` must not become `Unpacking 90 %`. */
        this.#change(event.stage, {message: event.message, fraction: event.fraction});
        break;
      case 'stage-log':
        this.#change(event.stage, {lastLine: event.line});
        break;
      case 'stage-finished':
        this.#change(event.stage, {state: 'done', durationMs: event.durationMs});
        break;
      case 'stage-failed':
        this.#change(event.stage, {state: 'failed', durationMs: event.durationMs, failure: event});
        break;
      case 'stage-skipped':
        this.#change(event.stage, {
          state: 'skipped',
          ...(event.because === undefined ? {} : {because: event.because}),
        });
        break;
      case 'warning':
        this.warnings.push(event);
        break;
      case 'run-finished':
        this.finished = event;
        break;
    }
  }

  /** A stage that was never planned is a defect of the runner; a view shows what it can and goes on. */
  #change(stage: string, change: Partial<StageView>): void {
    const before = this.#stages.get(stage);
    if (before !== undefined) this.#stages.set(stage, {...before, ...change});
  }
}

export function waitingMessage(owner: {readonly pid: number; readonly host: string}): string {
  return `waiting for process ${owner.pid} on ${owner.host}, which runs the same`;
}
