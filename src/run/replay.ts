import {readFileSync} from 'node:fs';
import {isErrno} from '../errors.ts';

/** Hands on every line of a stage's kept log (`Store.logPath`). Gives whether the log is there. */
export function replayLog(path: string, emitLine: (line: string) => void): boolean {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const line of lines) emitLine(line);
  return true;
}
