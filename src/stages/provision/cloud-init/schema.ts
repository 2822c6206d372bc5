import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {FgError} from '../../../errors.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind, StepProblem} from '../../../spec/provision-kinds.ts';
import {userDataProblems} from './user-data.ts';

const userData = z.string().min(1).describe('User data: a file of the project, or its text.');

const CloudInit = z
  .union([userData, z.strictObject({user_data: userData})])
  .describe(
    'What cloud-init does at the first boot, whatever cloud it is: a file with user data, or its text.',
  );

type CloudInit = z.infer<typeof CloudInit>;

/** The options of a step: exactly one of them is there. */
export interface CloudInitOptions {
  readonly file?: string;
  readonly inline?: string;
}

/** `provision: [{cloud-init: …}]`: user data in the image. */
export const cloudInit: ProvisionKind = {
  kind: 'cloud-init',
  version: 2,
  schema: CloudInit,
  interpret,
  check: (options, {dir}) => Promise.resolve(problems(options, dir)),
  needs: (options, {dir}) => {
    const {file} = options as CloudInitOptions;
    const [problem] = problems(options, dir);
    if (problem !== undefined)
      return Promise.reject(new FgError('SPEC_INVALID', problem.message, {hint: problem.hint}));
    return Promise.resolve({files: file === undefined ? [] : [file]});
  },
};

function interpret(value: unknown): Interpreted {
  const given = value as CloudInit;
  const [text, at] = typeof given === 'string' ? [given, []] : [given.user_data, ['user_data']];
  // User data of one line does nothing: its first line says what the others are.
  return text.trimEnd().includes('\n')
    ? {options: {inline: text}, files: []}
    : {options: {file: plainPath(text.trim())}, files: [{at, path: text.trim()}]};
}

function problems(options: CloudInitOptions, dir: string): readonly StepProblem[] {
  const {file, inline} = options;
  // That a file is missing is told by whoever looks at all files of the project.
  if (file !== undefined && !existsSync(join(dir, file))) return [];
  const text = inline ?? readFileSync(join(dir, file ?? ''), 'utf8');
  return userDataProblems(text).map(({line, column, message, hint}) => {
    const place =
      line === undefined ? '' : file === undefined ? `line ${line}: ` : `${file}:${line}:${column ?? 1}: `;
    return {at: [], message: `${place}${message}`, hint};
  });
}
