import {quote} from '../../../spec/diagnostic.ts';
import type {JsonObject, JsonValue} from '../../../spec/image.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import type {Path} from '../../../spec/tree.ts';
import type {ChefOptions} from './options.ts';
import {jsonObject, type ProjectFiles, texts} from './project-files.ts';

/** What `attributes` comes to. */
export interface Attributes {
  readonly values: JsonObject;
  /** The run list of the last file that has one, as files for `chef-client -j` do. */
  readonly runList: {readonly file: string; readonly items: readonly string[]} | undefined;
  readonly problems: readonly StepProblem[];
}

/** Merges attributes in their order: mappings by key, anything else as a whole. */
export function mergeAttributes(
  {attributes: sources, environment = '_default', policy_lock: policy}: AttributeOptions,
  files: ProjectFiles,
): Attributes {
  let values: JsonObject = {};
  let runList: Attributes['runList'];
  const problems: StepProblem[] = [];
  for (const [index, source] of sources.entries()) {
    const at = sources.length === 1 ? ['attributes'] : ['attributes', index];
    if ('values' in source) {
      problems.push(...settingProblems(source.values, {at, environment}));
      if (source.values['run_list'] !== undefined) problems.push(noAttribute('run_list', {at}));
      values = merged(values, source.values);
      continue;
    }
    const {file} = source;
    const read = jsonObject(files.text(file) ?? '');
    if (read === undefined) {
      problems.push({
        at,
        message: `${file} is not a JSON object`,
        hint: 'Write attributes as {"name": {…}}',
      });
      continue;
    }
    const {run_list: items, ...rest} = read as JsonObject;
    problems.push(...settingProblems(rest, {at, environment, file}));
    if (items !== undefined && policy !== undefined)
      problems.push({
        at,
        message: `${file} has a run list, which Chef would run in the place of the policy's`,
        hint: 'Take it out of the file; another one of the policy is chosen by `named_run_list`',
      });
    if (items !== undefined) runList = {file, items: texts(items)};
    values = merged(values, rest);
  }
  return {values, runList, problems};
}

export type AttributeOptions = Pick<ChefOptions, 'attributes' | 'environment' | 'policy_lock'>;

/** What Chef takes for itself out of the JSON of a node, beside its run list, and where a step says it. */
const settings = {
  recipes: 'Write `run_list` of the step',
  chef_environment: 'Write `environment` of the step',
  policy_name: 'Write `policyfile` of the step',
  policy_group: 'Remove it: the group of a policy is called `local`',
  run_list: 'Write `run_list` of the step',
} as const;

interface SettingPlace {
  readonly at: Path;
  readonly file?: string;
}

function settingProblems(
  values: JsonObject,
  {environment, ...place}: SettingPlace & {readonly environment: string},
): readonly StepProblem[] {
  const names = (['recipes', 'chef_environment', 'policy_name', 'policy_group'] as const).filter(
    (name) => values[name] !== undefined && !(name === 'chef_environment' && values[name] === environment),
  );
  return names.map((name) => noAttribute(name, place));
}

function noAttribute(name: keyof typeof settings, {at, file}: SettingPlace): StepProblem {
  return {
    at: file === undefined ? [...at, name] : at,
    message: `${quote(name)}${file === undefined ? '' : ` in ${file}`} is no attribute: Chef takes it for a setting of the run`,
    hint: settings[name],
  };
}

function merged(below: JsonObject, above: JsonObject): JsonObject {
  const all: Record<string, JsonValue> = {...below};
  for (const [key, value] of Object.entries(above)) {
    const before = all[key];
    all[key] = isObject(before) && isObject(value) ? merged(before, value) : value;
  }
  return all;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
