import {existsSync, readFileSync, statSync} from 'node:fs';
import {resolve} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {
  lastRuns,
  type PastRun,
  type PastStage,
  type PastState,
  resolveRun,
  stageOfRun,
  stagesOfRun,
} from '../run/history.ts';
import {stageByName} from '../run/stage-name.ts';
import {formatDuration, formatSize, formatTime, printable, printableLines} from '../ui/format.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import {readStore} from './read-store.ts';

export interface LogsOptions {
  /** A stage's id or a part of it; absent: the stages of the run are listed. */
  readonly stage?: string | undefined;
  /** Id of a run, or the beginning of it; absent: the last run of the spec. */
  readonly run?: string | undefined;
  readonly file: string;
  readonly cacheDir?: string | undefined;
  /** Absent: standard output. On a terminal what programs printed is made printable; elsewhere it is what it was. */
  readonly stream?: LogStream;
}

export interface LogStream {
  write(text: string | Uint8Array): unknown;
  readonly isTTY?: boolean;
}

/** `fgimage logs`: what a stage printed in its last run, or which stages have a log. */
export function runLogs(options: LogsOptions): ExitCode {
  const {stage, stream = process.stdout} = options;
  const store = readStore(options.cacheDir);
  try {
    if (stage === undefined) stream.write(listing(store, options));
    else stream.write(logOf(store, options, stage));
    return exitCode.done;
  } finally {
    store.close();
  }
}

function logOf(store: Store, options: LogsOptions, name: string): string | Uint8Array {
  const {run, stage} = findStage(store, options, name);
  const log = stage.log ?? recordedLog(store, stage);
  const path = log === undefined ? undefined : store.logPath(log);
  if (path === undefined || !existsSync(path)) throw goneLog(store, {run, stage, path});
  const text = readFileSync(path);
  return options.stream?.isTTY === true || (options.stream === undefined && process.stdout.isTTY)
    ? printableLines(text.toString('utf8')).join('\n')
    : text;
}

/** The stage in the run that was asked for, else in the last run of the spec that came to it. */
function findStage(
  store: Store,
  options: LogsOptions,
  name: string,
): {readonly run: PastRun; readonly stage: PastStage} {
  const {database} = store;
  if (options.run !== undefined) {
    const run = resolveRun(database, options.run);
    const known = stagesOfRun(database, run);
    const id = stageByName(
      name,
      known.map(({stage}) => stage),
    );
    const stage = known.find((one) => one.stage === id);
    if (stage !== undefined) return {run, stage};
  }
  const runs = lastRuns(database, options.file, lookedAtRuns);
  if (runs.length === 0) throw noRun(options.file);
  const known = new Set(
    [...new Map(runs.map((run) => [run.stagesOf, run])).values()].flatMap((run) =>
      stagesOfRun(database, run).map(({stage}) => stage),
    ),
  );
  const id = stageByName(name, [...known]);
  const found = runs.flatMap((run) => {
    const stage = stageOfRun(database, run, id);
    return stage === undefined ? [] : [{run, stage}];
  });
  const best = found.find(({stage}) => stage.state !== 'skipped') ?? found[0];
  if (best === undefined) throw noRun(options.file);
  return best;
}

/** How far back a stage is looked for. */
const lookedAtRuns = 100;

function recordedLog(store: Store, {key}: PastStage): string | undefined {
  const found = key === undefined ? undefined : store.find(key);
  return found?.state === 'known' ? found.action.log : undefined;
}

function goneLog(
  store: Store,
  {run, stage, path}: {run: PastRun; stage: PastStage; path: string | undefined},
): FgError {
  const name = printable(stage.stage);
  if (stage.state === 'skipped') {
    return new FgError('USAGE', `${name} has no log: it was not run in run ${run.id.slice(0, 8)}`, {
      hint: 'A stage below it failed, or the run was cancelled: "fgimage logs" lists what became of each',
    });
  }
  const again = `"fgimage build --force ${name}" runs it again`;
  if (path === undefined) {
    const why =
      stage.state === 'failed'
        ? 'it failed before it began'
        : 'nothing was kept with its result, which another machine may have made';
    return new FgError('USAGE', `${name} has no log: ${why}`, {hint: again});
  }
  const found = stage.key === undefined ? undefined : store.find(stage.key);
  const evicted = found?.state === 'known' ? found.evicted : undefined;
  const why =
    evicted === undefined
      ? `${path} is not there`
      : `its content left the cache on ${formatTime(evicted.at)} (${evicted.why})`;
  return new FgError('USAGE', `The log of ${name} is gone: ${why}`, {hint: again});
}

function noRun(file: string): FgError {
  return new FgError('USAGE', `There is no run of ${resolve(file)} in the cache`, {
    hint: 'Name its spec with -f and its cache with --cache-dir, or build it: "fgimage build"',
  });
}

function listing(store: Store, options: LogsOptions): string {
  const {database} = store;
  const run =
    options.run === undefined ? lastRuns(database, options.file, 1)[0] : resolveRun(database, options.run);
  if (run === undefined) throw noRun(options.file);
  const stages = stagesOfRun(database, run).toSorted((a, b) => rank(a) - rank(b));
  const rows = stages.map((stage): readonly Cell[] => [
    {text: printable(stage.stage)},
    {text: stateWords[stage.state]},
    {text: stage.startedAt === undefined ? '-' : formatDuration(stage.durationMs), align: 'right'},
    {text: logSize(store, stage), align: 'right'},
  ]);
  const head: readonly Cell[] = [
    {text: 'stage'},
    {text: 'state'},
    {text: 'time', align: 'right'},
    {text: 'log', align: 'right'},
  ];
  const what = `run ${run.id.slice(0, 8)} of ${formatTime(run.startedAt)}`;
  const title = `${what}: ${printable(run.command)}, ${run.outcome} in ${formatDuration(run.durationMs)}`;
  return `${[title, '', ...formatTable([head, ...rows])].join('\n')}\n`;
}

const stateWords: Readonly<Record<PastState, string>> = {
  run: 'run',
  cached: 'cached',
  failed: 'failed',
  skipped: 'not run',
};

/** The order in which stages of each kind come (docs/architecture.md). */
const kinds = ['archive', 'base', 'customize', 'initramfs', 'adapt', 'pack', 'sbom', 'test', 'vet'];

function rank({stage}: PastStage): number {
  return kinds.indexOf(stage.split(':')[0] ?? '');
}

function logSize(store: Store, stage: PastStage): string {
  const log = stage.log ?? recordedLog(store, stage);
  if (log === undefined) return '-';
  const stat = statSync(store.logPath(log), {throwIfNoEntry: false});
  return stat === undefined ? 'gone' : formatSize(stat.size);
}
