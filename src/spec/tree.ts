import type {Site} from './source.ts';

/**
 * A spec as a tree of values that know where they were written. Merging works on trees, so a value keeps its place
 * through `extends`, defaults, `images` and `matrix`. Trees are shared (a YAML alias is its anchor's tree) and never
 * changed.
 */
export type Tree = ScalarTree | ListTree | MapTree;
export type Path = readonly (string | number)[];

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As it stands in the file, without quotes: `0644` where the value is 644. */
  readonly written: string;
  readonly site: Site;
}

export interface ListTree {
  readonly kind: 'list';
  readonly items: readonly Tree[];
  readonly site: Site;
}

export interface MapTree {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly site: Site;
}

export interface Entry {
  readonly keySite: Site;
  readonly value: Tree;
}

/** The value as plain JSON. */
export function toJson(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(toJson);
    case 'map':
      return Object.fromEntries([...tree.entries].map(([key, {value}]) => [key, toJson(value)]));
  }
}

/** The value under a path, or undefined where the path leads nowhere. */
export function treeAt(tree: Tree | undefined, path: Path): Tree | undefined {
  let found = tree;
  for (const step of path) found = found === undefined ? undefined : child(found, step);
  return found;
}

/** The value under a path, else the nearest value around it. */
export function nearestTree(tree: Tree, path: Path): Tree {
  let found = tree;
  for (const step of path) {
    const next = child(found, step);
    if (next === undefined) return found;
    found = next;
  }
  return found;
}

export function child(tree: Tree, step: string | number): Tree | undefined {
  if (tree.kind === 'map') return tree.entries.get(String(step))?.value;
  if (tree.kind === 'list' && typeof step === 'number') return tree.items[step];
  return undefined;
}

/** The items under a key, none where there is no list. */
export function itemsAt(tree: Tree | undefined, ...path: Path): readonly Tree[] {
  const found = treeAt(tree, path);
  return found?.kind === 'list' ? found.items : [];
}

/** The entries under a key, none where there is no mapping. */
export function entriesAt(tree: Tree | undefined, ...path: Path): readonly (readonly [string, Entry])[] {
  const found = treeAt(tree, path);
  return found?.kind === 'map' ? [...found.entries] : [];
}

/** The scalar under a path where it is text. */
export function textAt(
  tree: Tree | undefined,
  ...path: Path
): (ScalarTree & {readonly value: string}) | undefined {
  const found = treeAt(tree, path);
  return found !== undefined && isText(found) ? found : undefined;
}

export function isText(tree: Tree): tree is ScalarTree & {readonly value: string} {
  return tree.kind === 'scalar' && typeof tree.value === 'string';
}

/** A mapping with some entries left out or put in; its place stays. */
export function withEntries(map: MapTree, entries: Iterable<readonly [string, Entry]>): MapTree {
  return {kind: 'map', entries: new Map(entries), site: map.site};
}
