import {posix} from 'node:path';
import {quote} from '../../../spec/diagnostic.ts';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import type {Cookbook, Shelf} from './cookbooks.ts';
import {jsonObject, type ProjectFiles} from './project-files.ts';
import {sameVersion} from './run-list.ts';

/** A Policyfile.lock.json, with the folders of the project in which its cookbooks are. */
export interface Policy {
  readonly name: string;
  readonly revision: string;
  readonly namedLists: readonly string[];
  readonly cookbooks: readonly (Cookbook & {readonly identifier: string})[];
  readonly problems: readonly StepProblem[];
}

const at = ['policyfile'];

/**
 * Reads a lock as `chef install` writes it. A cookbook with a path is there; one that Chef cached is looked for in the
 * folders of `cookbooks`, under its cache key, as `chef export` calls it, or under its own name.
 */
export function readPolicy(files: ProjectFiles, lock: string, shelf: Shelf): Policy {
  const nothing = {name: '', revision: '', namedLists: [], cookbooks: []};
  const text = files.text(lock);
  if (text === undefined)
    return {
      ...nothing,
      problems: [
        {at, message: `There is no ${quote(lock)} in the project`, hint: 'Make it with `chef install`'},
      ],
    };
  const data = jsonObject(text);
  const {name, revision_id: revision, cookbook_locks: locks, named_run_lists: lists} = data ?? {};
  if (typeof name !== 'string' || typeof revision !== 'string' || !isRecord(locks))
    return {
      ...nothing,
      problems: [{at, message: `${lock} is not a lock of a policy`, hint: 'Make it with `chef install`'}],
    };
  const namedWell = /^[A-Za-z0-9._-]+$/.test(name) && /^[0-9a-f]+$/.test(revision);
  const problems: StepProblem[] = namedWell
    ? []
    : [{at, message: `${lock} has a name or revision that is none`, hint: 'Make it with `chef install`'}];
  const cookbooks: (Cookbook & {identifier: string})[] = [];
  for (const [cookbookName, value] of Object.entries(locks).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const found = lockedCookbook({files, lock, shelf, name: cookbookName, value});
    if ('message' in found) problems.push({at, ...found});
    else cookbooks.push(found);
  }
  return {name, revision, namedLists: isRecord(lists) ? Object.keys(lists) : [], cookbooks, problems};
}

/** What is wrong with the run list of a policy that a step names. */
export function namedListProblems(
  {namedLists, problems}: Policy,
  {lock, named}: {readonly lock: string; readonly named: string},
): readonly StepProblem[] {
  if (problems.length > 0 || namedLists.includes(named)) return [];
  const near = nearest(named, namedLists);
  return [
    {
      at: ['named_run_list'],
      message: `${lock} has no run list ${quote(named)}`,
      hint:
        near === undefined
          ? `Its named run lists are: ${namedLists.join(', ') || 'none'}`
          : `Write \`${near}\``,
    },
  ];
}

interface Locked {
  readonly files: ProjectFiles;
  readonly lock: string;
  readonly shelf: Shelf;
  readonly name: string;
  readonly value: unknown;
}

function lockedCookbook({
  files,
  lock,
  shelf,
  name,
  value,
}: Locked): (Cookbook & {identifier: string}) | {readonly message: string; readonly hint: string} {
  const {version, identifier, source, cache_key: cacheKey} = isRecord(value) ? value : {};
  if (typeof identifier !== 'string' || !/^[0-9a-f]+$/.test(identifier) || !/^[A-Za-z0-9._-]+$/.test(name))
    return {message: `${lock} has no identifier for ${quote(name)}`, hint: 'Make it with `chef install`'};
  const own = typeof source === 'string' ? posix.join(posix.dirname(lock), source) : undefined;
  if (own !== undefined && (posix.isAbsolute(own) || own.startsWith('..')))
    return {
      message: `Cookbook ${name} of ${lock} leaves the project: ${quote(own)}`,
      hint: 'Copy it into the project and run `chef install` again',
    };
  const keys = [...(typeof cacheKey === 'string' ? [cacheKey] : []), `${name}-${identifier}`];
  const places =
    own === undefined ? shelf.paths.flatMap((path) => keys.map((key) => `${path}/${key}`)) : [own];
  const cookbook =
    places.filter((place) => files.isFolder(place)).flatMap((place) => shelf.at(place) ?? [])[0] ??
    (own === undefined ? shelf.find(name)[0] : undefined);
  if (cookbook === undefined)
    return {
      message: `Cookbook ${name} of ${lock} is not in the project${own === undefined ? '' : `: there is no ${own}`}`,
      hint: 'Put it into a folder of `cookbooks`, by its name or the cache key of the lock',
    };
  const found = cookbook.metadata.version;
  if (typeof version === 'string' && found !== undefined && !sameVersion(version, found))
    return {
      message: `Cookbook ${name} is locked in version ${version}; ${cookbook.folder} is ${found}`,
      hint: 'Put that version there, or run `chef update`',
    };
  return {...cookbook, name, identifier};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
