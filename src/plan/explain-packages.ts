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
