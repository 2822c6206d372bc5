import {z} from 'zod';
import {imagePath, line, packageName, projectPath} from '../../../spec/fields.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind} from '../../../spec/provision-kinds.ts';

const more = {
  args: z.array(z.string()).describe('Arguments of the script.').exactOptional(),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
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
