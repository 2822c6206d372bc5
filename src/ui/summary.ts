import {posix} from 'node:path';
import type {Output, RunFinished, Warning} from '../run/events.ts';
import {failureDetails, failureReason} from './failure.ts';
import {formatCount, formatDuration, formatSize, printable} from './format.ts';
import type {RunModel, StageView} from './model.ts';
import type {Style} from './style.ts';
import {type Cell, formatTable} from './table.ts';

/** The text that closes a run: failures with their logs, images and targets, and what the run cost. */
export function formatSummary(model: RunModel, style: Style): readonly string[] {
  const {finished} = model;
  if (finished === undefined) return [];
  const blocks = [
    ...formatFailures(model, style),
    ...(finished.outputs.length === 0 ? [] : [formatOutputs(finished.outputs, style)]),
    [closingLine(finished, model.savedMs, style)],
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

function closingLine({outcome, durationMs, stages}: RunFinished, savedMs: number, style: Style): string {
  const parts = [
    `${formatCount(stages.run, 'stage')} run`,
    `${stages.cached} cached${savedMs > 0 ? ` (${formatDuration(savedMs)} saved)` : ''}`,
    ...(stages.failed > 0 ? [`${stages.failed} failed`] : []),
    ...(stages.skipped > 0 ? [`${stages.skipped} not run`] : []),
  ];
  const paint = {done: style.green, failed: style.red, cancelled: style.yellow}[outcome];
  return `${paint(outcome)} in ${formatDuration(durationMs)}: ${parts.join(', ')}`;
}
