import {quote} from './diagnostic.ts';
import {architectureOf, architectureWords, codeName} from './distributions.ts';
import {nearest} from './nearest.ts';
import type {Reporter} from './report.ts';
import {
  entriesAt,
  itemsAt,
  type MapTree,
  type ScalarTree,
  type Tree,
  textAt,
  treeAt,
  withEntries,
} from './tree.ts';

/** What a matrix can vary, in the order in which the names of its images tell it. */
export const axes = ['release', 'architecture', 'variant'] as const;
export type Axis = (typeof axes)[number];

/** The keys of a matrix: what the schema refused may have been meant for an axis. */
const known: ReadonlySet<string> = new Set([...axes, 'exclude', 'include']);

/** One image of a matrix: a value for each of its axes. */
export interface Combination {
  /** As written; of a variant the name, where its key stands. */
  readonly values: ReadonlyMap<Axis, Tree>;
  /** What its variant lays over the image. */
  readonly overlay?: MapTree;
}

/**
 * The combinations of a matrix: every value of each axis with every value of the others, but for those that `exclude`
 * names, and those that `include` adds. What does not fit the axes is reported; what the schema refused is passed over.
 */
export function combinations(matrix: Tree, distribution: string | undefined, report: Reporter) {
  const used = axes.filter((axis) => treeAt(matrix, [axis]) !== undefined);
  if (used.length === 0) {
    if (matrix.kind === 'map' && [...matrix.entries.keys()].every((key) => known.has(key)))
      report.at(matrix.site, {
        message: 'matrix has nothing to vary',
        hint: `Name one of ${axes.join(', ')} in it, or remove the key`,
      });
    return [];
  }
  let all: readonly Combination[] = [{values: new Map()}];
  for (const axis of used) {
    const values = valuesOf(matrix, axis);
    all = all.flatMap(({values: before}) =>
      values.map((value): Combination => ({values: new Map(before).set(axis, value)})),
    );
  }
  const whole = all.length > 0;
  const context = {matrix, used, distribution, report};
  for (const excluded of itemsAt(matrix, 'exclude')) all = without(all, excluded, context);
  const added = itemsAt(matrix, 'include').flatMap((one) => included(one, all, context));
  if (whole && all.length + added.length === 0) {
    report.at(treeAt(matrix, ['exclude'])?.site ?? matrix.site, {
      message: '`exclude` leaves no image',
      hint: 'Exclude less, or remove values of the matrix',
    });
  }
  return [...all, ...added].map((one): Combination => {
    const variant = one.values.get('variant');
    const overlay = variant === undefined ? undefined : treeAt(matrix, ['variant', text(variant)]);
    return overlay?.kind === 'map' ? {...one, overlay} : one;
  });
}

/** A value as names tell it: `12` is `bookworm`, `x86_64` is `amd64`. */
export function plainValue(axis: Axis, value: Tree, distribution: string | undefined): string {
  const written = text(value);
  switch (axis) {
    case 'release':
      return codeName(written, distribution);
    case 'architecture':
      return architectureWords.includes(written) ? architectureOf(written) : written;
    case 'variant':
      return written;
  }
}

/** A matrix whose variants lay nothing over an image: for one that is built on an image which has all that already. */
export function bareMatrix(matrix: Tree): Tree {
  const variants = treeAt(matrix, ['variant']);
  if (matrix.kind !== 'map' || variants?.kind !== 'map') return matrix;
  const bare = [...variants.entries].map(([name, {keySite}]) => {
    const nothing: ScalarTree = {kind: 'scalar', value: null, written: '', site: keySite};
    return [name, {keySite, value: nothing}] as const;
  });
  const keySite = matrix.entries.get('variant')?.keySite ?? variants.site;
  return withEntries(
    matrix,
    new Map(matrix.entries).set('variant', {keySite, value: withEntries(variants, bare)}),
  );
}

