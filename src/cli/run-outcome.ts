import {type ExitCode, exitCode} from '../errors.ts';
import type {StageState} from '../run/engine-options.ts';
import type {StageFailure} from '../run/events.ts';

/** How many stages came to what. */
export function countStates(states: ReadonlyMap<string, StageState>): {
  run: number;
  cached: number;
  failed: number;
  skipped: number;
} {
  const counts = {run: 0, cached: 0, failed: 0, skipped: 0};
  for (const {state} of states.values()) counts[state] += 1;
  return counts;
}

/** The exit code that the stages of a run ask for. */
export function exitCodeOf(states: ReadonlyMap<string, StageState>): ExitCode {
  const failures = [...states.values()].flatMap((state) => (state.state === 'failed' ? [state.failure] : []));
  const codes = failures.map(exitCodeOfFailure);
  return codes.length === 0
    ? exitCode.done
    : codes.includes(exitCode.usage)
      ? exitCode.usage
      : (codes[0] ?? exitCode.stageFailed);
}

function exitCodeOfFailure({reason}: StageFailure): ExitCode {
  switch (reason) {
    case 'unknown-package':
      return exitCode.usage;
    case 'no-space':
    case 'io-error':
    case 'tool-missing':
      return exitCode.hostLacks;
    case 'command-failed':
    case 'timed-out':
    case 'checks-failed':
    case 'failed-before':
    case 'input-changed':
    case 'refused':
      return exitCode.stageFailed;
  }
}
