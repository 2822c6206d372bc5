import {posix} from 'node:path';
import {unreachable} from '../result.ts';
import type {CheckResult, StageFailed, StageFailure} from '../run/events.ts';
import {formatCommand, formatDuration, printable, printableLines} from './format.ts';

/** Why a stage failed, in one line without the log. */
export function failureReason(failure: StageFailure): string {
  switch (failure.reason) {
    case 'command-failed': {
      const name = printable(failure.command[0] ?? 'command');
      if (failure.signal !== null) return `${name} was ended by ${failure.signal}`;
      return failure.exitCode === null
        ? `${name} could not be started`
        : `${name} exited with ${failure.exitCode}`;
    }
    case 'timed-out':
      return `${printable(failure.what)} did not end within ${formatDuration(failure.timeoutMs)}`;
    case 'checks-failed':
      return `${failure.failed.length} of the checks failed: ${failure.failed.map(printable).join('; ')}`;
    case 'unknown-package':
      return 'a package is not in the repositories';
    case 'input-changed':
      return `files changed while they were being read: ${failure.paths.map(printable).join(', ')}`;
    case 'no-space':
      return `no space left: ${printable(failure.message)}`;
    case 'failed-before':
      return 'it failed before, and nothing that it is made of has changed';
    case 'io-error':
      return `the disk fails: ${printable(failure.message)}`;
    case 'tool-missing':
      return `the host lacks ${printable(failure.tool)}`;
    case 'refused':
      return printable(failure.message);
    default:
      return unreachable(failure);
  }
}

/** What follows the first line of a failure: command, checks, last lines of the log, its path, the mend, the work. */
export function failureDetails({
  keptWork,
  ...failed
}: Pick<StageFailed, 'failure' | 'checks' | 'keptWork'>): readonly string[] {
  return [...details(failed), ...(keptWork === undefined ? [] : [keptLine(keptWork)])];
}

function details({failure, checks = []}: Pick<StageFailed, 'failure' | 'checks'>): readonly string[] {
  switch (failure.reason) {
    case 'command-failed':
      return [
        `command: ${printable(formatCommand(failure.command))}`,
        ...logTail(failure),
        ...hintLine(failure.hint),
      ];
    case 'timed-out':
      return [...logTail(failure), ...hintLine(failure.hint)];
    case 'checks-failed':
      return [...failedChecks(checks), ...logTail(failure)];
    case 'unknown-package':
      return failure.diagnostics.flatMap(printableLines);
    case 'input-changed':
      return hintLine('Nothing may write to the project while it is built; run the build again');
    case 'no-space':
    case 'failed-before':
    case 'io-error':
    case 'tool-missing':
      return hintLine(failure.hint);
    case 'refused':
      return [...(failure.details ?? []).map(printable), ...hintLine(failure.hint)];
    default:
      return unreachable(failure);
  }
}

function failedChecks(checks: readonly CheckResult[]): readonly string[] {
  const failed = checks.filter(({passed}) => !passed);
  return failed.flatMap(({name, detail}) => [
    `check: ${printable(name)}`,
    ...(detail === undefined ? [] : printableLines(detail).map((line) => `  ${line}`)),
  ]);
}

function logTail({
  lastLines,
  logPath,
}: {
  readonly lastLines: readonly string[];
  readonly logPath: string;
}): string[] {
  const lines = lastLines.map(printable).filter((line) => line !== '');
  const tail = lines.length === 0 ? [] : ['last lines of the log:', ...lines.map((line) => `  | ${line}`)];
  return [...tail, `log: ${printable(logPath)}`];
}

/** As it can be pasted. */
function keptLine(folder: string): string {
  return `its work is kept; to run its last command again: ${printable(formatCommand([posix.join(folder, 'rerun.sh')]))}`;
}

function hintLine(hint: string | undefined): readonly string[] {
  return hint === undefined ? [] : [`hint: ${printable(hint)}`];
}
