import {existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {collectGarbage} from '../../../cache/gc.ts';
import {cacheLayout} from '../../../cache/layout.ts';
import {
  hasRecipe,
  keepRecipe,
  listRecipes,
  type Recipe,
  readRecipe,
  recipeFile,
} from '../../../cache/recipes.ts';
import {sha256} from '../../../cache/tree.ts';
import {enterImage} from '../../../src/catalog/catalog.ts';
import {TemporaryStore} from '../../rig/stored.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

function recipe(name: string, more: Partial<Recipe> = {}): Recipe {
  return {
    version: 1,
    fgimage: '1.0.0',
    image: name,
    target: 'hpc',
    digest: sha256(name),
    files: [{path: 'root', sha256: sha256('root')}],
    project: '/home/ada/shop',
    spec: 'fgimage.yaml',
    profiles: [],
    entries: [{kind: 'file', path: 'fgimage.yaml', sha256: sha256(name), executable: false}],
    sources: [],
    images: [name],
    stages: [],
    built_at: 1,
    ...more,
  };
}

/** Keeps a recipe whose one file holds its name. */
function keep(folder: TemporaryFolder, name: string, more: Partial<Recipe> = {}): boolean {
  const from = folder.join(name);
  writeFileSync(from, name);
  return keepRecipe(cacheLayout(folder.join('cache')), recipe(name, more), new Map([[sha256(name), from]]));
}

it('gives back what was kept, for nobody else to read', () => {
  using folder = new TemporaryFolder();
  const layout = cacheLayout(folder.join('cache'));
  expect(listRecipes(layout)).toEqual([]);

  expect(keep(folder, 'web')).toBe(true);
  expect(keep(folder, 'db', {built_at: 2})).toBe(true);

  expect(listRecipes(layout)).toEqual([recipe('db', {built_at: 2}), recipe('web')]);
  expect(readFileSync(recipeFile(layout, sha256('web')), 'utf8')).toBe('web');
  const paths = [layout.recipes, recipeFile(layout, sha256('web'))];
  expect(paths.map((path) => statSync(path).mode & 0o077)).toEqual([0, 0]);
  expect(readRecipe(layout, recipe('other'))).toBeUndefined();
});

it('prefers a recipe with a lock', () => {
  using folder = new TemporaryFolder();
  const layout = cacheLayout(folder.join('cache'));
  const web = recipe('web');
  keep(folder, 'web');
  expect([hasRecipe(layout, web, {locked: false}), hasRecipe(layout, web, {locked: true})]).toEqual([
    ...[true, false],
  ]);
  keep(folder, 'web', {lock: 'fgimage.lock'});
  expect(readRecipe(layout, web)?.lock).toBe('fgimage.lock');
  expect(listRecipes(layout)).toHaveLength(1);
  const [locked = ''] = readdirSync(layout.recipes).filter((name) => name.endsWith('+lock.json'));
  writeFileSync(join(layout.recipes, locked), 'cut o');
  expect(readRecipe(layout, web)).toEqual(recipe('web'));
});

it('keeps one for each image of the same bytes', () => {
  using folder = new TemporaryFolder();
  const layout = cacheLayout(folder.join('cache'));
  const digest = sha256('same');
  keep(folder, 'web', {digest});
  expect(hasRecipe(layout, {digest, image: 'db', target: 'hpc'}, {locked: false})).toBe(false);
  keep(folder, 'db', {digest});
  expect(readRecipe(layout, {digest, image: 'web', target: 'hpc'})?.image).toBe('web');
  expect(readRecipe(layout, {digest, image: 'db', target: 'hpc'})?.image).toBe('db');
});

it('keeps no recipe of a file that has changed meanwhile', () => {
  using folder = new TemporaryFolder();
  const layout = cacheLayout(folder.join('cache'));
  writeFileSync(folder.join('file'), 'changed');
  expect(keepRecipe(layout, recipe('web'), new Map([[sha256('web'), folder.join('file')]]))).toBe(false);
  expect(listRecipes(layout)).toEqual([]);
  expect(readdirSync(join(layout.recipes, 'files'))).toEqual([]);
});

it('gc takes recipes that are old and of no image in the list, with their files', () => {
  using cache = new TemporaryStore();
  using folder = new TemporaryFolder();
  const {store} = cache;
  const {layout, database} = store;
  const now = Date.UTC(2026, 0, 1);
  for (const [name, ageDays] of [
    ['listed', 400],
    ['old', 91],
    ['young', 89],
  ] as const) {
    writeFileSync(folder.join(name), name);
    keepRecipe(layout, recipe(name), new Map([[sha256(name), folder.join(name)]]));
    const at = now / 1000 - ageDays * 24 * 3600;
    const [file = ''] = readdirSync(layout.recipes).filter((one) => one.startsWith(sha256(name)));
    for (const path of [join(layout.recipes, file), recipeFile(layout, sha256(name))])
      utimesSync(path, at, at);
  }
  enterImage(database, {
    ...{image: 'listed', target: 'hpc', digest: sha256('listed'), key: 'k', specDigest: 's', path: '/gone'},
    ...{file: 'root', sizeBytes: 1, tested: 'passed', builtAt: 1},
  });

  const {removed} = collectGarbage(store, {dryRun: false, now});

  expect(removed).toMatchObject([{rule: 'leftover', kind: 'recipe', count: 2}]);
  expect(
    listRecipes(layout)
      .map(({image}) => image)
      .sort(),
  ).toEqual(['listed', 'young']);
  expect(existsSync(recipeFile(layout, sha256('old')))).toBe(false);
  expect(existsSync(recipeFile(layout, sha256('listed')))).toBe(true);
});
