import {jsonObject, type ProjectFiles} from './project-files.ts';
import {type Call, rubyCalls, rubyWords} from './ruby-literals.ts';

/** What a cookbook says of itself (Chef::Cookbook::Metadata), as far as it decides what a run reads. */
export interface Metadata {
  /** Absent: it is called as its folder. */
  readonly name?: string;
  readonly version?: string;
  readonly depends: readonly string[];
  /** In what versions it wants those, as far as it says so without a condition. */
  readonly wanted?: ReadonlyMap<string, string>;
  /** Whether all that it depends on is in `depends`: false where only running its metadata.rb would tell. */
  readonly complete: boolean;
}

/** Of the cookbook in a folder, from metadata.json, else metadata.rb, in Chef's order; undefined where it has neither. */
export function readMetadata(files: ProjectFiles, folder: string): Metadata | undefined {
  const json = files.text(`${folder}/metadata.json`);
  if (json !== undefined) return jsonMetadata(json);
  const ruby = files.text(`${folder}/metadata.rb`);
  return ruby === undefined ? undefined : rubyMetadata(ruby);
}

export function jsonMetadata(text: string): Metadata {
  const data = jsonObject(text);
  if (data === undefined) return {depends: [], complete: false};
  const {name, version, dependencies} = data;
  const pairs = typeof dependencies === 'object' && dependencies !== null ? Object.entries(dependencies) : [];
  return {
    ...words(name, version),
    depends: pairs.map(([one]) => one).sort(),
    ...constraints(pairs),
    complete: true,
  };
}

/** Methods by which Ruby could call `depends` without its name standing there. */
const roundabout = [
  'eval',
  'instance_eval',
  'class_eval',
  'send',
  'public_send',
  '__send__',
  'load',
  'require',
  'require_relative',
  'method',
];

/** Words after which a line of Ruby may count or not. */
const conditions = ['if', 'unless', 'case', 'while', 'until', 'rescue'];

export function rubyMetadata(text: string): Metadata {
  const calls = rubyCalls(text, ['name', 'version', 'depends']);
  const first = ({given}: Call): string | undefined => {
    const [value] = given ?? [];
    return typeof value === 'string' ? value : undefined;
  };
  // A literal one: `name` and `version` may be variables elsewhere.
  const last = (method: string): string | undefined =>
    calls.flatMap((call) => (call.method === method ? (first(call) ?? []) : [])).at(-1);
  const depends = calls.filter(({method}) => method === 'depends');
  const used = rubyWords(text);
  const pairs = depends.flatMap((call): [string, unknown][] => {
    const name = first(call);
    return name === undefined ? [] : [[name, call.given?.[1]]];
  });
  return {
    ...words(last('name'), last('version')),
    depends: [...new Set(pairs.map(([name]) => name))].sort(),
    ...(conditions.some((word) => used.has(word)) ? {} : constraints(pairs)),
    complete:
      depends.every((call) => first(call) !== undefined) && !roundabout.some((word) => used.has(word)),
  };
}

function constraints(pairs: readonly (readonly [string, unknown])[]): Pick<Metadata, 'wanted'> {
  const wanted = pairs.flatMap(([name, constraint]): [string, string][] =>
    typeof constraint === 'string' ? [[name, constraint]] : [],
  );
  return wanted.length === 0 ? {} : {wanted: new Map(wanted)};
}

function words(name: unknown, version: unknown): Pick<Metadata, 'name' | 'version'> {
  return {
    ...(typeof name === 'string' && name !== '' ? {name} : {}),
    ...(typeof version === 'string' && version !== '' ? {version} : {}),
  };
}
