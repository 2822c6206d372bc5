import {posix} from 'node:path';
import {chefignore} from './chefignore.ts';
import {type Metadata, readMetadata} from './metadata.ts';
import type {ProjectFiles} from './project-files.ts';

export interface Cookbook {
  readonly name: string;
  /** Its folder, relative to the project. */
  readonly folder: string;
  readonly metadata: Metadata;
}

/** The cookbooks of some folders; each folder is a cookbook or holds cookbooks. */
export class Shelf {
  /** The folders, relative to the project. */
  readonly paths: readonly string[];
  readonly #files: ProjectFiles;
  #all: readonly Cookbook[] | undefined;

  constructor(files: ProjectFiles, paths: readonly string[]) {
    this.#files = files;
    this.paths = paths;
  }

  /** The cookbooks of a name: one, none, or several that contradict each other. */
  find(name: string): readonly Cookbook[] {
    const near = this.paths.flatMap((path) =>
      [path, `${path}/${name}`].flatMap((folder) => this.#cookbookIn(folder) ?? []),
    );
    const called = (cookbook: Cookbook): boolean => cookbook.name === name;
    const found = near.some(called) ? near.filter(called) : this.all().filter(called);
    return [...new Map(found.map((cookbook) => [cookbook.folder, cookbook])).values()];
  }

  all(): readonly Cookbook[] {
    this.#all ??= this.paths.flatMap((path) => {
      const own = this.#cookbookIn(path);
      if (own !== undefined) return [own];
      return this.#files.names(path).flatMap((name) => this.#cookbookIn(`${path}/${name}`) ?? []);
    });
    return this.#all;
  }

  /** The cookbook in one folder that is named by its path, e.g. by a Policyfile.lock.json. */
  at(folder: string): Cookbook | undefined {
    return this.#cookbookIn(folder);
  }

  #cookbookIn(folder: string): Cookbook | undefined {
    const isProject = folder === '.';
    if (posix.basename(folder).startsWith('.') && !isProject) return undefined;
    const metadata = readMetadata(this.#files, folder);
    // What the project's folder is called depends on who has it.
    if (isProject && metadata?.name === undefined) return undefined;
    if (metadata === undefined && !this.#files.isFolder(`${folder}/recipes`)) return undefined;
    const {name = posix.basename(folder)} = metadata ?? {};
    return {name, folder, metadata: metadata ?? {depends: [], complete: true}};
  }
}

/**
 * What counts of a project that is a cookbook itself: there are other files in it, such as the spec, what was built, and
 * secrets, which are none of the client's business.
 */
export const ownParts: readonly string[] = [
  ...['attributes', 'compliance', 'definitions', 'files', 'libraries', 'ohai', 'providers', 'recipes'],
  ...['resources', 'templates', 'attributes.rb', 'metadata.json', 'metadata.rb', 'recipe.json'],
  ...['recipe.rb', 'recipe.yaml', 'recipe.yml', 'README.md', 'CHANGELOG.md', 'VERSION'],
];

/** The files of a cookbook that the client gets, relative to its folder (Chef::Cookbook::CookbookVersionLoader). */
export function cookbookFiles(files: ProjectFiles, {folder}: Cookbook): readonly string[] {
  const ignored = chefignore(files, folder);
  return (folder === '.' ? filesOfProject(files) : files.below(folder)).filter(
    (path) => !(path.startsWith('.') && path.includes('/')) && !ignored(path),
  );
}

function filesOfProject(files: ProjectFiles): readonly string[] {
  return ownParts
    .flatMap((part) => (files.isFile(part) ? [part] : files.below(part).map((path) => `${part}/${path}`)))
    .sort();
}

const recipeSuffixes = ['rb', 'yml', 'yaml', 'json'];

/** Names of a cookbook's recipes. */
export function recipeNames(files: ProjectFiles, {folder}: Cookbook): readonly string[] {
  const inFolder = files.names(`${folder}/recipes`).flatMap((name) => {
    const suffix = recipeSuffixes.find((one) => name.endsWith(`.${one}`));
    return suffix === undefined ? [] : [name.slice(0, -suffix.length - 1)];
  });
  // Since Chef 14 a cookbook's only recipe may lie beside metadata.rb.
  const alone = recipeSuffixes.some((suffix) => files.isFile(`${folder}/recipe.${suffix}`));
  return [...new Set([...inFolder, ...(alone ? ['default'] : [])])].sort();
}
