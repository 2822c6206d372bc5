import {readdirSync, statSync} from 'node:fs';
import {join, relative} from 'node:path';
import {FgError} from '../errors.ts';
import {importPath} from './base.ts';
import type {Os} from './image.ts';
import {plainPath} from './paths.ts';
import type {Project} from './project.ts';
import type {ProvisionKinds} from './provision-kinds.ts';
import {itemsAt, type MapTree, textAt, toJson} from './tree.ts';

/**
 * What of the project must be there for a spec to be valid, whether or not a stage reads it: folders of which nothing is
 * used, what steps need that `when` leaves out, the blobs of an imported layout. Paths relative to the project.
 */
export interface NamedPaths {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

export interface NamedPathsOptions {
  readonly kinds: ProvisionKinds;
  readonly project: Project;
}

/** Collects them from the images of a spec that is valid. */
export async function namedPaths(
  images: readonly {readonly body: MapTree; readonly os: Os}[],
  options: NamedPathsOptions,
): Promise<NamedPaths> {
  const found: string[] = [];
  for (const {body, os} of images) {
    found.push(...imported(body, options));
    for (const step of itemsAt(body, 'provision')) found.push(...(await ofStep(toJson(step), os, options)));
  }
  const {isFile} = options.project;
  const paths = [...new Set(found.map(plainPath))];
  return {files: paths.filter(isFile), folders: paths.filter((path) => !isFile(path))};
}

/** A file, or a folder with all that is in it: the key of a layout holds its index.json alone. */
function imported(body: MapTree, {project}: NamedPathsOptions): readonly string[] {
  const source = textAt(body, 'base', 'import');
  const path = source === undefined ? undefined : importPath(source.value);
  if (path === undefined) return [];
  const folder = join(project.dir, path);
  if (statSync(folder, {throwIfNoEntry: false})?.isDirectory() !== true) return [path];
  const entries = readdirSync(folder, {recursive: true, withFileTypes: true});
  return [path, ...entries.map(({parentPath, name}) => relative(project.dir, join(parentPath, name)))];
}

async function ofStep(
  step: unknown,
  os: Os,
  {kinds, project}: NamedPathsOptions,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [name, value] of Object.entries(step as Readonly<Record<string, unknown>>)) {
    const kind = kinds.get(name);
    if (kind === undefined) continue;
    const {options, files} = kind.interpret(value, project.isFile);
    found.push(...files.map(({path}) => path));
    try {
      found.push(...(await kind.needs(options, {dir: project.dir, os})).files);
    } catch (error) {
      // Of a step that no image has, nobody else has asked.
      if (!(error instanceof FgError)) throw error;
    }
  }
  return found;
}
