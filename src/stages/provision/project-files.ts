import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  utimesSync,
} from 'node:fs';
import {dirname, join, sep} from 'node:path';
import {FgError} from '../../errors.ts';
import type {StageContext} from '../stage.ts';
import {sourceDateEpoch} from '../tree.ts';

/** What nothing reads that is applied to an image: histories. */
const neverRead: ReadonlySet<string> = new Set(['.git', '.github', '.gitlab', '.hg', '.svn']);

/**
 * The files of a folder of the project, at any depth, in the order of their names; links count as what they lead to.
 * `skip` are names of entries of the folder itself that are left out.
 */
export function filesBelow(
  projectDir: string,
  folder: string,
  skip: readonly string[] = [],
): readonly string[] {
  const found: string[] = [];
  const visit = (path: string, above: readonly string[]): void => {
    const real = realpathSync(join(projectDir, path));
    if (above.includes(real)) return;
    if (!isInside(projectDir, real)) throw leaves(path);
    for (const entry of readdirSync(real).sort()) {
      if (neverRead.has(entry) || (path === folder && skip.includes(entry))) continue;
      const below = path === '.' ? entry : `${path}/${entry}`;
      const stat = statSync(join(projectDir, below), {throwIfNoEntry: false});
      if (stat?.isDirectory() === true) visit(below, [...above, real]);
      else if (stat?.isFile() === true) {
        if (!isInside(projectDir, realpathSync(join(projectDir, below)))) throw leaves(below);
        found.push(below);
      }
    }
  };
  visit(folder, []);
  return found;
}

/** Names of the folders in a folder of the project; none where it is no folder. */
export function foldersIn(projectDir: string, folder: string): readonly string[] {
  const path = join(projectDir, folder);
  if (!isFolder(projectDir, folder)) return [];
  return readdirSync(path)
    .filter(
      (name) => !name.startsWith('.') && statSync(join(path, name), {throwIfNoEntry: false})?.isDirectory(),
    )
    .sort();
}

export function isFolder(projectDir: string, path: string): boolean {
  return statSync(join(projectDir, path), {throwIfNoEntry: false})?.isDirectory() === true;
}

/** Whether there is a file at a path, which lies in the project. */
export function isProjectFile(projectDir: string, path: string): boolean {
  const absolute = join(projectDir, path);
  if (!absolute.startsWith(projectDir + sep)) return false;
  return (
    statSync(absolute, {throwIfNoEntry: false})?.isFile() === true &&
    isInside(projectDir, realpathSync(absolute))
  );
}

/**
 * Copies the files that are in the stage's key, and no others, to a folder of its own, for a program that is to see
 * nothing that could be another without the key being another. Modes and times are those that keys know.
 */
export function placeFiles(context: StageContext): string {
  const folder = join(context.work, 'project');
  mkdirSync(folder, {recursive: true});
  const epoch = sourceDateEpoch(context);
  for (const [path, print] of Object.entries(context.node.files)) {
    const target = join(folder, path);
    if (existsSync(target)) continue;
    mkdirSync(dirname(target), {recursive: true});
    copyFileSync(join(context.projectDir, path), target);
    chmodSync(target, print.endsWith('+x') ? 0o755 : 0o644);
    utimesSync(target, epoch, epoch);
  }
  return folder;
}

function isInside(projectDir: string, real: string): boolean {
  const root = realpathSync(projectDir);
  return real === root || real.startsWith(root + sep);
}

function leaves(path: string): FgError {
  return new FgError('SPEC_INVALID', `${path} leaves the project: a symbolic link leads out of it`, {
    hint: 'Copy what it leads to into the folder of the spec',
  });
}
