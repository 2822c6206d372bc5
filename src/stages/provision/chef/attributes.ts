import type {JsonObject, JsonValue} from '../../../spec/image.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import type {AttributeSource} from './options.ts';
import {jsonObject, type ProjectFiles, texts} from './project-files.ts';

/** What `attributes` comes to. */
export interface Attributes {
  readonly values: JsonObject;
  /** The run list of the last file that has one, as files for `chef-client -j` do. */
  readonly runList: {readonly file: string; readonly items: readonly string[]} | undefined;
  readonly problems: readonly StepProblem[];
}

/** Merges attributes in their order: mappings by key, anything else as a whole. */
export function mergeAttributes(sources: readonly AttributeSource[], files: ProjectFiles): Attributes {
  let values: JsonObject = {};
  let runList: Attributes['runList'];
  const problems: StepProblem[] = [];
  for (const [index, source] of sources.entries()) {
    if ('values' in source) {
      values = merged(values, source.values);
      continue;
    }
    const {file} = source;
    const read = jsonObject(files.text(file) ?? '');
    if (read === undefined) {
      problems.push({
        at: sources.length === 1 ? ['attributes'] : ['attributes', index],
        message: `${file} is not a JSON object`,
        hint: 'Write attributes as {"name": {…}}',
      });
      continue;
    }
    const {run_list: items, ...rest} = read as JsonObject;
    if (items !== undefined) runList = {file, items: texts(items)};
    values = merged(values, rest);
  }
  return {values, runList, problems};
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
