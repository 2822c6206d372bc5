import type {Inventory, InventoryFile} from '../inventory/inventory.ts';
import {diffPackages, type PackageChange, type PackageVersion} from '../lock/diff.ts';
import {diffParts, type Reason} from '../plan/explain.ts';
import type {KeyParts} from '../plan/key.ts';
import {diffItems, type ItemChange} from './items.ts';
import {diffTrees, type EntryDifference, type Tree} from './manifests.ts';

/** What is known of an image that was built. */
export interface ImageFacts {
  readonly image: string;
  readonly target: string;
  /** Of the artifact; absent where nobody knows it. */
  readonly digest?: string;
  readonly packages: readonly PackageVersion[];
  readonly kernels: readonly string[];
  /** The files of the artifact. */
  readonly artifacts: readonly {readonly path: string; readonly sizeBytes: number; readonly sha256: string}[];
  /** Absent in artifacts of an fgimage that made none. */
  readonly inventory?: Inventory;
  /** What its stages' keys were made of, by stage without the names of image and target; those that are known. */
  readonly stages: ReadonlyMap<string, KeyParts>;
  /** Every path of the tree, where all files are asked for. */
  readonly tree?: Tree;
}

/** A stage that is not made of the same. */
export interface ConfigurationChange {
  /** `packages`, `provision-1`, `adapt`. */
  readonly stage: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly reasons: readonly Reason[];
}

export interface SizeChange {
  /** A file of the artifact, or `files in the image`. */
  readonly name: string;
  readonly a?: number;
  readonly b?: number;
}

/** Everything in which two images differ; empty lists where they are alike. */
export interface ImageChanges {
  readonly configuration: readonly ConfigurationChange[];
  readonly packages: readonly PackageChange[];
  /** What no package brought, and packages' configuration files that are not what they brought … */
  readonly files: readonly ItemChange[];
  /** … or every path, where all are asked for. */
  readonly tree?: readonly EntryDifference[];
  readonly users: readonly ItemChange[];
  readonly groups: readonly ItemChange[];
  readonly units: readonly ItemChange[];
  readonly setuid: readonly ItemChange[];
  readonly kernels: readonly ItemChange[];
  /** Files of the artifact with other bytes. */
  readonly artifacts: readonly ItemChange[];
  readonly sizes: readonly SizeChange[];
  /** What could not be compared, and why. */
  readonly unknown: readonly string[];
}

/** What it takes to get from image `a` to image `b`. */
export function diffImages(a: ImageFacts, b: ImageFacts): ImageChanges {
  const inventories = {a: a.inventory, b: b.inventory};
  return {
    configuration: diffConfiguration(a.stages, b.stages),
    packages: diffPackages(a.packages, b.packages),
    files: a.tree === undefined || b.tree === undefined ? diffFiles(inventories) : [],
    ...(a.tree === undefined || b.tree === undefined ? {} : {tree: diffTrees(a.tree, b.tree)}),
    ...diffAccounts(inventories),
    units: diffItems(
      listsOf(inventories, ({units}) => units),
      ({name}) => name,
      ({state}) => ({state}),
    ),
    setuid: diffItems(
      listsOf(inventories, ({setuid}) => setuid),
      ({path}) => path,
      ({mode, uid, gid}) => ({mode, owner: owner({uid, gid})}),
    ),
    kernels: diffItems(
      {a: a.kernels, b: b.kernels},
      (name) => name,
      () => ({}),
    ),
    artifacts: diffItems(
      {a: a.artifacts, b: b.artifacts},
      ({path}) => path,
      ({sha256}) => ({sha256}),
    ),
    sizes: diffSizes(a, b),
    unknown: unknownOf(a, b),
  };
}

/** Whether two images are the same in all that was compared. */
export function isSameImage(changes: ImageChanges): boolean {
  const lists = Object.entries(changes).filter(([name]) => name !== ('unknown' satisfies keyof ImageChanges));
  return lists.every(([, list]) => (list as readonly unknown[]).length === 0);
}

