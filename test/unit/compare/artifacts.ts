import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {FileBytes} from '../../../src/compare/bytes.ts';
import {placeIn} from '../../../src/compare/place.ts';

/** Runs a real program that makes an artifact; its text output. */
export function make(
  program: string,
  words: readonly string[],
  {input = '', env = {}, cwd}: {input?: string; env?: Readonly<Record<string, string>>; cwd?: string} = {},
): string {
  return execFileSync(program, words, {
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...env},
    ...(cwd === undefined ? {} : {cwd}),
  });
}

/** What lies at an offset of a file. */
export function placeAt(path: string, offset: number): readonly string[] {
  using bytes = new FileBytes(path);
  return placeIn(bytes, offset);
}

/** Where a text first stands in a file. */
export function offsetOf(path: string, text: string): number {
  return readFileSync(path).indexOf(text);
}
