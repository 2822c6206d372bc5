import {listRecipes, type Recipe, type RecipeOf, readRecipe} from '../../cache/recipes.ts';
import type {Store} from '../../cache/store.ts';
import {type CatalogImage, listImages} from '../catalog/catalog.ts';
import {FgError} from '../errors.ts';
import {nearest} from '../spec/nearest.ts';
import {formatSize} from '../ui/format.ts';

/** An artifact that was built here once, wherever its content is now. */
export interface Subject {
  readonly image: string;
  readonly target: string;
  readonly digest: string;
  /** What it can be made again from; undefined where that was lost. */
  readonly recipe: Recipe | undefined;
  /** Its rows in the list of images: where it was handed out. */
  readonly rows: readonly CatalogImage[];
}

/** As `fgimage images` prints a digest, or longer. */
const digestWord = /^(?:sha256:)?(?<digits>[0-9a-f]{8,64})$/;

/**
 * The artifacts that a word names: those of `web`, each as it was built last, that of `web/openstack`, or those with the
 * one digest that begins so. Throws `FgError` where none was built here.
 */
export function findSubjects(store: Store, word: string): readonly Subject[] {
  const rows = listImages(store.database);
  const newest = new Map<string, RecipeOf>();
  const know = ({image, target, digest}: RecipeOf): void => {
    const name = `${image}/${target}`;
    if (!newest.has(name)) newest.set(name, {image, target, digest});
  };
  for (const row of rows) know(row);
  const found = [...newest].filter(([name]) => isNamed(name, word)).map(([, one]) => one);
  if (found.length > 0) return found.map((one) => subjectOf(store, one, rows));
  // What is no more in the list, because another build was put in its place, or the list was lost.
  const recipes = listRecipes(store.layout);
  for (const recipe of recipes) know(recipe);
  const earlier = [...newest].filter(([name]) => isNamed(name, word)).map(([, one]) => one);
  if (earlier.length > 0) return earlier.map((one) => subjectOf(store, one, rows));
  const digits = digestWord.exec(word)?.groups?.['digits'];
  const known = [...rows, ...recipes];
  const digests = [...new Set(known.map(({digest}) => digest))];
  const begun = digits === undefined ? [] : digests.filter((digest) => digest.startsWith(digits));
  const [only] = begun;
  if (only === undefined) throw neverBuilt(word, [...newest.keys()]);
  if (begun.length > 1)
    throw new FgError('USAGE', `${String(begun.length)} artifacts have a digest that begins with ${word}`, {
      hint: `Write more of it: ${begun.join(', ')}`,
    });
  // Several images may be the same bytes.
  const named = new Map(
    known.filter(({digest}) => digest === only).map((one) => [`${one.image}/${one.target}`, one]),
  );
  return [...named.values()].map((one) => subjectOf(store, one, rows));
}

/** The recipe of a subject. Throws `FgError` where it cannot be made again from one. */
export function recipeOf({image, target, digest, recipe}: Subject): Recipe {
  const name = `${image}/${target} (${digest.slice(0, 12)})`;
  if (recipe === undefined)
    throw new FgError('RECORD_UNUSABLE', `What ${name} was made from is not in the cache any more`, {
      hint: `Build it from its project (fgimage build ${image}), or from a record or bundle (fgimage rebuild)`,
    });
  if (recipe.too_large_bytes !== undefined)
    throw new FgError(
      'RECORD_UNUSABLE',
      `The project of ${name} was not kept: its files are ${formatSize(recipe.too_large_bytes)}`,
      {hint: `Build it from its project: fgimage build ${image}`},
    );
  return recipe;
}

function isNamed(name: string, word: string): boolean {
  return name === word || name.startsWith(`${word}/`);
}

function subjectOf(store: Store, {image, target, digest}: RecipeOf, all: readonly CatalogImage[]): Subject {
  const rows = all.filter((row) => row.digest === digest && row.image === image && row.target === target);
  return {image, target, digest, recipe: readRecipe(store.layout, {image, target, digest}), rows};
}

function neverBuilt(word: string, names: readonly string[]): FgError {
  const images = names.map((name) => name.split('/')[0] ?? name);
  const similar = nearest(word, [...names, ...images]);
  const hint =
    similar !== undefined
      ? `Did you mean ${similar}?`
      : names.length === 0
        ? 'Build it first: fgimage build'
        : `There are ${[...names].sort().join(', ')}`;
  return new FgError('NOT_BUILT', `No image ${word} was built here`, {hint});
}
