import type {JsonObject, JsonValue} from '../spec/image.ts';
import type {Path} from '../spec/tree.ts';
import {isJsonObject} from './explain-parts.ts';

/** One difference between two JSON values. */
export interface ValueDiff {
  readonly change: 'added' | 'removed' | 'changed';
  /** Where it is now; of what was removed, where it was. */
  readonly path: Path;
  readonly was?: JsonValue;
  readonly is?: JsonValue;
}

/**
 * Every difference between two values, none where they are the same (the order of keys does not count, that of lists
 * does). Of lists, entries with a name are compared by it, so that one put in front does not touch the others.
 */
export function diffValues(was: JsonValue, is: JsonValue, path: Path = []): readonly ValueDiff[] {
  if (isJsonObject(was) && isJsonObject(is)) return diffObjects(was, is, path);
  if (isList(was) && isList(is)) return diffLists(was, is, path);
  return was === is ? [] : [{change: 'changed', path, was, is}];
}

export function sameValue(was: JsonValue, is: JsonValue): boolean {
  return diffValues(was, is).length === 0;
}

function diffObjects(was: JsonObject, is: JsonObject, path: Path): readonly ValueDiff[] {
  const diffs: ValueDiff[] = [];
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const before = Object.hasOwn(was, key) ? was[key] : undefined;
    const after = Object.hasOwn(is, key) ? is[key] : undefined;
    diffs.push(...diffOptional(before, after, [...path, key]));
  }
  return diffs;
}

/** The same of values that may be absent. */
export function diffOptional(
  was: JsonValue | undefined,
  is: JsonValue | undefined,
  path: Path,
): readonly ValueDiff[] {
  if (was === undefined) return is === undefined ? [] : [{change: 'added', path, is}];
  return is === undefined ? [{change: 'removed', path, was}] : diffValues(was, is, path);
}

function diffLists(was: readonly JsonValue[], is: readonly JsonValue[], path: Path): readonly ValueDiff[] {
  let start = 0;
  while (start < Math.min(was.length, is.length) && sameAt(was, is, [start, start])) start += 1;
  let end = 0;
  const shorter = Math.min(was.length, is.length) - start;
  while (end < shorter && sameAt(was, is, [was.length - 1 - end, is.length - 1 - end])) end += 1;
  const before = was.slice(start, was.length - end);
  const after = is.slice(start, is.length - end);
  return diffNamed(before, after, {path, start}) ?? diffByPlace(before, after, {path, start});
}

function sameAt(
  was: readonly JsonValue[],
  is: readonly JsonValue[],
  [i, j]: readonly [number, number],
): boolean {
  const before = was[i];
  const after = is[j];
  return before !== undefined && after !== undefined && sameValue(before, after);
}

interface Place {
  readonly path: Path;
  /** Index of the first entry. */
  readonly start: number;
}

function diffByPlace(
  was: readonly JsonValue[],
  is: readonly JsonValue[],
  {path, start}: Place,
): readonly ValueDiff[] {
  const length = Math.max(was.length, is.length);
  return Array.from({length}).flatMap((_, index) =>
    diffOptional(was[index], is[index], [...path, start + index]),
  );
}

/** Compares entries by their names; undefined where they have none, or share one. */
function diffNamed(
  was: readonly JsonValue[],
  is: readonly JsonValue[],
  {path, start}: Place,
): readonly ValueDiff[] | undefined {
  const before = byName(was);
  const after = byName(is);
  if (before === undefined || after === undefined) return undefined;
  const kept = [...before.keys()].filter((name) => after.has(name));
  const order = [...after.keys()].filter((name) => before.has(name));
  return [
    ...[...after].flatMap(([name, [index, value]]) =>
      diffOptional(before.get(name)?.[1], value, [...path, start + index]),
    ),
    ...[...before].flatMap(([name, [index, value]]) =>
      after.has(name) ? [] : diffOptional(value, undefined, [...path, start + index]),
    ),
    ...(kept.every((name, index) => name === order[index])
      ? []
      : [{change: 'changed', path, was: kept, is: order} as const]),
  ];
}

function byName(
  list: readonly JsonValue[],
): ReadonlyMap<string, readonly [index: number, value: JsonValue]> | undefined {
  const found = new Map<string, readonly [number, JsonValue]>();
  for (const [index, value] of list.entries()) {
    const name = isJsonObject(value) ? (value['name'] ?? value['path']) : undefined;
    if (typeof name !== 'string' || found.has(name)) return undefined;
    found.set(name, [index, value]);
  }
  return found;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
