import type {PathStep, RunEvent} from './events.ts';

/**
 * The chain of stages that determined how long a run took, in order: from the stage that ended last, always back to
 * the one that it had to wait for longest. A cached stage takes no time and is passed through, unless its content had
 * to be fetched or it was waited for. Time that a stage waited for a free place is in no step. Empty when nothing ran.
 */
export function criticalPath(events: Iterable<RunEvent>): readonly PathStep[] {
  const work = workOf(events);
  const path: PathStep[] = [];
  const seen = new Set<string>();
  let next = lastOf([...work.keys()], work);
  while (next !== undefined && !seen.has(next)) {
    seen.add(next);
    const {from, to = 0, dependsOn} = work.get(next) ?? {dependsOn: []};
    if (from !== undefined) path.push({stage: next, durationMs: to - from});
    next = lastOf(dependsOn, work);
  }
  return path.reverse();
}

interface Work {
  readonly dependsOn: readonly string[];
  /** When it began to wait, to be fetched or to run; absent when it did nothing. */
  readonly from?: number;
  /** When what it gives was there; absent when it never was, and before it is. */
  readonly to?: number;
}

function workOf(events: Iterable<RunEvent>): ReadonlyMap<string, Work> {
  const work = new Map<string, Work>();
  const change = (stage: string, change: Partial<Work>): void => {
    work.set(stage, {...(work.get(stage) ?? {dependsOn: []}), ...change});
  };
  for (const event of events) {
    switch (event.type) {
      case 'stage-planned':
        change(event.stage, {dependsOn: event.dependsOn});
        break;
      case 'stage-waiting':
      case 'stage-started': {
        // One that waited for another process and then ran was waited for all that time.
        const {dependsOn = [], from, to} = work.get(event.stage) ?? {};
        work.set(event.stage, {
          dependsOn,
          from: from !== undefined && to === undefined ? from : event.time,
        });
        break;
      }
      case 'stage-fetched':
        change(event.stage, {from: event.time - event.durationMs, to: event.time});
        break;
      case 'stage-cached': {
        // Known without doing anything, or taken over from a process that was waited for. What has ended stays so.
        if (work.get(event.stage)?.to === undefined) change(event.stage, {to: event.time});
        break;
      }
      case 'stage-finished':
      case 'stage-failed':
        change(event.stage, {to: event.time});
        break;
      case 'stage-skipped':
        work.delete(event.stage);
        break;
      case 'run-started':
      case 'stage-progress':
      case 'stage-log':
      case 'registration-started':
      case 'registration-progress':
      case 'registration-finished':
      case 'registration-failed':
      case 'content-corrupt':
      case 'warning':
      case 'run-finished':
        break;
    }
  }
  return work;
}

/** The stage whose end came last; among equals one that did something, since the others waited for nothing. */
function lastOf(stages: readonly string[], work: ReadonlyMap<string, Work>): string | undefined {
  let last: string | undefined;
  for (const stage of stages) {
    const {from, to} = work.get(stage) ?? {};
    if (to === undefined) continue;
    const before = last === undefined ? undefined : work.get(last);
    const [end, start] = [before?.to ?? Number.NEGATIVE_INFINITY, before?.from];
    if (to > end || (to === end && from !== undefined && start === undefined)) last = stage;
  }
  return last;
}
