import {spawn} from 'node:child_process';

export interface DiffoscopeOptions {
  /** A folder for its report as HTML; absent: text alone. */
  readonly html?: string | undefined;
  readonly signal: AbortSignal;
}

/** No more of its text is taken. */
const mostBytes = 64 << 10;
const timeoutMs = 300_000;

/**
 * What diffoscope(1) says of two files, bounded in length and time; undefined where it is not installed, or says
 * nothing.
 */
export function diffoscope(
  {a, b}: {readonly a: string; readonly b: string},
  {html, signal}: DiffoscopeOptions,
): Promise<string | undefined> {
  const words = [
    ...['--no-progress', '--max-text-report-size', String(mostBytes), '--text', '-'],
    ...(html === undefined ? [] : ['--html-dir', html]),
    ...['--', a, b],
  ];
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  return new Promise((resolve) => {
    const child = spawn('diffoscope', words, {stdio: ['ignore', 'pipe', 'ignore'], signal: limit});
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      if (text.length < mostBytes) text += piece;
    });
    child.once('error', () => resolve(undefined));
    child.once('close', () => resolve(text.trim() === '' ? undefined : text.slice(0, mostBytes)));
  });
}
