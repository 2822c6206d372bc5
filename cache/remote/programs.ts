import {type ChildProcessByStdio, spawn} from 'node:child_process';
import {once} from 'node:events';
import type {Readable, Writable} from 'node:stream';
import {RemoteError} from '../../src/http/error.ts';
import {printable} from '../../src/ui/format.ts';

export type PipedProgram = ChildProcessByStdio<Writable, Readable, Readable>;

export interface ProgramEnd {
  readonly program: string;
  readonly exitCode: number | null;
  /** The start of what it printed as errors, made printable. */
  readonly complaint: string;
}

/** A program between pipes, and a promise of how it ended. Its messages are in English. */
export function startProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): {readonly child: PipedProgram; readonly ended: Promise<ProgramEnd>} {
  const env = {PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', TZ: 'UTC0'};
  const child = spawn(program, args, {env, stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL'});
  // Told by how the program ends; a pipe to a program that is gone is no news.
  child.stdin.on('error', () => undefined);
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 2000) complaint += text;
  });
  const ended = once(child, 'close').then(([exitCode]: readonly unknown[]) => ({
    program,
    exitCode: typeof exitCode === 'number' ? exitCode : null,
    complaint: printable(complaint.split('\n', 1)[0] ?? ''),
  }));
  // Whoever awaits it sees the error; a reader that failed before may not get there.
  ended.catch(() => undefined);
  return {child, ended};
}

/** Throws `RemoteError` with what a program complained about, or because it failed. */
export function requireSuccess({program, exitCode, complaint}: ProgramEnd, what: string): void {
  if (exitCode === 0 && complaint === '') return;
  const how = complaint === '' ? `${program} ended with ${exitCode ?? 'a signal'}` : complaint;
  throw new RemoteError('damaged', `${what}: ${how}`);
}
