import type {JsonObject, JsonValue} from '../spec/image.ts';
import type {Path} from '../spec/tree.ts';
import {isJsonObject, isWordList} from './explain-parts.ts';

/** A list of packages in a stage's parameters: words of apt, `name` or `name=version`. */
export interface PackageList {
  readonly param: Path;
  readonly list: 'install' | 'remove';
}

export const packageLists: readonly PackageList[] = [
  {param: ['install'], list: 'install'},
  {param: ['remove'], list: 'remove'},
  {param: ['packages'], list: 'install'},
  {param: ['plan', 'packages'], list: 'install'},
  {param: ['plan', 'initramfsPackages'], list: 'install'},
];

export interface PackageDiff {
  readonly change: 'added' | 'removed' | 'changed' | 'order';
  readonly package: string;
  /** Index in the list as it is now, or was where it is gone. */
  readonly index: number;
  /** Versions. */
  readonly was?: string;
  readonly is?: string;
}

/** What differs between two lists: they are sets whose order counts. `order`: what is in both stands otherwise. */
export function diffPackages(was: readonly string[], is: readonly string[]): readonly PackageDiff[] {
  const before = new Map(was.map((word) => [packageName(word), word]));
  const after = new Map(is.map((word) => [packageName(word), word]));
  const diffs: PackageDiff[] = [];
  for (const [name, word] of after) {
    const old = before.get(name);
    const index = is.indexOf(word);
    if (old === undefined) diffs.push({change: 'added', package: word, index});
    else if (old !== word)
      diffs.push({change: 'changed', package: name, index, ...version('was', old), ...version('is', word)});
  }
  for (const [name, word] of before) {
    if (!after.has(name)) diffs.push({change: 'removed', package: word, index: was.indexOf(word)});
  }
  const kept = was.map(packageName).filter((name) => after.has(name));
  const order = is.map(packageName).filter((name) => before.has(name));
  const repeated = diffs.length === 0 && was.join(' ') !== is.join(' ');
  if (repeated || kept.join(' ') !== order.join(' ')) diffs.push({change: 'order', package: '', index: 0});
  return diffs;
}

/** A package of fgimage.lock that is another one; without `was` it came, without `is` it went. */
export interface LockedDiff {
  readonly name: string;
  readonly was?: string;
  readonly is?: string;
}

/** What differs between two lists of packages by file name and digest, as `refinedPackages` makes them. */
export function diffLocked(was: readonly string[], is: readonly string[]): readonly LockedDiff[] {
  const gone = new Map(was.filter((line) => !is.includes(line)).map(lockedEntry));
  const come = new Map(is.filter((line) => !was.includes(line)).map(lockedEntry));
  return [...new Set([...gone.keys(), ...come.keys()])].sort().map((name): LockedDiff => {
    const [before, after] = [gone.get(name), come.get(name)];
    const isRebuilt = before !== undefined && before.version === after?.version;
    const text = (one: {version: string; digest: string}): string =>
      isRebuilt ? `${one.version} (${one.digest.slice(0, 12)})` : one.version;
    return {
      name,
      ...(before === undefined ? {} : {was: text(before)}),
      ...(after === undefined ? {} : {is: text(after)}),
    };
  });
}

function lockedEntry(line: string): [name: string, entry: {version: string; digest: string}] {
  const [file = '', digest = ''] = line.split(' ');
  const [name = '', version = ''] = file.split('_');
  return [name, {version: version.replaceAll('%3a', ':'), digest}];
}

/** `jq` of `jq=1.6-2.1`. */
export function packageName(word: string): string {
  return word.split('=', 1)[0] ?? word;
}

/** The words of a list, undefined where the parameters have none there. */
export function wordsAt(params: JsonObject, path: Path): readonly string[] | undefined {
  const found = valueAt(params, path);
  return isWordList(found) ? found : undefined;
}

export function valueAt(value: JsonValue, path: Path): JsonValue | undefined {
  let found: JsonValue | undefined = value;
  for (const step of path) {
    if (Array.isArray(found) && typeof step === 'number') found = (found as readonly JsonValue[])[step];
    else if (isJsonObject(found) && typeof step === 'string' && Object.hasOwn(found, step))
      found = found[step];
    else return undefined;
  }
  return found;
}

function version<Name extends string>(name: Name, word: string): {readonly [N in Name]?: string} {
  const at = word.indexOf('=');
  return at === -1 ? {} : ({[name]: word.slice(at + 1)} as {[N in Name]: string});
}
