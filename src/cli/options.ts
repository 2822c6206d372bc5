import {fstatSync} from 'node:fs';
import {FgError} from '../errors.ts';
import type {ViewMode} from '../ui/view.ts';

/** What cac made of the words of a command line. */
export type Options = Readonly<Record<string, unknown>>;

/** The value of an option as it was typed, the last one where it is repeated: cac makes numbers of what looks like one. */
export function text(options: Options, name: string): string | undefined {
  return list(options, name).at(-1);
}

/** All values of an option that may be repeated, as they were typed. */
export function list(options: Options, name: string): readonly string[] {
  if (options[name] === undefined) return [];
  const long = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const short = {file: '-f', target: '-t', output: '-o', jobs: '-j'}[name];
  const words = process.argv.slice(2);
  const end = words.indexOf('--');
  const values = words.slice(0, end === -1 ? words.length : end).flatMap((word, index) => {
    if (word.startsWith(`${long}=`)) return [word.slice(long.length + 1)];
    if (word === long || word === short) return [words[index + 1] ?? ''];
    return short !== undefined && word.startsWith(short) && !word.startsWith('--')
      ? [word.slice(short.length).replace(/^=/, '')]
      : [];
  });
  if (values.includes('')) throw new FgError('USAGE', `${long} wants a value`, {hint: 'See fgimage --help'});
  return values;
}

export function flag(options: Options, name: string): boolean {
  return options[name] === true;
}

export function positiveInteger(options: Options, name: string): number | undefined {
  const value = text(options, name);
  if (value === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(value))
    throw new FgError('USAGE', `--${name} wants a whole number from 1, not ${value}`);
  return Number(value);
}

/** An option that takes one of a few words; the first is the default. */
export function oneOf<const Word extends string>(
  options: Options,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const value = text(options, name);
  if (value === undefined) return words[0];
  const found = words.find((word) => word === value);
  const long = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (found === undefined)
    throw new FgError('USAGE', `--${long} wants one of ${words.join(', ')}, not ${value}`);
  return found;
}

/** Whether standard output is a terminal; process.stdout takes time to be made, and most that is no terminal is no device. */
export function isTerminal(): boolean {
  return fstatSync(1).isCharacterDevice() && process.stdout.isTTY;
}

export function viewMode(options: Options): ViewMode {
  if (flag(options, 'json')) return 'json';
  if (flag(options, 'quiet')) return 'quiet';
  return isTerminal() && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined ? 'tty' : 'plain';
}
