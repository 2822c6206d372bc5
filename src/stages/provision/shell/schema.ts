import {z} from 'zod';
import {projectPath} from '../../../spec/fields.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind} from '../../../spec/provision-kinds.ts';

const Shell = z
  .union([
    z.string().min(1),
    z.strictObject({file: projectPath.describe('A script of the project.')}),
    z.strictObject({inline: z.string().min(1).describe('The text of a script.')}),
  ])
  .describe('A script: a file of the project, or its text; {file} or {inline} where that is not clear.');

type Shell = z.infer<typeof Shell>;

/** The options of a step: exactly one of `file` and `inline` is there. */
export interface ShellOptions {
  /** A script file of the project … */
  readonly file?: string;
  /** … or its text. */
  readonly inline?: string;
}

/** `provision: [{shell: …}]`: a script that runs in the image. */
export const shell: ProvisionKind = {
  kind: 'shell',
  version: 1,
  schema: Shell,
  interpret,
  needs: (options) => {
    const {file} = options as ShellOptions;
    return Promise.resolve({files: file === undefined ? [] : [file]});
  },
};

function interpret(value: unknown, isFile: (path: string) => boolean): Interpreted {
  const given = value as Shell;
  if (typeof given !== 'string') {
    return 'file' in given ? fromFile(given.file, ['file']) : {options: {inline: given.inline}, files: []};
  }
  return looksLikePath(given) || (!given.includes('\n') && isFile(given))
    ? fromFile(given, [])
    : {options: {inline: given}, files: []};
}

function fromFile(path: string, at: readonly string[]): Interpreted {
  return {options: {file: plainPath(path)}, files: [{at, path}]};
}

/** One word that holds a slash or ends as scripts do. */
function looksLikePath(text: string): boolean {
  return !/\s/.test(text) && (text.includes('/') || text.endsWith('.sh'));
}
