import type {
  ContentCorrupt,
  RunEvent,
  RunFinished,
  StageCached,
  StageFailed,
  StageFinished,
  StagePlanned,
  StageWaiting,
  Warning,
} from '../run/events.ts';
import type {
  RegistrationFailed,
  RegistrationFinished,
  RegistrationStarted,
} from '../run/registration-events.ts';

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
  readonly cached?: StageCached;
  readonly finished?: StageFinished;
  readonly failure?: StageFailed;
  readonly because?: string;
  /** Of a registration, which is shown like a stage. */
  readonly registered?: RegistrationFinished;
}

/** The run as the views see it. Owns no output and decides nothing; `apply` is its only way to change. */
export class RunModel {
  readonly #stages = new Map<string, StageView>();
  readonly warnings: Warning[] = [];
  startedAt: number | undefined;
  /** The lock that the run follows. */
  lock: string | undefined;
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

  apply(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.startedAt = event.time;
        this.lock = event.lock;
        break;
      case 'stage-planned':
        this.#stages.set(event.stage, {plan: event, state: 'planned'});
        break;
      case 'stage-cached':
        // What ran stays so when it is looked up once more.
        if (this.stage(event.stage)?.state !== 'done')
          this.#enter(event.stage, {state: 'cached', cached: event});
        break;
      case 'stage-waiting':
        this.#enter(event.stage, {
          state: 'waiting',
          since: event.time,
          message: waitingMessage(event.owner),
        });
        break;
      case 'stage-started':
        this.#enter(event.stage, {state: 'running', since: event.time});
        break;
      case 'stage-progress':
        /* Without a fraction the one before ends: `Downloading 90 %` must not become `Unpacking 90 %`. */
        this.#change(event.stage, {message: event.message, fraction: event.fraction});
        break;
      case 'stage-log':
        this.#change(event.stage, {lastLine: event.line});
        break;
      case 'stage-finished':
        this.#enter(event.stage, {state: 'done', durationMs: event.durationMs, finished: event});
        break;
      case 'stage-failed':
        this.#enter(event.stage, {state: 'failed', durationMs: event.durationMs, failure: event});
        break;
      case 'stage-skipped':
        this.#enter(event.stage, {
          state: 'skipped',
          ...(event.because === undefined ? {} : {because: event.because}),
        });
        break;
      case 'registration-started':
        this.#stages.set(event.registration, {
          plan: plannedRegistration(event),
          state: 'running',
          since: event.time,
        });
        break;
      case 'registration-progress':
        this.#change(event.registration, {message: event.message, fraction: event.fraction});
        break;
      case 'registration-finished':
        this.#enter(event.registration, {
          state: event.did === 'kept' ? 'cached' : 'done',
          durationMs: event.durationMs,
          registered: event,
        });
        break;
      case 'registration-failed':
        this.#enter(event.registration, {
          state: 'failed',
          durationMs: event.durationMs,
          failure: failedRegistration(event),
        });
        break;
      case 'content-corrupt':
        this.warnings.push(corruptWarning(event));
        break;
      case 'warning':
        this.warnings.push(event);
        break;
      case 'stage-fetched':
        break;
      case 'run-finished':
        this.finished = event;
        break;
    }
  }

  /** What was known of the state before is over: a cached stage may have to run after all. */
  #enter(stage: string, view: Omit<StageView, 'plan'>): void {
    const before = this.#stages.get(stage);
    if (before !== undefined) this.#stages.set(stage, {plan: before.plan, ...view});
  }

  /** A stage that was never planned is a defect of the runner; a view shows what it can and goes on. */
  #change(stage: string, change: Partial<StageView>): void {
    const before = this.#stages.get(stage);
    if (before !== undefined) this.#stages.set(stage, {...before, ...change});
  }
}

export function waitingMessage({pid, host, command, since}: StageWaiting['owner']): string {
  const time = new Date(since).toISOString().slice(11, 19);
  return `waiting for process ${pid} on ${host}, which runs the same since ${time} UTC: ${command}`;
}

function plannedRegistration({time, registration, image, target}: RegistrationStarted): StagePlanned {
  const title = `register ${image} for ${target}`;
  return {
    type: 'stage-planned',
    time,
    stage: registration,
    kind: 'register',
    title,
    image,
    target,
    dependsOn: [],
  };
}

/** In the words of a stage: what a person reads is the same. */
function failedRegistration({
  time,
  registration,
  message,
  hint,
  durationMs,
}: RegistrationFailed): StageFailed {
  const failure = {reason: 'refused', message, hint: hint ?? 'Run it again with --verbose'} as const;
  return {type: 'stage-failed', time, stage: registration, durationMs, failure};
}

/** Content that was damaged, in the words of a warning. */
export function corruptWarning({time, stage, digest, problem, place}: ContentCorrupt): Warning {
  return {
    type: 'warning',
    time,
    stage,
    message: `its content ${digest.slice(0, 12)} was damaged and does not count any more: ${problem}`,
    hint: `It was set aside as ${place}; look at the disk and the memory of this machine`,
  };
}
