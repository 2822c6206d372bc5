import {quote} from '../../../spec/diagnostic.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import type {Cookbook, Shelf} from './cookbooks.ts';
import type {ProjectFiles} from './project-files.ts';
import {sameVersion} from './run-list.ts';

export interface BerksCheck {
  readonly files: ProjectFiles;
  /** The Berksfile.lock. */
  readonly lock: string;
  readonly shelf: Shelf;
  /** The cookbooks that are run. */
  readonly used: readonly Cookbook[];
}

/** What of the vendored cookbooks is not as Berksfile.lock says. */
export function berksProblems({files, lock, shelf, used}: BerksCheck): readonly StepProblem[] {
  const at = ['berksfile'];
  const text = files.text(lock);
  if (text === undefined)
    return [{at, message: `There is no ${quote(lock)} in the project`, hint: 'Make it with `berks install`'}];
  const locked = lockedVersions(text);
  if (locked === undefined)
    return [{at, message: `${lock} is not a lock of Berkshelf`, hint: 'Make it with `berks install`'}];
  const folders = shelf.paths.join(', ');
  const absent = [...locked.keys()]
    .filter((name) => shelf.find(name).length === 0)
    .map((name) => ({
      at,
      message: `Cookbook ${name} of ${lock} is not in ${folders === '' ? 'the project' : folders}`,
      hint: `Run \`berks vendor ${shelf.paths[0] ?? 'cookbooks'}\``,
    }));
  const others = used.flatMap(({name, folder, metadata}) => {
    const wanted = locked.get(name);
    if (wanted === undefined)
      return [{at, message: `Cookbook ${name} (${folder}) is not in ${lock}`, hint: 'Run `berks install`'}];
    if (metadata.version === undefined || sameVersion(wanted, metadata.version)) return [];
    return [
      {
        at,
        message: `Cookbook ${name} is locked in version ${wanted}; ${folder} is ${metadata.version}`,
        hint: `Run \`berks vendor ${shelf.paths[0] ?? 'cookbooks'}\`, or \`berks update ${name}\``,
      },
    ];
  });
  return [...absent, ...others];
}

/** Versions by name: below GRAPH, each cookbook with two blanks before it, its dependencies with four. */
export function lockedVersions(text: string): ReadonlyMap<string, string> | undefined {
  const lines = text.split(/\r?\n/);
  const start = lines.indexOf('GRAPH');
  if (start === -1) return undefined;
  return new Map(
    lines.slice(start + 1).flatMap((line): [string, string][] => {
      const found = /^ {2}(?<name>\S+) \((?<version>[^)]+)\)$/.exec(line)?.groups;
      return found === undefined ? [] : [[found['name'] ?? '', found['version'] ?? '']];
    }),
  );
}
