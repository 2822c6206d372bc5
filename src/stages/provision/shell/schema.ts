import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {complaint, form, imagePath, line, packageName, projectPath} from '../../../spec/fields.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind, StepProblem} from '../../../spec/provision-kinds.ts';

/** What a program can be given. */
const word = z.string().refine((text) => !text.includes('\0'), {
  error: () => complaint('No argument and no variable can hold a NUL character', 'Remove the `\\0`'),
});

const variable = form(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  'the name of an environment variable',
  'Use letters, digits and `_`, no digit first',
);

const more = {
  args: z.array(word).describe('Arguments of the script.').exactOptional(),
  env: z
    .record(variable, word)
    .describe('Environment variables, beside those that every step has.')
    .exactOptional(),
  interpreter: line
    .describe(
      'What the script is run by, with its own words: `/usr/bin/python3 -I`; else its `#!` line, or sh.',
    )
    .exactOptional(),
  folder: imagePath
    .describe('The folder in the image that it starts in; `/` where it is left out.')
    .exactOptional(),
  packages: z
    .array(packageName)
    .min(1)
    .describe('Packages that are there for this step only, and are gone after it.')
    .exactOptional(),
};

const Shell = z
  .union([
    z.string().min(1),
    z.strictObject({file: projectPath.describe('A script of the project.'), ...more}),
    z.strictObject({inline: z.string().min(1).describe('The text of a script.'), ...more}),
  ])
  .describe('A script: a file of the project, or its text; {file} or {inline} with more words.');

type Shell = z.infer<typeof Shell>;

/** The options of a step: exactly one of `file` and `inline` is there. */
export interface ShellOptions {
  /** A script file of the project … */
  readonly file?: string;
  /** … or its text. */
  readonly inline?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The words of the program that reads the script. */
  readonly interpreter?: readonly string[];
  readonly folder?: string;
  readonly packages?: readonly string[];
}

/** `provision: [{shell: …}]`: a script that runs in the image. */
export const shell: ProvisionKind = {
  kind: 'shell',
  version: 1,
  schema: Shell,
  interpret,
  check: (options, {dir}) => Promise.resolve(lineEnds(options, dir)),
  needs: (options) => {
    const {file, packages} = options as ShellOptions;
    return Promise.resolve({
      files: file === undefined ? [] : [file],
      ...(packages === undefined ? {} : {install: packages}),
    });
  },
};

function interpret(value: unknown, isFile: (path: string) => boolean): Interpreted {
  const given = value as Shell;
  if (typeof given !== 'string') {
    const {interpreter, ...said} = given;
    const words = interpreter === undefined ? {} : {interpreter: interpreter.trim().split(/\s+/)};
    return 'file' in said
      ? {options: {...said, ...words, file: plainPath(said.file)}, files: [{at: ['file'], path: said.file}]}
      : {options: {...said, ...words}, files: []};
  }
  return looksLikePath(given) || (!given.includes('\n') && isFile(given))
    ? {options: {file: plainPath(given)}, files: [{at: [], path: given}]}
    : {options: {inline: given}, files: []};
}

/** One word that holds a slash or ends as scripts do. */
function looksLikePath(text: string): boolean {
  return !/\s/.test(text) && (text.includes('/') || text.endsWith('.sh'));
}

/** A script with the line ends of another system: sh and the kernel take a carriage return for a part of the words. */
function lineEnds({file, interpreter}: ShellOptions, dir: string): readonly StepProblem[] {
  if (file === undefined || interpreter !== undefined || !existsSync(join(dir, file))) return [];
  const text = readFileSync(join(dir, file), 'utf8');
  const isOff = text.startsWith('#!') ? /^[^\n]*\r\n/.test(text) : text.includes('\r\n');
  if (!isOff) return [];
  return [
    {
      at: ['file'],
      message: `${file} has the line ends of Windows, which no shell and no \`#!\` line can have`,
      hint: `Save it with those of Unix: sed -i 's/\\r$//' ${file}`,
    },
  ];
}