function diffConfiguration(
  a: ReadonlyMap<string, KeyParts>,
  b: ReadonlyMap<string, KeyParts>,
): readonly ConfigurationChange[] {
  if (a.size === 0 || b.size === 0) return [];
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((stage): readonly ConfigurationChange[] => {
    const [was, is] = [a.get(stage), b.get(stage)];
    if (was === undefined) return [{stage, change: 'added', reasons: []}];
    if (is === undefined) return [{stage, change: 'removed', reasons: []}];
    const node = {id: stage, origins: []};
    const reasons = diffParts(ownParts(was), ownParts(is), {node, locate: () => undefined});
    return reasons.length === 0 ? [] : [{stage, change: 'changed', reasons}];
  });
}

/** Without what the stages below gave, and without the packages that were found: both are told by themselves. */
function ownParts(parts: KeyParts): KeyParts {
  const params = Object.entries(parts.params).filter(([name]) => name !== 'refinement');
  return {...parts, params: Object.fromEntries(params), inputs: []};
}

interface Inventories {
  readonly a: Inventory | undefined;
  readonly b: Inventory | undefined;
}

/** A list of both, where both are known. */
function listsOf<Item>(
  {a, b}: Inventories,
  listOf: (inventory: Inventory) => readonly Item[],
): {readonly a: readonly Item[]; readonly b: readonly Item[]} {
  return a === undefined || b === undefined ? {a: [], b: []} : {a: listOf(a), b: listOf(b)};
}

function diffAccounts(inventories: Inventories): Pick<ImageChanges, 'users' | 'groups'> {
  return {
    users: diffItems(
      listsOf(inventories, ({users}) => users),
      ({name}) => name,
      ({uid, gid, home, shell, password}) => ({
        uid: String(uid),
        gid: String(gid),
        home,
        shell,
        password,
      }),
    ),
    groups: diffItems(
      listsOf(inventories, ({groups}) => groups),
      ({name}) => name,
      ({gid, members}) => ({gid: String(gid), members: members.join(',')}),
    ),
  };
}

function diffFiles(inventories: Inventories): readonly ItemChange[] {
  const unowned = diffItems(
    listsOf(inventories, ({files}) => files.unowned),
    ({path}) => path,
    fileFields,
  );
  const changed = diffItems(
    listsOf(inventories, ({files}) => files.changed),
    ({path, package: owned}) => `${path} (${owned})`,
    ({state, sha256 = '-'}) => ({state, content: sha256}),
  );
  return [...unowned, ...changed].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function fileFields({type, mode, uid, gid, sha256, target}: InventoryFile): Readonly<Record<string, string>> {
  return {
    type,
    ...(sha256 === undefined ? {} : {content: sha256}),
    ...(target === undefined ? {} : {'link target': target}),
    mode,
    owner: owner({uid, gid}),
  };
}

function owner({uid, gid}: {readonly uid: number; readonly gid: number}): string {
  return `${String(uid)}:${String(gid)}`;
}

function diffSizes(a: ImageFacts, b: ImageFacts): readonly SizeChange[] {
  const sizesOf = ({artifacts, inventory}: ImageFacts): ReadonlyMap<string, number> =>
    new Map([
      ...artifacts.map(({path, sizeBytes}) => [path, sizeBytes] as const),
      ...(inventory === undefined ? [] : [['files in the image', inventory.size.bytes] as const]),
    ]);
  const [before, after] = [sizesOf(a), sizesOf(b)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [left, right] = [before.get(name), after.get(name)];
    // Where nothing is known of one side's, there is no change to tell of.
    if (left === right || (name === 'files in the image' && (left === undefined || right === undefined)))
      return [];
    return [{name, ...(left === undefined ? {} : {a: left}), ...(right === undefined ? {} : {b: right})}];
  });
}

function unknownOf(a: ImageFacts, b: ImageFacts): readonly string[] {
  const names = ({image, target}: ImageFacts): string => `${image}/${target}`;
  const sides = [a, b];
  const withoutStages = sides.filter(({stages}) => stages.size === 0).map(names);
  const withoutInventory = sides.filter(({inventory}) => inventory === undefined).map(names);
  return [
    ...(withoutStages.length === 0
      ? []
      : [`configuration: this cache does not know how ${withoutStages.join(' and ')} was made`]),
    ...(withoutInventory.length === 0
      ? []
      : [`files, users, groups and units: there is no inventory of ${withoutInventory.join(' and ')}`]),
  ];
}
