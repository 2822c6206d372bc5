import type {Reason} from '../plan/explain.ts';
import type {RunEvent, StageFinished} from '../run/events.ts';
import {cachedText, headline, told} from './closing.ts';
import {failureReason} from './failure.ts';
import {formatCount, formatDuration, formatPercent, formatSize} from './format.ts';
import {corruptWarning, RunModel, waitingMessage} from './model.ts';
import {createProgressThrottle} from './progress-throttle.ts';
import {formatReason} from './reasons.ts';
import {registrationLine} from './registrations.ts';
import {createStyle} from './style.ts';
import {formatSummary, formatWarning} from './summary.ts';
import type {View, ViewOptions} from './view.ts';

/**
 * One line a transition, each with its stage in front, so that the lines of stages that run side by side can be told
 * apart and searched for in a CI log. No control sequences.
 */
export function createPlainView({
  stream,
  verbose,
  replay,
}: Pick<ViewOptions, 'stream' | 'verbose' | 'replay'>): View {
  const model = new RunModel();
  const style = createStyle(false);
  const throttle = createProgressThrottle();

  const lines = (event: RunEvent): readonly string[] => {
    switch (event.type) {
      case 'run-started':
        return [headline(event)];
      case 'stage-planned':
        return [];
      case 'stage-cached':
        return [told(event.stage, cachedText(event))];
      case 'stage-fetched': {
        const {sizeBytes, durationMs, from} = event;
        return [
          told(event.stage, `fetched ${formatSize(sizeBytes)} from ${from} in ${formatDuration(durationMs)}`),
        ];
      }
      case 'stage-waiting':
        return [told(event.stage, waitingMessage(event.owner))];
      case 'stage-started':
        throttle.start(event);
        return [told(event.stage, `started${because(event.reasons)}`)];
      case 'stage-progress': {
        if (!throttle.admits(event)) return [];
        const percent = event.fraction === undefined ? '' : ` (${formatPercent(event.fraction)})`;
        return [told(event.stage, `${event.message}${percent}`)];
      }
      case 'stage-log':
        return verbose || (replay && model.stage(event.stage)?.state === 'cached')
          ? [told(event.stage, `| ${event.line}`)]
          : [];
      case 'stage-finished':
        return [told(event.stage, finishedLine(event))];
      case 'stage-failed':
        return [
          told(
            event.stage,
            `failed after ${formatDuration(event.durationMs)}: ${failureReason(event.failure)}`,
          ),
        ];
      case 'stage-skipped':
        return [
          told(
            event.stage,
            event.because === undefined ? 'not run: cancelled' : `not run: ${event.because} failed`,
          ),
        ];
      case 'registration-started':
        throttle.start({stage: event.registration, time: event.time});
        return [told(event.registration, 'started')];
      case 'registration-progress': {
        const {registration: stage, time, fraction} = event;
        if (!throttle.admits({stage, time, ...(fraction === undefined ? {} : {fraction})})) return [];
        const percent = event.fraction === undefined ? '' : ` (${formatPercent(event.fraction)})`;
        return [told(event.registration, `${event.message}${percent}`)];
      }
      case 'registration-finished':
        return [told(event.registration, registrationLine(event))];
      case 'registration-failed':
        return [
          told(event.registration, `failed after ${formatDuration(event.durationMs)}: ${event.message}`),
        ];
      case 'content-corrupt':
        return formatWarning(corruptWarning(event), style);
      case 'warning':
        return formatWarning(event, style);
      case 'run-finished':
        return formatSummary(model, {style, verbose});
    }
  };

  return {
    handle(event) {
      model.apply(event);
      for (const line of lines(event)) stream.write(`${line}\n`);
    },
    close: () => Promise.resolve(),
  };
}

/** What tells most of why it runs; that a stage was never built before needs no words. */
function because(reasons: readonly Reason[] = []): string {
  const [first, ...others] = reasons;
  if (first === undefined || first.reason === 'never-built') return '';
  return `: ${formatReason(first)}${others.length === 0 ? '' : `, and ${formatCount(others.length, 'more reason')}`}`;
}

function finishedLine({durationMs, unchanged, checks}: StageFinished): string {
  return [
    `finished in ${formatDuration(durationMs)}`,
    ...(unchanged ? ['same content as before'] : []),
    ...(checks === undefined ? [] : [`${formatCount(checks.length, 'check')} passed`]),
  ].join(', ');
}
