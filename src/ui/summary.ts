import {posix} from 'node:path';
import type {Output, PathStep, RunFinished, Warning} from '../run/events.ts';
import {failureDetails, failureReason} from './failure.ts';
import {formatCount, formatDuration, formatSize, printable} from './format.ts';
import type {RunModel, StageView} from './model.ts';
import type {Style} from './style.ts';
import {type Cell, formatTable} from './table.ts';

/** The text that closes a run: failures with their logs, images and targets, and what the run cost and saved. */
export function formatSummary(
  model: RunModel,
  {style, verbose}: {readonly style: Style; readonly verbose: boolean},
): readonly string[] {
  const {finished} = model;
  if (finished === undefined) return [];
  const blocks = [
    ...formatFailures(model, style),
    ...(finished.outputs.length === 0 ? [] : [formatOutputs(finished.outputs, style)]),
    [closingLine(finished, style), ...footer(finished, verbose)],
  ];
  return blocks.flatMap((block) => ['', ...block]);
}

/** One block a failed stage; under it, what was not run because of it. */
export function formatFailures(model: RunModel, style: Style): readonly (readonly string[])[] {
  return model.stages.flatMap((stage) => {
    const {failure} = stage;
    if (failure === undefined) return [];
    const skipped = model.stages.filter(({because}) => because === stage.plan.stage);
    return [
      [
        style.red(
          `${printable(stage.plan.stage)} failed after ${formatDuration(failure.durationMs)}: ${failureReason(failure.failure)}`,
        ),
        ...failureDetails(failure).map((line) => `  ${line}`),
        ...skippedLine(skipped),
      ],
    ];
  });
}

/** `warning: …`, with its stage and what can be done. */
export function formatWarning({message, hint, stage}: Warning, style: Style): readonly string[] {
  const where = stage === undefined ? '' : `${printable(stage)}: `;
  return [
    style.yellow(`warning: ${where}${printable(message)}`),
    ...(hint === undefined ? [] : [`  hint: ${printable(hint)}`]),
  ];
}

/** Where an output lies: its main file where it has one, else its folder. */
export function outputPath({path, file}: Output): string | undefined {
  if (path === undefined) return undefined;
  return printable(file === undefined ? path : posix.join(path, file));
}

function skippedLine(skipped: readonly StageView[]): readonly string[] {
  if (skipped.length === 0) return [];
  return [`  not run because of it: ${skipped.map(({plan}) => printable(plan.stage)).join(', ')}`];
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
