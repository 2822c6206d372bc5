import {writeSync} from 'node:fs';
import {type ExitCode, exitCode, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import type {RunEvent, RunFinished} from '../run/events.ts';
import {placeOf, readUnchanged, type Unchanged} from '../run/unchanged.ts';
import {cachedText, formatClosing, headline, readyPaths, told} from '../ui/closing.ts';
import {createStyle} from '../ui/style.ts';
import type {BuildOptions} from './build.ts';
import type {PlanOptions} from './plan.ts';
import type {SessionOptions} from './session.ts';

/** `fgimage build` where a look at the files says that nothing has changed; undefined: build. */
export async function quickBuild(options: BuildOptions): Promise<ExitCode | undefined> {
  if (options.replay) return undefined;
  const startedAt = Date.now();
  const known = lookUp(options);
  if (known === undefined) return undefined;
  const lines =
    options.mode === 'json' ? await eventLines(known, startedAt) : textLines(known, {options, startedAt});
  print(`${lines.join('\n')}\n`);
  return exitCode.done;
}

/** Straight to the descriptor: process.stdout takes longer to be made than all that was done here. */
function print(text: string): void {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch (error) {
    // Nobody reads it any more.
    if (isErrno(error, 'EPIPE')) return;
    // A pipe that is full, and that somebody has made not to wait.
    if (!isErrno(error, 'EAGAIN')) throw error;
    process.stdout.write(rest);
  }
}

/** The views' own lines for such a run; none of what else they can tell is loaded. */
function textLines(
  known: Unchanged,
  {options, startedAt}: {readonly options: BuildOptions; readonly startedAt: number},
): readonly string[] {
  const {mode, color, verbose} = options;
  if (mode === 'quiet') return readyPaths(known.outputs);
  const style = createStyle(mode === 'tty' && color);
  // Plain lines begin with it.
  const lock = mode === 'tty' ? known.lock : undefined;
  const closing = formatClosing(ending(known, startedAt), {style, verbose, lock});
  if (mode === 'tty') return closing;
  const stages = known.stages.map(({planned, cached}) =>
    told(planned.stage, cachedText({from: 'local', savedMs: cached.savedMs})),
  );
  return [headline(known), ...stages, ...closing];
}

async function eventLines(known: Unchanged, startedAt: number): Promise<readonly string[]> {
  const {randomUUID} = await import('node:crypto');
  const time = Date.now();
  const {file, images, stages, lock} = known;
  const command = ['fgimage', ...process.argv.slice(2)].join(' ');
  const events: readonly RunEvent[] = [
    {
      type: 'run-started',
      version: 2,
      time: startedAt,
      runId: randomUUID(),
      file,
      command,
      images,
      ...(lock === undefined ? {} : {lock}),
    },
    ...stages.map(
      ({planned}) =>
        ({type: 'stage-planned', time, kind: planned.stage.split(':')[0] ?? '', ...planned}) as const,
    ),
    ...stages.map(
      ({planned, cached}) =>
        ({type: 'stage-cached', time, stage: planned.stage, from: 'local', ...cached}) as const,
    ),
    ending(known, startedAt),
  ];
  return events.map((event, index) => JSON.stringify({seq: index + 1, ...event}));
}

function ending({stages, outputs}: Unchanged, startedAt: number): RunFinished {
  return {
    type: 'run-finished',
    time: Date.now(),
    outcome: 'done',
    durationMs: Date.now() - startedAt,
    stages: {run: 0, cached: stages.length, failed: 0, skipped: 0},
    savedMs: stages.reduce((sum, {cached}) => sum + cached.savedMs, 0),
    criticalPath: [],
    outputs,
  };
}

/** `fgimage plan` in the same case. */
export function quickPlan(options: PlanOptions): ExitCode | undefined {
  const known = lookUp(options);
  if (known === undefined) return undefined;
  print(options.json ? planJson(known) : planText(known, options.color));
  return exitCode.done;
}

function lookUp(options: SessionOptions): Unchanged | undefined {
  const isPlain = options.force.length === 0 && !options.refresh && options.cacheMode === undefined;
  return isPlain ? readUnchanged(placeOf(cacheFolder(options.cacheDir), options)) : undefined;
}

function planText({file, stages}: Unchanged, color: boolean): string {
  const {green} = createStyle(color);
  const lines = stages.map(({planned}) => `${green('hit')}  ${planned.stage}`);
  const all = stages.length === 1 ? '1 stage is' : `${String(stages.length)} stages are`;
  return [file, ...lines, `Nothing to do: all ${all} in the cache`, ''].join('\n');
}

function planJson({file, stages}: Unchanged): string {
  const told = stages.map(({planned, kind, cached}) => ({
    stage: planned.stage,
    kind,
    title: planned.title,
    ...(planned.image === undefined ? {} : {image: planned.image}),
    ...(planned.target === undefined ? {} : {target: planned.target}),
    depends_on: planned.dependsOn,
    state: 'hit',
    key: cached.key,
    digest: cached.digest,
    reasons: [],
    fetch: false,
  }));
  return `${JSON.stringify({version: 1, file, expected_ms: 0, stages: told}, undefined, 2)}\n`;
}
