import {join} from 'node:path';
import {digestFile} from '../../../../cache/tree.ts';
import {FgError} from '../../../errors.ts';
import type {JsonObject} from '../../../spec/image.ts';
import type {StepNeeds, StepProblem, StepProject} from '../../../spec/provision-kinds.ts';
import {chefInputs} from './inputs.ts';
import type {ChefOptions} from './options.ts';

/** What of the project's files does not fit the step. */
export function chefProblems(given: JsonObject, {dir}: StepProject): Promise<readonly StepProblem[]> {
  const options = given as unknown as ChefOptions;
  return Promise.resolve([...chefInputs(options, dir).problems, ...digestProblems(options, dir)]);
}

/** What the step reads and installs. */
export function chefNeeds(given: JsonObject, {dir}: StepProject): Promise<StepNeeds> {
  const options = given as unknown as ChefOptions;
  const {staged, read, folders, problems} = chefInputs(options, dir);
  const [problem] = problems;
  if (problem !== undefined)
    return Promise.reject(new FgError('SPEC_INVALID', problem.message, {hint: problem.hint}));
  const {from} = options;
  const files = [...staged.map(({source}) => source), ...read, ...(from.kind === 'deb' ? [from.path] : [])];
  return Promise.resolve({
    files: [...new Set(files)].sort(),
    folders,
    ...(from.kind === 'package' ? {install: [from.name], keep: from.keep} : {}),
  });
}

function digestProblems({from}: ChefOptions, dir: string): readonly StepProblem[] {
  if (from.kind !== 'deb') return [];
  const digest = digestFile(join(dir, from.path));
  if (digest === from.sha256) return [];
  return [
    {
      at: ['sha256'],
      message: `${from.path} has another digest: ${digest}`,
      hint: 'Get the file again, or write that digest where you trust it',
    },
  ];
}
