import {type ExitCode, exitCode} from '../errors.ts';
import type {PastRun} from '../run/history.ts';
import {
  type ImageStatistics,
  type StageCounts,
  type StageTimes,
  type Statistics,
  statistics,
} from '../run/statistics.ts';
import {formatCount, formatDuration, formatPercent, formatTime, printable} from '../ui/format.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import {readStore} from './read-store.ts';

export interface StatsOptions {
  /** Only runs of this spec; absent: of all. */
  readonly file?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly json: boolean;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/** `fgimage stats`: what the runs of this cache add up to. */
export function runStats({file, cacheDir, json, stream = process.stdout}: StatsOptions): ExitCode {
  const store = readStore(cacheDir);
  try {
    const numbers = statistics(store.database, file);
    stream.write(
      json ? `${JSON.stringify(numbers, undefined, 2)}\n` : `${statisticsText(numbers).join('\n')}\n`,
    );
    return exitCode.done;
  } finally {
    store.close();
  }
}

function statisticsText({runs, since, stages, spentMs, savedMs, ...lists}: Statistics): readonly string[] {
  if (since === undefined) return ['Nothing was run yet'];
  const count = runs.done + runs.failed + runs.cancelled;
  const outcomes = [
    `${runs.done} done`,
    ...(runs.failed > 0 ? [`${runs.failed} failed`] : []),
    ...(runs.cancelled > 0 ? [`${runs.cancelled} cancelled`] : []),
  ];
  return [
    `${formatCount(count, 'run')} since ${formatTime(since)}: ${outcomes.join(', ')}`,
    `stages: ${countsText(stages)}`,
    `time: ${formatDuration(spentMs)} spent, ${formatDuration(savedMs)} saved`,
    ...timesTable('slowest stages', lists.slowest),
    ...timesTable('most often run', lists.mostRun),
    ...imagesTable(lists.images),
    ...runsTable(lists.lastRuns),
  ];
}

/** The hit rate is that of the stages that came to be looked up. */
function countsText({run, cached, failed, skipped}: StageCounts): string {
  const reached = run + cached + failed;
  return [
    `${cached} of ${reached} cached${reached === 0 ? '' : ` (${formatPercent(cached / reached)})`}`,
    `${run} run`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} not run`] : []),
  ].join(', ');
}

function timesTable(title: string, stages: readonly StageTimes[]): readonly string[] {
  if (stages.length === 0) return [];
  const rows = stages.map(({stage, ran, planned, medianMs, lastMs}) => [
    left(stage),
    right(formatDuration(medianMs)),
    right(formatDuration(lastMs)),
    right(`${ran} of ${planned}`),
  ]);
  return ['', ...formatTable([[left(title), right('median'), right('last'), right('ran')], ...rows])];
}

function imagesTable(images: readonly ImageStatistics[]): readonly string[] {
  const rows = images.map(({image, stages, spentMs}) => [
    left(image ?? '(shared)'),
    ...[stages.cached, stages.run, stages.failed, stages.skipped].map((count) => right(String(count))),
    right(formatDuration(spentMs)),
  ]);
  const heads = ['cached', 'run', 'failed', 'not run', 'time'].map(right);
  return rows.length === 0 ? [] : ['', ...formatTable([[left('image'), ...heads], ...rows])];
}

function runsTable(runs: readonly PastRun[]): readonly string[] {
  const rows = runs.map(({id, startedAt, outcome, durationMs, savedMs, command}) => [
    left(id.slice(0, 8)),
    left(formatTime(startedAt)),
    left(outcome),
    right(formatDuration(durationMs)),
    right(formatDuration(savedMs)),
    left(command),
  ]);
  const heads = [
    left('last runs'),
    left('started'),
    left('ended'),
    right('time'),
    right('saved'),
    left('command'),
  ];
  return ['', ...formatTable([heads, ...rows])];
}

function left(text: string): Cell {
  return {text: printable(text)};
}

function right(text: string): Cell {
  return {text, align: 'right'};
}