interface Context {
  readonly matrix: Tree;
  readonly used: readonly Axis[];
  readonly distribution: string | undefined;
  readonly report: Reporter;
}

function valuesOf(matrix: Tree, axis: Axis): readonly Tree[] {
  if (axis !== 'variant') return itemsAt(matrix, axis);
  return entriesAt(matrix, axis).map(([name, {keySite}]) => named(name, keySite));
}

function named(name: string, site: Tree['site']): ScalarTree {
  return {kind: 'scalar', value: name, written: name, site};
}

function without(all: readonly Combination[], excluded: Tree, context: Context): readonly Combination[] {
  if (excluded.kind !== 'map' || !hasOnlyAxes(excluded, context)) return all;
  const names = context.used.some((axis) => excluded.entries.has(axis));
  // What the schema refused may have been meant for one.
  if (!names && excluded.entries.size > 0) return all;
  const rest = names ? all.filter((one) => !matches(one, excluded, context.distribution)) : all;
  if (rest.length < all.length) return rest;
  context.report.at(excluded.site, {
    message: 'This excludes nothing',
    hint:
      unknownValue(excluded, context) ?? 'No image of the matrix has all of these values: remove the entry',
  });
  return all;
}

function included(one: Tree, all: readonly Combination[], context: Context): readonly Combination[] {
  const {used, distribution, report} = context;
  if (one.kind !== 'map' || !hasOnlyAxes(one, context)) return [];
  const missing = used.filter((axis) => !one.entries.has(axis));
  if (missing.length > 0) {
    report.at(one.site, {
      message: `An image to include has no ${missing.map((axis) => `\`${axis}\``).join(' and no ')}`,
      hint: 'Give it a value for every axis of the matrix',
    });
    return [];
  }
  const variant = textAt(one, 'variant');
  const variants = entriesAt(context.matrix, 'variant').map(([name]) => name);
  if (variant !== undefined && !variants.includes(variant.value)) {
    const near = nearest(variant.value, variants);
    report.at(variant.site, {
      message: `There is no variant ${quote(variant.value)}`,
      hint: near === undefined ? `Variants of this matrix: ${variants.join(', ')}` : `Write \`${near}\``,
    });
    return [];
  }
  if (all.some((other) => matches(other, one, distribution))) {
    report.at(one.site, {message: 'The matrix has this image already', hint: 'Remove the entry'});
    return [];
  }
  return [{values: new Map(used.map((axis) => [axis, treeAt(one, [axis]) ?? one]))}];
}

function hasOnlyAxes(entry: MapTree, {used, report}: Context): boolean {
  const odd = axes.filter((axis) => entry.entries.has(axis) && !used.includes(axis));
  for (const axis of odd) {
    report.at(entry.entries.get(axis)?.keySite ?? entry.site, {
      message: `The matrix has no \`${axis}\``,
      hint: `Its axes are ${used.join(', ')}`,
    });
  }
  return odd.length === 0;
}

function matches({values}: Combination, entry: MapTree, distribution: string | undefined): boolean {
  return [...values].every(([axis, value]) => {
    const wanted = treeAt(entry, [axis]);
    return (
      wanted === undefined || plainValue(axis, wanted, distribution) === plainValue(axis, value, distribution)
    );
  });
}

/** The first value that the axis does not have, with the one that was probably meant. */
function unknownValue(entry: MapTree, {matrix, used, distribution}: Context): string | undefined {
  for (const axis of used) {
    const value = treeAt(entry, [axis]);
    if (value === undefined) continue;
    const known = valuesOf(matrix, axis).map((one) => plainValue(axis, one, distribution));
    if (known.includes(plainValue(axis, value, distribution))) continue;
    const near = nearest(text(value), known);
    const list = `The matrix has ${axis} ${known.join(', ')}`;
    return near === undefined ? list : `${list}: write \`${near}\``;
  }
  return undefined;
}

function text(tree: Tree): string {
  return tree.kind === 'scalar' ? String(tree.value) : '';
}
