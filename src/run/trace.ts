import {mkdirSync, readdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {isErrno, isNoSpace} from '../errors.ts';
import type {RunEvent} from './events.ts';

/**
 * The timeline of a run in the trace event format that Perfetto and chrome://tracing open ("Trace Event Format",
 * JSON object form): one lane for each stage that runs at the same time as others, times in microseconds since the
 * start of the run.
 */
export class TraceRecorder {
  readonly #events: RunEvent[] = [];

  /** What has been recorded: all but progress and logs, which can be as long as they like. */
  get events(): readonly RunEvent[] {
    return this.#events;
  }

  handle(event: RunEvent): void {
    if (event.type !== 'stage-progress' && event.type !== 'stage-log') this.#events.push(event);
  }

  /**
   * Writes the trace into a folder, whole or not at all, and removes all but the last ones there. Gives its path;
   * undefined when nothing ran, or the disk does not take it: no build is to fail for that.
   */
  write(folder: string): string | undefined {
    const run = this.#events.find((event) => event.type === 'run-started');
    if (
      run === undefined ||
      !this.#events.some(({type}) => type === 'stage-started' || type === 'stage-fetched')
    )
      return undefined;
    const started = new Date(run.time).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const name = `${started}-${run.runId.slice(0, 8)}.json`;
    const fresh = join(folder, `.${name}`);
    try {
      mkdirSync(folder, {recursive: true});
      writeFileSync(fresh, `${JSON.stringify(traceOf(this.#events))}\n`);
      renameSync(fresh, join(folder, name));
      removeOld(folder);
      return join(folder, name);
    } catch (error) {
      if (!isNoSpace(error) && !isErrno(error, ...diskErrors)) throw error;
      return undefined;
    }
  }
}

const keptTraces = 20;
const diskErrors = ['EIO', 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST'];

/** Names begin with the time of the run; one with a dot in front is what a killed process left. */
function removeOld(folder: string): void {
  const age = (name: string): string => name.replace(/^\./, '');
  const names = readdirSync(folder).sort((a, b) => (age(a) < age(b) ? 1 : -1));
  for (const name of names.slice(keptTraces)) rmSync(join(folder, name), {force: true});
}

/** An entry of `traceEvents`: metadata, a slice with its length, or an instant. */
export type TraceEvent =
  | {readonly ph: 'M'; readonly name: string; readonly pid: 1; readonly tid: number; readonly args: Args}
  | (Placed & {readonly ph: 'X'; readonly dur: number})
  | (Placed & {readonly ph: 'i'; readonly s: 't' | 'p'});

interface Placed {
  readonly name: string;
  readonly cat: string;
  readonly pid: 1;
  readonly tid: number;
  readonly ts: number;
  readonly args: Args;
}

type Args = Readonly<Record<string, unknown>>;

/** The trace of a run's events, as `JSON.stringify` takes it. */
export function traceOf(events: readonly RunEvent[]): {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: Args;
} {
  const run = events.find((event) => event.type === 'run-started');
  const start = run?.time ?? events[0]?.time ?? 0;
  const micros = (time: number): number => Math.max(0, Math.round((time - start) * 1000));
  const lanes = laneOf(slicesOf(events));
  const count = Math.max(0, ...lanes.map(({lane}) => lane));
  const names = ['cache', ...Array.from({length: count}, (_, index) => `lane ${String(index + 1)}`)];
  return {
    traceEvents: [
      metadata('process_name', 0, run?.command ?? 'fgimage'),
      ...names.flatMap((name, tid) => [metadata('thread_name', tid, name)]),
      ...lanes.map(
        ({slice, lane}): TraceEvent => ({
          ph: 'X',
          name: slice.name,
          cat: slice.category,
          pid: 1,
          tid: lane,
          ts: micros(slice.from),
          dur: micros(slice.to) - micros(slice.from),
          args: slice.args,
        }),
      ),
      ...events.flatMap((event) => instant(event, micros)),
    ],
    displayTimeUnit: 'ms',
    otherData: run === undefined ? {} : {run: run.runId, file: run.file, command: run.command},
  };
}

function metadata(name: string, tid: number, value: string): TraceEvent {
  return {ph: 'M', name, pid: 1, tid, args: {name: value}};
}

/** What took no time: stages that were found in the cache, in a lane of their own, and warnings. */
function instant(event: RunEvent, micros: (time: number) => number): readonly TraceEvent[] {
  const at = {ph: 'i', pid: 1, tid: 0, ts: micros(event.time)} as const;
  switch (event.type) {
    case 'stage-cached': {
      const {stage, key, digest, from, log} = event;
      return [{...at, name: stage, cat: 'cached', s: 't', args: {state: 'cached', key, digest, from, log}}];
    }
    case 'content-corrupt': {
      const {stage, digest, problem, place} = event;
      return [{...at, name: `corrupt: ${stage}`, cat: 'warning', s: 'p', args: {digest, problem, place}}];
    }
    case 'warning': {
      const {stage, message, hint} = event;
      return [{...at, name: message, cat: 'warning', s: 'p', args: {stage, hint}}];
    }
    case 'run-started':
    case 'run-finished':
    case 'stage-planned':
    case 'stage-fetched':
    case 'stage-waiting':
    case 'stage-started':
    case 'stage-progress':
    case 'stage-log':
    case 'stage-finished':
    case 'stage-failed':
    case 'registration-started':
    case 'registration-progress':
    case 'registration-finished':
    case 'registration-failed':
    case 'stage-skipped':
      return [];
  }
}

interface Slice {
  readonly name: string;
  readonly category: 'stage' | 'wait' | 'fetch';
  readonly from: number;
  readonly to: number;
  readonly args: Args;
}

/** Everything that took time. What had no end by the last event, the run's cancellation for example, ends there. */
function slicesOf(events: readonly RunEvent[]): readonly Slice[] {
  const slices: Slice[] = [];
  const open = new Map<string, Omit<Slice, 'to'>>();
  const close = (stage: string, to: number, args: Args): void => {
    const begun = open.get(stage);
    if (begun === undefined) return;
    open.delete(stage);
    slices.push({...begun, to, args: {...begun.args, ...args}});
  };
  for (const event of events) {
    switch (event.type) {
      case 'stage-waiting':
        close(event.stage, event.time, {state: 'ended'});
        open.set(event.stage, {
          name: event.stage,
          category: 'wait',
          from: event.time,
          args: {owner: event.owner},
        });
        break;
      case 'stage-started': {
        const {stage, time, key, reasons} = event;
        close(stage, time, {state: 'ended'});
        open.set(stage, {name: stage, category: 'stage', from: time, args: {key, reasons}});
        break;
      }
      case 'stage-cached':
        close(event.stage, event.time, {
          state: 'cached',
          key: event.key,
          digest: event.digest,
          log: event.log,
        });
        break;
      case 'stage-finished': {
        const {digest, log, unchanged} = event;
        close(event.stage, event.time, {state: 'run', digest, log, unchanged});
        break;
      }
      case 'stage-failed':
        close(event.stage, event.time, {state: 'failed', reason: event.failure.reason, log: event.log});
        break;
      case 'stage-skipped':
        close(event.stage, event.time, {state: 'cancelled'});
        break;
      case 'registration-started': {
        const {registration: name, time: from, digest} = event;
        open.set(name, {name, category: 'stage', from, args: {digest}});
        break;
      }
      case 'registration-finished':
        close(event.registration, event.time, {state: event.did, id: event.id, endpoint: event.endpoint});
        break;
      case 'registration-failed':
        close(event.registration, event.time, {state: 'failed', reason: event.code});
        break;
      case 'stage-fetched': {
        const {stage: name, time, durationMs, from, sizeBytes} = event;
        slices.push({name, category: 'fetch', from: time - durationMs, to: time, args: {from, sizeBytes}});
        break;
      }
      case 'run-started':
      case 'run-finished':
      case 'stage-planned':
      case 'stage-progress':
      case 'stage-log':
      case 'registration-progress':
      case 'content-corrupt':
      case 'warning':
        break;
    }
  }
  const end = events.at(-1)?.time ?? 0;
  for (const stage of [...open.keys()]) close(stage, end, {state: 'cancelled'});
  return slices;
}

/** Each slice in the lowest lane, from 1, that is free when it begins: as many lanes as ran side by side. */
function laneOf(slices: readonly Slice[]): readonly {readonly slice: Slice; readonly lane: number}[] {
  const freeAt: number[] = [];
  return slices
    .toSorted((a, b) => a.from - b.from || a.to - b.to)
    .map((slice) => {
      const free = freeAt.findIndex((time) => time <= slice.from);
      const index = free === -1 ? freeAt.length : free;
      freeAt[index] = slice.to;
      return {slice, lane: index + 1};
    });
}
