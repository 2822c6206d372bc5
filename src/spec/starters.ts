import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {DistributionTemplate} from './template.ts';

/** What a starter's name has before it under `extends`. */
export const starterPrefix = 'fgimage:';

/** `<name>.yaml`, and `<name>/` with the files of a project that go with it; `index.json` says what they are. */
const folder = join(packageRoot, 'templates/starters');

/** A spec that comes with fgimage, to begin from or to extend. */
export interface Starter {
  readonly name: string;
  /** What it is, in a few words. */
  readonly title: string;
  /** Whose names of packages it has. */
  readonly package_managers: readonly DistributionTemplate['package_manager'][];
}

/** All starters, the simplest first. */
export function starters(): readonly Starter[] {
  const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as Readonly<
    Record<string, Omit<Starter, 'name'>>
  >;
  return Object.entries(index).map(([name, starter]) => ({name, ...starter}));
}

/** Absolute path of its spec. */
export function starterPath(name: string): string {
  return join(folder, `${name}.yaml`);
}

/** The files of a project that go with it, with their paths in the project. */
export function starterFiles(name: string): readonly {readonly path: string; readonly from: string}[] {
  const beside = join(folder, name);
  if (!existsSync(beside)) return [];
  return readdirSync(beside, {recursive: true, withFileTypes: true})
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((from) => ({path: relative(beside, from), from}));
}
