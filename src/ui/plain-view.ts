import type {RunEvent} from '../run/events.ts';
import {failureReason} from './failure.ts';
import {formatCount, formatDuration, formatPercent, printable} from './format.ts';
import {RunModel, waitingMessage} from './model.ts';
import {createProgressThrottle} from './progress-throttle.ts';
import {createStyle} from './style.ts';
import {formatSummary, formatWarning} from './summary.ts';
import type {View, ViewOptions} from './view.ts';

/**
 * One line a transition, each with its stage in front, so that the lines of stages that run side by side can be told
 * apart and searched for in a CI log. No control sequences.
 */
export function createPlainView({stream, verbose}: Pick<ViewOptions, 'stream' | 'verbose'>): View {
  const model = new RunModel();
  const style = createStyle(false);
  const throttle = createProgressThrottle();

  const lines = (event: RunEvent): readonly string[] => {
    switch (event.type) {
      case 'run-started':
        return [`building ${event.images.map(printable).join(', ')} of ${printable(event.file)}`];
      case 'stage-planned':
        return [];
      case 'stage-cached':
        return [
          told(event.stage, `cached${event.savedMs > 0 ? ` (${formatDuration(event.savedMs)} saved)` : ''}`),
        ];
      case 'stage-waiting':
        return [told(event.stage, waitingMessage(event.owner))];
      case 'stage-started':
        throttle.start(event);
        return [told(event.stage, 'started')];
      case 'stage-progress': {
        if (!throttle.admits(event)) return [];
        const percent = event.fraction === undefined ? '' : ` (${formatPercent(event.fraction)})`;
        return [told(event.stage, `${event.message}${percent}`)];
      }
      case 'stage-log':
        return verbose ? [told(event.stage, `| ${event.line}`)] : [];
      case 'stage-finished':
        return [
          told(event.stage, `finished in ${formatDuration(event.durationMs)}${checksPassed(event.checks)}`),
        ];
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
      case 'warning':
        return formatWarning(event, style);
      case 'run-finished':
        return formatSummary(model, style);
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

function told(stage: string, text: string): string {
  return `[${printable(stage)}] ${printable(text)}`.trimEnd();
}

function checksPassed(checks: readonly unknown[] | undefined): string {
  return checks === undefined ? '' : `, ${formatCount(checks.length, 'check')} passed`;
}
