import {realpathSync, statSync} from 'node:fs';
import {join, relative} from 'node:path';
import {projectContents} from './bundle-project.ts';
import type {Session} from './session.ts';

/** A part of the project that its images are made of, by its path in it; of a file where it lies. */
export type PlacedEntry =
  | {readonly kind: 'file'; readonly path: string; readonly from: string; readonly executable: boolean}
  | {readonly kind: 'link'; readonly path: string; readonly target: string}
  | {readonly kind: 'folder'; readonly path: string};

/** The spec, what it extends, the lock, and whatever a stage reads: folders, files and links, each by path. */
export async function projectEntries(session: Session): Promise<readonly PlacedEntry[]> {
  const {projectDir, files, links, folders} = await projectContents(session);
  const inProject = (path: string): string => join(projectDir, path);
  const linked = new Set(links.map(({path}) => path));
  // A file that is read through a link which is copied as such: the link stays one.
  const real = (path: string): string =>
    linked.has(path) ? relative(realpathSync(projectDir), realpathSync(inProject(path))) : path;
  return [
    ...sorted(folders).map((path): PlacedEntry => ({kind: 'folder', path})),
    ...sorted(files.map(real)).map((path): PlacedEntry => {
      const executable = (statSync(inProject(path)).mode & 0o100) !== 0;
      return {kind: 'file', path, from: inProject(path), executable};
    }),
    ...links.map((link): PlacedEntry => ({kind: 'link', ...link})),
  ];
}

function sorted(paths: readonly string[]): readonly string[] {
  return [...new Set(paths)].sort();
}
