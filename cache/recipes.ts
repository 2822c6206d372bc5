import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {CacheLayout} from './layout.ts';
import {digestFile, sha256} from './tree.ts';

/**
 * What an artifact can be made again from, once its content is gone: the project as it was, by digest, and the names and
 * digests of all stages. Recipes are files beside the content; gc takes none of an artifact that is in the list of images.
 *
 *   recipes/<digest>-<name>.json, recipes/<digest>-<name>+lock.json   of an artifact made without and with a lock; <name>
 *                                                                     stands for image and target: two may be the same bytes
 *   recipes/files/<sha256>                                            files of projects, each once
 */
export interface Recipe {
  readonly version: 1;
  /** The fgimage that made it. */
  readonly fgimage: string;
  readonly image: string;
  readonly target: string;
  /** Of the artifact. */
  readonly digest: string;
  readonly files: readonly RecipeFile[];
  /** Absolute path of the project's folder, which may have moved or gone since. */
  readonly project: string;
  /** The spec, by its path in the project. */
  readonly spec: string;
  readonly profiles: readonly string[];
  /** The lock, by its path in the project. */
  readonly lock?: string;
  /** With a lock: that the host's programs were run in the place of the tools image's. */
  readonly host_tools?: true;
  readonly entries: readonly RecipeEntry[];
  /** Size of the project's files where they are too large to be kept: then there are no entries. */
  readonly too_large_bytes?: number;
  /** Spec files in the order in which they were read, and what of fgimage itself the plan was made of. */
  readonly sources: readonly RecipeSource[];
  /** The image, then those that it is built on. */
  readonly images: readonly string[];
  /** What made it, inputs before what is made of them. */
  readonly stages: readonly RecipeStage[];
  /** Milliseconds since the epoch. */
  readonly built_at: number;
}

export interface RecipeFile {
  readonly path: string;
  readonly sha256: string;
}

export interface RecipeSource extends RecipeFile {
  readonly kind: 'spec' | 'extends' | 'starter' | 'target' | 'lock' | 'template' | 'import';
}

/** A part of the project, by its path in it. */
export type RecipeEntry =
  | {readonly kind: 'file'; readonly path: string; readonly sha256: string; readonly executable: boolean}
  | {readonly kind: 'link'; readonly path: string; readonly target: string}
  | {readonly kind: 'folder'; readonly path: string};

export interface RecipeStage {
  readonly stage: string;
  readonly kind: string;
  readonly title: string;
  readonly image?: string;
  readonly target?: string;
  readonly key: string;
  readonly digest: string;
}

/** Which recipe: that of an image for a target, by what it gave. */
export type RecipeOf = Pick<Recipe, 'image' | 'target' | 'digest'>;

/** Whether there is a recipe of an artifact; one with a lock does for both. */
export function hasRecipe(
  layout: CacheLayout,
  artifact: RecipeOf,
  {locked}: {readonly locked: boolean},
): boolean {
  const [withLock, without] = pathsOf(layout, stemOf(artifact));
  return existsSync(withLock) || (!locked && existsSync(without));
}

/** The recipe of an artifact, the one with a lock before one without; undefined where there is none that can be read. */
export function readRecipe(layout: CacheLayout, artifact: RecipeOf): Recipe | undefined {
  return readStem(layout, stemOf(artifact));
}

function readStem(layout: CacheLayout, stem: string): Recipe | undefined {
  for (const path of pathsOf(layout, stem)) {
    const recipe = parse(path);
    if (recipe !== undefined) return recipe;
  }
  return undefined;
}

/** All recipes, the newest first. */
export function listRecipes(layout: CacheLayout): readonly Recipe[] {
  const names = existsSync(layout.recipes) ? readdirSync(layout.recipes) : [];
  const stems = names.flatMap((name) => recipeName.exec(name)?.groups?.['stem'] ?? []);
  return [...new Set(stems)]
    .flatMap((stem) => readStem(layout, stem) ?? [])
    .sort((a, b) => b.built_at - a.built_at || (a.digest < b.digest ? -1 : 1));
}

/** Where the content of a file of a project lies, if it was kept. */
export function recipeFile(layout: CacheLayout, sha256: string): string {
  return join(layout.recipes, 'files', sha256);
}

/**
 * Keeps a recipe, and the files of its project, whose places are given by digest. False, and nothing of the recipe, where
 * one of them is not what it was any more. Throws what the file system throws.
 */
export function keepRecipe(
  layout: CacheLayout,
  recipe: Recipe,
  places: ReadonlyMap<string, string>,
): boolean {
  mkdirSync(join(layout.recipes, 'files'), {recursive: true, mode: 0o700});
  for (const [digest, from] of places) if (!keepFile(recipeFile(layout, digest), digest, from)) return false;
  const [withLock, without] = pathsOf(layout, stemOf(recipe));
  const path = recipe.lock === undefined ? without : withLock;
  const fresh = `${path}.${String(process.pid)}`;
  writeFileSync(fresh, `${JSON.stringify(recipe)}\n`, {mode: 0o600});
  renameSync(fresh, path);
  return true;
}

/** Recipes of artifacts that are not among these and older than a time, and kept files that no other recipe names. */
export function staleRecipes(
  layout: CacheLayout,
  {listed, before}: {readonly listed: ReadonlySet<string>; readonly before: number},
): readonly string[] {
  if (!existsSync(layout.recipes)) return [];
  const stale: string[] = [];
  const named = new Set<string>();
  for (const name of readdirSync(layout.recipes).sort()) {
    if (name === 'files') continue;
    const path = join(layout.recipes, name);
    const recipe = recipeName.test(name) ? parse(path) : undefined;
    const isOld = (changedAt(path) ?? before) < before;
    if (isOld && (recipe === undefined || !listed.has(recipe.digest))) stale.push(path);
    else for (const entry of recipe?.entries ?? []) if (entry.kind === 'file') named.add(entry.sha256);
  }
  const folder = join(layout.recipes, 'files');
  const files = existsSync(folder) ? readdirSync(folder).sort() : [];
  // A file may have come just before its recipe.
  const lost = files.filter((name) => !named.has(name) && (changedAt(join(folder, name)) ?? before) < before);
  return [...stale, ...lost.map((name) => join(folder, name))];
}

const recipeName = /^(?<stem>[0-9a-f]{64}-[0-9a-f]{12})(?:\+lock)?\.json$/;

/** Of names that are too long for a file there is a digest too. */
function stemOf({digest, image, target}: RecipeOf): string {
  return `${digest}-${sha256(`${image}/${target}`).slice(0, 12)}`;
}

function pathsOf({recipes}: CacheLayout, stem: string): readonly [withLock: string, without: string] {
  return [join(recipes, `${stem}+lock.json`), join(recipes, `${stem}.json`)];
}

function parse(path: string): Recipe | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Recipe;
    return (value.version as number) === 1 ? value : undefined;
  } catch {
    // Not there, or not written whole: it is as good as none.
    return undefined;
  }
}

function keepFile(path: string, digest: string, from: string): boolean {
  if (existsSync(path)) return true;
  const fresh = `${path}.${String(process.pid)}`;
  try {
    copyFileSync(from, fresh, constants.COPYFILE_FICLONE);
    chmodSync(fresh, 0o600);
    if (digestFile(fresh) !== digest) return false;
    renameSync(fresh, path);
    return true;
  } finally {
    rmSync(fresh, {force: true});
  }
}

function changedAt(path: string): number | undefined {
  return statSync(path, {throwIfNoEntry: false})?.mtimeMs;
}
