import type {Warning} from '../run/events.ts';
import {formatClosing} from './closing.ts';
import {failureDetails, failureReason} from './failure.ts';
import {formatDuration, printable} from './format.ts';
import type {RunModel, StageView} from './model.ts';
import {formatRegistrations} from './registrations.ts';
import type {Style} from './style.ts';

/** The text that closes a run: failures with their logs, images and targets, and what the run cost and saved. */
export function formatSummary(
  model: RunModel,
  options: Parameters<typeof formatClosing>[1],
): readonly string[] {
  const {style} = options;
  const {finished} = model;
  if (finished === undefined) return [];
  return [
    ...formatFailures(model, style).flatMap((block) => ['', ...block]),
    ...blockOf(formatRegistrations(model, style)),
    ...formatClosing(finished, options),
  ];
}

function blockOf(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', ...lines];
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

function skippedLine(skipped: readonly StageView[]): readonly string[] {
  if (skipped.length === 0) return [];
  return [`  not run because of it: ${skipped.map(({plan}) => printable(plan.stage)).join(', ')}`];
}
