import {z} from 'zod';
import {projectPath} from '../../spec/fields.ts';
import type {Interpreted, ProvisionKind} from '../../spec/provision-kinds.ts';

const Shell = z
  .union([
    z.string().min(1),
    z.strictObject({file: projectPath.describe('A script of the project.')}),
    z.strictObject({inline: z.string().min(1).describe('The text of a script.')}),
  ])
  .describe('A script: a file of the project, or its text; {file} or {inline} where that is not clear.');

type Shell = z.infer<typeof Shell>;

/** `provision: [{shell: …}]`: a script that runs in the image. */
export const shell: ProvisionKind = {kind: 'shell', schema: Shell, interpret};

function interpret(value: unknown, isFile: (path: string) => boolean): Interpreted {
  const given = value as Shell;
  if (typeof given !== 'string') {
    return 'file' in given
      ? fromFile(given.file, ['file'])
      : {provisioner: {kind: 'shell', inline: given.inline}, files: []};
  }
  return looksLikePath(given) || (!given.includes('\n') && isFile(given))
    ? fromFile(given, [])
    : {provisioner: {kind: 'shell', inline: given}, files: []};
}

function fromFile(path: string, at: readonly string[]): Interpreted {
  return {provisioner: {kind: 'shell', file: path}, files: [{at, path}]};
}

/** One word that holds a slash or ends as scripts do. */
function looksLikePath(text: string): boolean {
  return !/\s/.test(text) && (text.includes('/') || text.endsWith('.sh'));
}
