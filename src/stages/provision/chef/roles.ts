import {jsonObject, type ProjectFiles, texts} from './project-files.ts';
import {type Literal, rubyCalls, rubyWords} from './ruby-literals.ts';

/** A role as far as it decides what is run (Chef::Role). */
export interface Role {
  readonly name: string;
  /** Its file, relative to the project. */
  readonly path: string;
  /** What it stands for in an environment; undefined where only running its Ruby would tell. */
  readonly runList: (environment: string) => readonly string[] | undefined;
}

const suffixes = ['json', 'rb'] as const;

/** The role of a name in a folder of roles. */
export function readRole(files: ProjectFiles, folder: string, name: string): Role | undefined {
  for (const suffix of suffixes) {
    const path = `${folder}/${name}.${suffix}`;
    const text = files.text(path);
    if (text !== undefined) return {name, path, runList: suffix === 'json' ? jsonRole(text) : rubyRole(text)};
  }
  return undefined;
}

/** Files of a folder of roles or environments. */
export function definitionFiles(files: ProjectFiles, folder: string): readonly string[] {
  return files.names(folder).filter((name) => suffixes.some((suffix) => name.endsWith(`.${suffix}`)));
}

/** The names that such files define. */
export function definedNames(files: ProjectFiles, folder: string): readonly string[] {
  return definitionFiles(files, folder).map((name) => name.replace(/\.(json|rb)$/, ''));
}

export function jsonRole(text: string): Role['runList'] {
  const data = jsonObject(text);
  if (data === undefined) return () => undefined;
  const {recipes, run_list: usual = recipes, env_run_lists: own} = data;
  return (environment) => {
    const special = typeof own === 'object' && own !== null ? (own as Record<string, unknown>) : {};
    return texts(special[environment] ?? special['_default'] ?? usual);
  };
}

/** The words of a file of a role that says what it says as it stands: Chef's own, and literals. */
const plainWords = new Set([
  'name',
  'description',
  'run_list',
  'recipes',
  'env_run_list',
  'env_run_lists',
  'default_attributes',
  'override_attributes',
  'true',
  'false',
  'nil',
]);

/** With anything else in it, conditions or variables, a role of Ruby can be any. */
export function rubyRole(text: string): Role['runList'] {
  if (![...rubyWords(text)].every((word) => plainWords.has(word))) return () => undefined;
  const calls = rubyCalls(text, ['run_list', 'recipes', 'env_run_list', 'env_run_lists']);
  let usual: readonly string[] = [];
  const own = new Map<string, readonly string[]>();
  for (const {method, given} of calls) {
    if (given === undefined) return () => undefined;
    if (!method.startsWith('env')) {
      if (given.length > 0) usual = flatTexts(given);
      continue;
    }
    const [pairs] = given;
    if (!(pairs instanceof Map)) return () => undefined;
    for (const [environment, list] of pairs as ReadonlyMap<string, Literal>)
      own.set(environment, flatTexts([list]));
  }
  return (environment) => own.get(environment) ?? own.get('_default') ?? usual;
}

function flatTexts(values: readonly Literal[]): readonly string[] {
  return values.flatMap((value) =>
    typeof value === 'string' ? [value] : value instanceof Map ? [] : flatTexts(value as readonly Literal[]),
  );
}
