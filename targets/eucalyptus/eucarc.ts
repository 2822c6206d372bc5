import {dirname} from 'node:path';
import {FgError} from '../../src/errors.ts';

/** What a file of credentials says, each with the line that says it. */
export type Settings = ReadonlyMap<string, {readonly value: string; readonly at: string}>;

/**
 * Reads the `eucarc` that Eucalyptus gives its users: a shell script of assignments. It is not run: names are read that
 * are assigned a word, in quotes or not, with `$NAME` and `${NAME}` of what was assigned before, and of `HOME`. The
 * folder that the script finds out for itself (`EUCA_KEY_DIR=$(…)`) is its own. Aliases and other commands do nothing
 * for us. `label`: what the file is called in messages.
 */
export function readEucarc(
  text: string,
  {label, path, home}: {readonly label: string; readonly path: string; readonly home: string},
): Settings {
  const settings = new Map<string, {readonly value: string; readonly at: string}>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const at = `${label}:${index + 1}`;
    const found = /^\s*(?:export\s+)?(?<name>[A-Za-z_]\w*)=(?<value>.*)$/.exec(line)?.groups;
    if (found === undefined) continue;
    const {name = '', value = ''} = found;
    const folder = name === 'EUCA_KEY_DIR' && value.startsWith('$(') ? dirname(path) : undefined;
    const known = (variable: string): string | undefined =>
      settings.get(variable)?.value ?? (variable === 'HOME' ? home : undefined);
    settings.set(name, {value: folder ?? word(value, {at, name, known}), at});
  }
  return settings;
}

interface WordContext {
  readonly at: string;
  readonly name: string;
  readonly known: (variable: string) => string | undefined;
}

/** The value of one shell word without commands in it. */
function word(text: string, {at, name, known}: WordContext): string {
  const parts = [
    ...text.matchAll(/'(?<single>[^']*)'|"(?<double>[^"`\\]*)"|(?<plain>[^\s;'"`\\]+)|(?<other>.)/gs),
  ];
  let value = '';
  for (const {groups = {}} of parts) {
    const {single, double, plain, other} = groups;
    if (other !== undefined && /[\s;]/.test(other)) break;
    if (other !== undefined) throw unreadable(`${at}: ${name} is not a plain value`);
    value += single ?? substituted(double ?? plain ?? '', {at, name, known});
  }
  return value;
}

function substituted(text: string, {at, name, known}: WordContext): string {
  if (text.includes('$(')) throw unreadable(`${at}: ${name} is the output of a command, which is not run`);
  return text.replaceAll(/\$(?:\{(?<braced>\w+)\}|(?<plain>\w+))/g, (...found) => {
    const groups = found.at(-1) as {readonly braced?: string; readonly plain?: string};
    const variable = groups.braced ?? groups.plain ?? '';
    const value = known(variable);
    if (value === undefined) throw unreadable(`${at}: $${variable} in ${name} was not assigned before`);
    return value;
  });
}

function unreadable(message: string): FgError {
  return new FgError('CREDENTIALS_MISSING', message, {
    hint: 'Write NAME=value lines as Eucalyptus does, or source the file and let fgimage read the environment.',
  });
}
