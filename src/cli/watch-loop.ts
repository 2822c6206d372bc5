import {type ExitCode, exitCode} from '../errors.ts';
import type {FileChange, WatchedInputs, Watcher} from './watch-files.ts';

/** What a build would read and run. */
export interface WatchPlan {
  readonly inputs: WatchedInputs;
  /** Ids of the stages that would run as far as that is known, and how many depend on one that runs. */
  readonly running: readonly string[];
  readonly blocked: number;
}

/** What the loop is doing, for people. */
export type WatchNote =
  | {readonly type: 'changed'; readonly changes: readonly FileChange[]}
  /** A change while a build ran. */
  | {readonly type: 'stopping'; readonly changes: readonly FileChange[]}
  | {readonly type: 'building'; readonly plan: WatchPlan}
  | {readonly type: 'waiting'; readonly plan: WatchPlan; readonly code: ExitCode};

export interface WatchLoop {
  /** Reads the spec and plans. A spec with mistakes has inputs too: those whose change may mend it. */
  readonly plan: () => Promise<WatchPlan>;
  /** Builds; ends soon after the signal. */
  readonly build: (signal: AbortSignal) => Promise<ExitCode>;
  readonly changes: Watcher;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  readonly tell: (note: WatchNote) => void;
}

/**
 * Builds, and builds again after each change of what the build reads. A change while a build runs ends that build, and
 * the next begins when it has ended: two never run at once. Ends by the signal, after the build has.
 */
export async function watchLoop({plan, build, changes, signal, tell}: WatchLoop): Promise<ExitCode> {
  const ended = (): boolean => signal.aborted;
  let planned = await plan();
  while (!ended()) {
    // Watched before the build reads: what is edited from here on is seen.
    changes.watch(planned.inputs);
    tell({type: 'building', plan: planned});
    using listening = abortable(signal);
    using stop = abortable(signal);
    const next = changes.next(listening.signal);
    const building = build(stop.signal);
    const first = await Promise.race([
      building.then((code) => ({code})),
      next.then((list) => ({code: undefined, list})),
    ]);
    if (first.code === undefined) {
      if (!ended()) tell({type: 'stopping', changes: first.list});
      stop.abort();
      await building;
    } else {
      const before = planned.inputs;
      planned = await plan();
      // The spec was edited after it was planned: nobody has watched what it names since then.
      if (!sameInputs(before, planned.inputs)) continue;
      if (!ended()) tell({type: 'waiting', plan: planned, code: first.code});
      const list = await next;
      if (!ended()) tell({type: 'changed', changes: list});
    }
    if (!ended()) planned = await plan();
  }
  return exitCode.cancelled;
}

/** A signal of its own that follows another one until the end of its scope, when it is aborted. */
function abortable(signal: AbortSignal): {
  signal: AbortSignal;
  abort: () => void;
  [Symbol.dispose]: () => void;
} {
  const controller = new AbortController();
  const follow = (): void => controller.abort(signal.reason);
  if (signal.aborted) follow();
  signal.addEventListener('abort', follow, {once: true});
  return {
    signal: controller.signal,
    abort: () => controller.abort(),
    [Symbol.dispose]: () => {
      signal.removeEventListener('abort', follow);
      controller.abort();
    },
  };
}

function sameInputs(one: WatchedInputs, other: WatchedInputs): boolean {
  return sameList(one.files, other.files) && sameList(one.folders, other.folders);
}

function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((path, index) => path === other[index]);
}
