import type {Store} from '../../../cache/store.ts';
import type {RunEvent, RunFinished} from '../../../src/run/events.ts';
import {type PastState, RunHistory} from '../../../src/run/history.ts';
import {at, digest} from '../ui/events.ts';

/** What becomes of a stage in a run of a test; a cached one saves `durationMs`. */
export interface StageFate {
  readonly stage: string;
  readonly state: PastState;
  readonly key?: string;
  readonly durationMs?: number;
  readonly log?: string;
}

/** A stage that ran for so long. */
export function ran(stage: string, durationMs: number): StageFate {
  return {stage, state: 'run', key: `key of ${stage}`, durationMs};
}

/** Enters a run into a store's history as a build does, and gives its id. */
export function noteRun(
  store: Store,
  run: {
    /** Seconds of the story. */
    readonly at: number;
    readonly stages: readonly StageFate[];
    readonly file?: string;
    readonly command?: string;
    readonly outcome?: RunFinished['outcome'];
    readonly durationMs?: number;
  },
): string {
  const {file = 'fgimage.yaml', command = 'fgimage build', outcome = 'done', durationMs = 1000} = run;
  const history = new RunHistory(store.database, {file, command});
  const time = at(run.at);
  history.note({type: 'run-started', time, version: 2, runId: history.id, file, command, images: []});
  for (const {stage} of run.stages)
    history.note({
      type: 'stage-planned',
      time,
      stage,
      kind: stage.split(':')[0] ?? '',
      title: stage,
      dependsOn: [],
    });
  for (const fate of run.stages) for (const event of eventsOf(fate, time)) history.note(event);
  const count = (state: PastState): number => run.stages.filter((fate) => fate.state === state).length;
  history.note({
    type: 'run-finished',
    time,
    outcome,
    durationMs,
    stages: {run: count('run'), cached: count('cached'), failed: count('failed'), skipped: count('skipped')},
    savedMs: history.savedMs,
    criticalPath: [],
    outputs: [],
  });
  return history.id;
}

function eventsOf({stage, state, key, durationMs = 0, log}: StageFate, time: number): readonly RunEvent[] {
  const kept = log === undefined ? {} : {log};
  const started: readonly RunEvent[] =
    key === undefined ? [] : [{type: 'stage-started', time, stage, key, logPath: '/live'}];
  switch (state) {
    case 'cached':
      return [
        {
          type: 'stage-cached',
          time,
          stage,
          key: key ?? '',
          digest: digest('d'),
          from: 'local',
          savedMs: durationMs,
          ...kept,
        },
      ];
    case 'run':
      return [
        ...started,
        {
          type: 'stage-finished',
          time,
          stage,
          digest: digest('d'),
          durationMs,
          log: log ?? digest('e'),
          unchanged: false,
        },
      ];
    case 'failed': {
      const failure = {reason: 'refused', message: 'no', hint: 'yes'} as const;
      return [...started, {type: 'stage-failed', time, stage, durationMs, failure, ...kept}];
    }
    case 'skipped':
      return [{type: 'stage-skipped', time, stage}];
  }
}
