import {failureReason} from './failure.ts';
import {formatDuration, formatElapsed, formatPercent, printable, truncate} from './format.ts';
import type {RunModel, StageState, StageView} from './model.ts';
import {registrationText} from './registrations.ts';
import type {Style} from './style.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Room for the icon and the blank after it, and one column that stays free so that no terminal wraps. */
const iconColumns = 3;
/** The line of counts, and the line that the cursor stands in. */
const reservedRows = 2;

/** Which stages are shown first when not all fit. */
const precedence: Readonly<Record<StageState, number>> = {
  running: 0,
  waiting: 1,
  failed: 2,
  done: 3,
  skipped: 4,
  cached: 5,
  planned: Number.POSITIVE_INFINITY,
};

/**
 * The stages that fit under each other, in the order of the plan: those at work, then the failed ones, then the
 * latest of the others. The list with its line of counts is never taller than the terminal.
 */
export function visibleStages(model: RunModel, {rows}: Size): readonly StageView[] {
  const room = Math.max(1, rows - reservedRows);
  const shown = model.stages.filter(({state}) => state !== 'planned');
  if (shown.length <= room) return shown;
  const ranked = [...shown].reverse().sort((a, b) => precedence[a.state] - precedence[b.state]);
  const chosen = new Set(ranked.slice(0, room));
  return shown.filter((stage) => chosen.has(stage));
}

/** One stage in one line that fits the terminal, without its icon. */
export function formatStage(
  stage: StageView,
  {columns, now, verbose}: {columns: number; now: number; verbose: boolean},
): string {
  const detail = stageDetail(stage, now, verbose);
  const line = printable(detail === '' ? stage.plan.title : `${stage.plan.title}  ${detail}`);
  return truncate(line, columns - iconColumns);
}

/** `2 running, 5 done, 3 cached, 4 to come  1m 12s` */
export function formatCounts(model: RunModel, {columns, now}: {columns: number; now: number}): string {
  const parts: readonly (readonly [number, string])[] = [
    [model.count('running'), 'running'],
    [model.count('waiting'), 'waiting for another process'],
    [model.count('done'), 'done'],
    [model.count('cached'), 'cached'],
    [model.count('failed'), 'failed'],
    [model.count('skipped'), 'not run'],
    [model.count('planned'), 'to come'],
  ];
  const counts = parts.filter(([count]) => count > 0).map(([count, name]) => `${count} ${name}`);
  const elapsed = formatElapsed(now - (model.startedAt ?? now));
  return truncate([counts.join(', '), elapsed].filter(Boolean).join('  '), columns - iconColumns);
}

/** The mark in front of a stage; `spin` is the current picture of the spinner. */
export function stageIcon(state: StageState, spin: string, style: Style): string {
  switch (state) {
    case 'running':
      return style.yellow(spin);
    case 'waiting':
      return style.dim(spin);
    case 'done':
      return style.green('✔');
    case 'cached':
      return style.dim('=');
    case 'failed':
      return style.red('✖');
    case 'skipped':
      return style.yellow('↓');
    case 'planned':
      return style.dim('·');
  }
}

function stageDetail(stage: StageView, now: number, verbose: boolean): string {
  switch (stage.state) {
    case 'running':
    case 'waiting':
      return workDetail(stage, now, verbose);
    case 'done':
      if (stage.registered !== undefined) return registrationText(stage.registered);
      return [
        formatDuration(stage.durationMs ?? 0),
        ...(stage.finished?.unchanged === true ? ['same content as before'] : []),
      ].join(', ');
    case 'cached': {
      if (stage.registered !== undefined) return registrationText(stage.registered);
      const savedMs = stage.cached?.savedMs ?? 0;
      return [
        stage.cached?.from === 'remote' ? 'in the remote cache' : 'cached',
        ...(savedMs > 0 ? [`${formatDuration(savedMs)} saved`] : []),
      ].join(', ');
    }
    case 'failed':
      return `failed after ${formatDuration(stage.durationMs ?? 0)}${stage.failure === undefined ? '' : `: ${failureReason(stage.failure.failure)}`}`;
    case 'skipped':
      return stage.because === undefined ? 'not run: cancelled' : `not run: ${stage.because} failed`;
    case 'planned':
      return '';
  }
}

function workDetail({since, message, fraction, lastLine}: StageView, now: number, verbose: boolean): string {
  const percent = fraction === undefined ? '' : formatPercent(fraction);
  const doing = verbose && lastLine !== undefined ? lastLine : (message ?? '');
  return [formatElapsed(now - (since ?? now)), percent, doing].filter(Boolean).join('  ');
}
