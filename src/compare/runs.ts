import type {Reason} from '../plan/explain.ts';

/** What became of a stage in a run, and what it gave. */
export interface RunStage {
  readonly stage: string;
  readonly state: 'run' | 'cached' | 'failed' | 'skipped';
  readonly key?: string;
  readonly digest?: string;
  readonly durationMs: number;
}

/** A stage that two runs do not have alike. */
export interface RunStageChange {
  readonly stage: string;
  readonly change: 'added' | 'removed' | 'key' | 'result' | 'state';
  readonly a?: RunStage;
  readonly b?: RunStage;
  /** Why its key is another; only of `key`. */
  readonly reasons?: readonly Reason[];
}

export interface RunChanges {
  /** In the order of the second run; what only the first has comes last. */
  readonly stages: readonly RunStageChange[];
  readonly durationsMs: {readonly a: number; readonly b: number};
}

export interface RunFacts {
  readonly durationMs: number;
  readonly stages: readonly RunStage[];
}

/**
 * What is another in run `b` than in run `a`. `key`: the stage is made of something else. `result`: of the same, and it
 * gave something else. `state`: it gave the same, and ran in one run only.
 */
export function diffRuns(
  {a, b}: {readonly a: RunFacts; readonly b: RunFacts},
  reasonsOf: (stage: string, keys: {readonly a: string; readonly b: string}) => readonly Reason[],
): RunChanges {
  const before = new Map(a.stages.map((stage) => [stage.stage, stage]));
  const after = new Map(b.stages.map((stage) => [stage.stage, stage]));
  const names = [...new Set([...after.keys(), ...before.keys()])];
  return {
    durationsMs: {a: a.durationMs, b: b.durationMs},
    stages: names.flatMap((stage): readonly RunStageChange[] => {
      const [left, right] = [before.get(stage), after.get(stage)];
      if (left === undefined) return right === undefined ? [] : [{stage, change: 'added', b: right}];
      if (right === undefined) return [{stage, change: 'removed', a: left}];
      const both = {stage, a: left, b: right};
      if (left.key !== right.key) {
        const keys =
          left.key === undefined || right.key === undefined ? undefined : {a: left.key, b: right.key};
        return [{...both, change: 'key', reasons: keys === undefined ? [] : reasonsOf(stage, keys)}];
      }
      if (left.digest !== right.digest) return [{...both, change: 'result'}];
      return left.state === right.state ? [] : [{...both, change: 'state'}];
    }),
  };
}

/** Whether two runs came to the same: what ran and what was found in the cache may differ. */
export function isSameOutcome({stages}: RunChanges): boolean {
  return stages.every(({change}) => change === 'state');
}
