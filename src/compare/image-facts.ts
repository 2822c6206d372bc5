import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {documentNames, type Inventory, inventoryVersion} from '../inventory/inventory.ts';
import type {PackageVersion} from '../lock/diff.ts';
import {asKeyParts} from '../plan/explain.ts';
import type {KeyParts} from '../plan/key.ts';
import {artifactFiles} from '../run/deliver.ts';
import type {ImageFacts} from './images.ts';
import {mergeLayers} from './layers.ts';
import {parseManifest, type Tree} from './manifests.ts';

/** A stage that an image is made of, and what it gave. */
export interface MadeStage {
  readonly stage: string;
  readonly key?: string;
  readonly digest: string;
}

/** What manifest.json beside an artifact tells (src/cli/finish.ts). */
interface ArtifactManifest {
  readonly image: string;
  readonly target: string;
  readonly files: readonly {readonly path: string; readonly size_bytes: number; readonly sha256: string}[];
  readonly stages: readonly MadeStage[];
  readonly packages: readonly PackageVersion[];
  readonly kernels: readonly string[];
}

/** What is known of an artifact that was handed out; undefined where the folder holds none. */
export function factsOfFolder(
  folder: string,
  {store, files}: {readonly store: Store; readonly files: boolean},
): ImageFacts | undefined {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) return undefined;
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Partial<ArtifactManifest>;
  const {image, target, stages = [], files: artifacts = [], packages = [], kernels = []} = manifest;
  if (image === undefined || target === undefined) return undefined;
  const digest = stages.findLast(({stage}) => stage.startsWith('pack:'))?.digest;
  const inventory = inventoryAt(join(folder, documentNames.inventory)) ?? inventoryOf(store, stages);
  return {
    image,
    target,
    ...(digest === undefined ? {} : {digest}),
    packages,
    kernels,
    artifacts: artifacts.map(({path: name, size_bytes, sha256}) => ({
      path: name,
      sizeBytes: size_bytes,
      sha256,
    })),
    ...(inventory === undefined ? {} : {inventory}),
    stages: keyPartsOf(store, stages),
    ...(files ? treeOf(store, stages) : {}),
  };
}

/** What the cache knows of an artifact, by the digest of what its pack stage gave; undefined where nothing is. */
export function factsOfDigest(
  digest: string,
  {store, files}: {readonly store: Store; readonly files: boolean},
): ImageFacts | undefined {
  const row = store.database
    .prepare(
      `SELECT key, stage, result FROM actions WHERE digest = ? AND stage LIKE 'pack:%' ORDER BY started_at DESC`,
    )
    .get(digest) as {readonly key: string; readonly stage: string; readonly result: string} | undefined;
  if (row === undefined) return undefined;
  const parts = asKeyParts(store.keyParts(row.key));
  const inputs = (parts?.inputs ?? []).map(
    ([stage, given]): MadeStage => ({stage, digest: given, ...keyOf(store, stage, given)}),
  );
  const stages = [...inputs, {stage: row.stage, key: row.key, digest}];
  const result = JSON.parse(row.result) as Partial<Pick<ArtifactManifest, 'packages' | 'kernels'>>;
  const [image = '', target = ''] = row.stage.slice('pack:'.length).split('/');
  const inventory = inventoryOf(store, [...stages, ...documentStages(store, {image, target}, stages)]);
  const artifacts = store.hasContent(digest) ? artifactFiles(store, digest) : [];
  return {
    image,
    target,
    digest,
    packages: result.packages ?? [],
    kernels: result.kernels ?? [],
    artifacts: artifacts.map(({path, size_bytes, sha256}) => ({path, sizeBytes: size_bytes, sha256})),
    ...(inventory === undefined ? {} : {inventory}),
    stages: keyPartsOf(store, stages),
    ...(files ? treeOf(store, stages) : {}),
  };
}

function keyOf(store: Store, stage: string, digest: string): {readonly key?: string} {
  const key = store.database
    .prepare('SELECT key FROM actions WHERE stage = ? AND digest = ? ORDER BY started_at DESC')
    .pluck()
    .get(stage, digest);
  return typeof key === 'string' ? {key} : {};
}

/** The stages that took the inventory of the same tree: they stand beside the pack stage, not below it. */
function documentStages(
  store: Store,
  {image, target}: {readonly image: string; readonly target: string},
  stages: readonly MadeStage[],
): readonly MadeStage[] {
  const stage = `sbom:${image}/${target}`;
  const rows = store.database
    .prepare('SELECT key, digest FROM actions WHERE stage = ? ORDER BY started_at DESC')
    .all(stage) as {readonly key: string; readonly digest: string}[];
  const adapted = stages.find((one) => one.stage.startsWith('adapt:'))?.digest;
  const found = rows.find(({key}) =>
    asKeyParts(store.keyParts(key))?.inputs.some(([, given]) => given === adapted),
  );
  return found === undefined ? [] : [{stage, ...found}];
}

function inventoryOf(store: Store, stages: readonly MadeStage[]): Inventory | undefined {
  const digest = stages.find(({stage}) => stage.startsWith('sbom:'))?.digest;
  return digest === undefined
    ? undefined
    : inventoryAt(join(store.treePath(digest), documentNames.inventory));
}

function inventoryAt(path: string): Inventory | undefined {
  if (!existsSync(path)) return undefined;
  const inventory = JSON.parse(readFileSync(path, 'utf8')) as Partial<Inventory>;
  return inventory.version === inventoryVersion ? (inventory as Inventory) : undefined;
}

/** Names of stages without those of image and target, so that two images can be compared. */
function shortName(stage: string): string {
  const [kind = '', rest = ''] = stage.split(/:(.*)/s);
  return kind === 'customize' ? rest.slice(rest.indexOf('/') + 1) : kind;
}

function keyPartsOf(store: Store, stages: readonly MadeStage[]): ReadonlyMap<string, KeyParts> {
  const known = stages.flatMap(({stage, key}) => {
    const parts = key === undefined ? undefined : asKeyParts(store.keyParts(key));
    return parts === undefined ? [] : [[uniqueName(stage, stages), parts] as const];
  });
  return new Map(known);
}

/** Of an image that starts from another, both may have a part of one name. */
function uniqueName(stage: string, stages: readonly MadeStage[]): string {
  const name = shortName(stage);
  const isAlone = stages.filter((other) => shortName(other.stage) === name).length === 1;
  return isAlone ? name : stage;
}

/** Every path of the image, from the manifests of its layers; nothing where one is gone from the cache. */
function treeOf(store: Store, stages: readonly MadeStage[]): {readonly tree?: Tree} {
  const layers = stages.filter(({stage}) => /^(?:base|customize|adapt):/.test(stage));
  const trees = layers.map(({digest}) => {
    const path = join(store.objectPath(digest), 'manifest');
    return existsSync(path) ? parseManifest(readFileSync(path, 'utf8')) : undefined;
  });
  const present = trees.filter((tree) => tree !== undefined);
  return present.length < trees.length || trees.length === 0 ? {} : {tree: mergeLayers(present)};
}
