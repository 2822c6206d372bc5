import {type Entry, type ListTree, type MapTree, type Tree, withEntries} from './tree.ts';

/**
 * How two specs, or the defaults and an image, become one: mappings key by key, lists joined with the base's entries
 * first, everything else by the later value. Below `targets` and `matrix` a list replaces a list.
 */
const replacing = new Set(['targets', 'matrix']);

/** Lists of which a repeated entry says nothing new. */
const sets = new Set(['packages', 'remove_packages', 'tags', 'enable', 'disable', 'mask']);

/** The mapping that `over` makes of `base`; neither is changed. */
export function mergeMaps(base: MapTree, over: MapTree): MapTree {
  return mergeEntries(base, over, false);
}

function mergeEntries(base: MapTree, over: MapTree, replaceLists: boolean): MapTree {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const before = base.entries.get(key);
    entries.set(key, before === undefined ? entry : mergeEntry(key, [before, entry], replaceLists));
  }
  return {kind: 'map', entries, site: over.site};
}

function mergeEntry(key: string, [before, after]: readonly [Entry, Entry], replaceLists: boolean): Entry {
  const base = before.value;
  const over = after.value;
  if (key === 'targets' && !replaceLists) return {keySite: after.keySite, value: mergeTargets(base, over)};
  const replace = replaceLists || replacing.has(key);
  if (base.kind === 'map' && over.kind === 'map') {
    return {keySite: after.keySite, value: mergeEntries(base, over, replace)};
  }
  if (base.kind === 'map' && isNull(over) && !replace) return before;
  if (base.kind === 'list' && over.kind === 'list' && !replace) {
    return {keySite: after.keySite, value: joinLists(base, over)};
  }
  return after;
}

/** By name; `false` drops a target, an empty value takes it as it is. */
function mergeTargets(base: Tree, over: Tree): Tree {
  const first = targetsMap(base);
  const second = targetsMap(over);
  if (first.kind !== 'map' || second.kind !== 'map') return second;
  const entries = new Map(first.entries);
  for (const [name, entry] of second.entries) {
    const before = entries.get(name)?.value;
    if (before?.kind === 'map' && isNull(entry.value)) continue;
    const deep = before?.kind === 'map' && entry.value.kind === 'map';
    entries.set(name, deep ? {...entry, value: mergeEntries(before, entry.value, true)} : entry);
  }
  return {kind: 'map', entries, site: second.site};
}

/** `targets: [openstack, hpc]` as the mapping it stands for; anything else as it is. */
function targetsMap(tree: Tree): Tree {
  if (tree.kind !== 'list') return tree;
  const entries = new Map<string, Entry>();
  for (const item of tree.items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue;
    entries.set(item.value, {
      keySite: item.site,
      value: {kind: 'scalar', value: null, written: '', site: item.site},
    });
  }
  return {kind: 'map', entries, site: tree.site};
}

function joinLists(base: ListTree, over: ListTree): ListTree {
  return {kind: 'list', items: [...base.items, ...over.items], site: over.site};
}

/** A body with the repeated entries of its sets left out, and its targets as a mapping without the dropped ones. */
export function tidy(body: MapTree): MapTree {
  return withEntries(
    body,
    [...body.entries].map(([key, entry]) => [key, {...entry, value: tidyValue(key, entry.value)}]),
  );
}

function tidyValue(key: string, value: Tree): Tree {
  if (key === 'targets') {
    const map = targetsMap(value);
    if (map.kind !== 'map') return map;
    return withEntries(
      map,
      [...map.entries].filter(([, {value: one}]) => !(one.kind === 'scalar' && one.value === false)),
    );
  }
  if (key === 'services' && value.kind === 'map') return tidy(value);
  return value.kind === 'list' && sets.has(key) ? unique(value) : value;
}

function unique(list: ListTree): ListTree {
  const seen = new Set<string>();
  const items = list.items.filter((item) => {
    if (item.kind !== 'scalar') return true;
    const text = String(item.value);
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
  return {...list, items};
}

function isNull(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null;
}
