import {basename, posix} from 'node:path';
import type {Output, PathStep, RunFinished, StageCached} from '../run/events.ts';
import {formatCount, formatDuration, formatSize, printable} from './format.ts';
import type {Style} from './style.ts';
import {type Cell, formatTable} from './table.ts';

/**
 * Images and targets, and what the run cost and saved; each block with an empty line before it. `lock`: the one that the
 * run followed, where it has not been told yet.
 */
export function formatClosing(
  finished: RunFinished,
  {
    style,
    verbose,
    lock,
  }: {readonly style: Style; readonly verbose: boolean; readonly lock?: string | undefined},
): readonly string[] {
  const locked = lock === undefined ? [] : [lockedText(lock)];
  const blocks = [
    ...(finished.outputs.length === 0 ? [] : [formatOutputs(finished.outputs, style)]),
    [closingLine(finished, style), ...locked, ...footer(finished, verbose)],
  ];
  return blocks.flatMap((block) => ['', ...block]);
}

/** What plain lines begin with. */
export function headline({
  images,
  file,
  lock,
}: {
  readonly images: readonly string[];
  readonly file: string;
  readonly lock?: string;
}): string {
  const locked = lock === undefined ? '' : `, ${lockedText(lock)}`;
  return `building ${images.map(printable).join(', ')} of ${printable(file)}${locked}`;
}

function lockedText(lock: string): string {
  return `locked by ${printable(basename(lock))}`;
}

/** A line about a stage, which it begins with. */
export function told(stage: string, text: string): string {
  return `[${printable(stage)}] ${printable(text)}`.trimEnd();
}

export function cachedText({from, savedMs}: Pick<StageCached, 'from' | 'savedMs'>): string {
  const saved = savedMs > 0 ? ` (${formatDuration(savedMs)} saved)` : '';
  return `${from === 'remote' ? 'in the remote cache' : 'cached'}${saved}`;
}

/** Where the outputs lie that can be used. */
export function readyPaths(outputs: readonly Output[]): readonly string[] {
  return outputs.flatMap((output) => {
    const path = output.state === 'built' || output.state === 'cached' ? outputPath(output) : undefined;
    return path === undefined ? [] : [path];
  });
}

/** Where an output lies: its main file where it has one, else its folder. */
function outputPath({path, file}: Output): string | undefined {
  if (path === undefined) return undefined;
  return printable(file === undefined ? path : posix.join(path, file));
}

function formatOutputs(outputs: readonly Output[], style: Style): readonly string[] {
  const header = ['image', 'target', 'state', 'size', 'tested', 'time', 'path'];
  const right = new Set(['size', 'time']);
  const heads = header.map(
    (text): Cell => ({text, style: style.dim, align: right.has(text) ? 'right' : 'left'}),
  );
  return formatTable([heads, ...outputs.map((output) => outputRow(output, style))]);
}

function outputRow(output: Output, style: Style): readonly Cell[] {
  const {image, target, state, sizeBytes, tested, durationMs} = output;
  const stateStyle = {built: style.green, cached: style.dim, failed: style.red, skipped: style.yellow}[state];
  return [
    {text: printable(image)},
    {text: printable(target)},
    {text: state, style: stateStyle},
    {text: sizeBytes === undefined ? '-' : formatSize(sizeBytes), align: 'right'},
    {text: tested ?? '-', ...(tested === 'failed' ? {style: style.red} : {})},
    {text: durationMs === undefined ? '-' : formatDuration(durationMs), align: 'right'},
    {text: outputPath(output) ?? '-'},
  ];
}

function closingLine({outcome, durationMs, stages, savedMs}: RunFinished, style: Style): string {
  const count = stages.run + stages.cached + stages.failed + stages.skipped;
  const parts = [
    `${formatCount(stages.run, 'stage')} run`,
    `${stages.cached} of ${count} cached${savedMs > 0 ? ` (${formatDuration(savedMs)} saved)` : ''}`,
    ...(stages.failed > 0 ? [`${stages.failed} failed`] : []),
    ...(stages.skipped > 0 ? [`${stages.skipped} not run`] : []),
  ];
  const paint = {done: style.green, failed: style.red, cancelled: style.yellow}[outcome];
  return `${paint(outcome)} in ${formatDuration(durationMs)}: ${parts.join(', ')}`;
}

function footer({criticalPath, durationMs, remote, trace}: RunFinished, verbose: boolean): readonly string[] {
  return [
    ...(criticalPath.length === 0 ? [] : [pathLine(criticalPath, durationMs)]),
    ...(remote === undefined ? [] : [printable(remote)]),
    ...(verbose && trace !== undefined ? [`trace: ${printable(trace)}`] : []),
  ];
}

/** How many stages of a path are named. */
const namedSteps = 6;

/** `critical path: base 18 s → … → packages 12 s → pack:web/hpc 9.0 s (41 s of 55 s)`: the longest, and the last. */
function pathLine(path: readonly PathStep[], wallMs: number): string {
  const last = path.at(-1);
  const longest = path.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, namedSteps - 1);
  const named = new Set(path.length <= namedSteps ? path : last === undefined ? longest : [...longest, last]);
  const texts = path.map((step) =>
    named.has(step)
      ? `${step === last ? printable(step.stage) : shortName(step.stage)} ${formatDuration(step.durationMs)}`
      : '…',
  );
  const chain = texts.filter((text, index) => text !== '…' || texts[index - 1] !== '…').join(' → ');
  const sum = path.reduce((total, {durationMs}) => total + durationMs, 0);
  return `critical path: ${chain} (${formatDuration(sum)} of ${formatDuration(wallMs)})`;
}

/** `packages` of `customize:web/packages`, `base` of `base:debian-bookworm`: the last stage says whose they are. */
function shortName(stage: string): string {
  const [kind = '', of = ''] = printable(stage).split(':');
  return kind === 'customize' ? of.slice(of.lastIndexOf('/') + 1) : kind;
}
