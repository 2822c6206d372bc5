import {existsSync, readdirSync, statSync} from 'node:fs';
import {basename, dirname, isAbsolute, join, relative, resolve} from 'node:path';
import {FgError} from '../errors.ts';
import {signatureFile, sumsFile} from './signed-set.ts';

/** A folder with an artifact, and the one file of it that is meant. */
export interface FoundSet {
  /** `web/openstack`, or the path as it was named. */
  readonly name: string;
  readonly folder: string;
  readonly file?: string;
}

/**
 * What a word means: an image or `image/target` in the output folder, else the path of a folder or a file. Throws
 * `FgError` where there is nothing of that name.
 */
export function findSets(word: string, output: string): readonly FoundSet[] {
  const isPath = isAbsolute(word) || /^\.{1,2}(?:\/|$)/.test(word);
  const name = word.replace(/\/+$/, '');
  if (!isPath) {
    const folder = join(output, name);
    if (isSet(folder)) return [{name, folder}];
    const targets = isFolder(folder) ? readdirSync(folder).sort() : [];
    const sets = targets.filter((target) => !target.startsWith('.') && isSet(join(folder, target)));
    if (sets.length > 0)
      return sets.map((target) => ({name: `${name}/${target}`, folder: join(folder, target)}));
  }
  const path = resolve(word);
  if (isFolder(path)) return [{name: word, folder: path}];
  if (existsSync(path)) return [{name: word, ...setAbove(path)}];
  throw new FgError('NOT_BUILT', `There is no ${word} in ${output}, and no such path`, {
    hint: 'Build it first, name the output folder with --output, or name a folder or a file',
  });
}

/** The set that a file lies in, be it in a folder of the set. */
function setAbove(path: string): {readonly folder: string; readonly file: string} {
  const isSigned = (folder: string): boolean =>
    [sumsFile, signatureFile].some((name) => existsSync(join(folder, name)));
  for (let folder = dirname(path), up = 0; up < deepestFolder; folder = dirname(folder), up += 1) {
    if (isSigned(folder)) return {folder, file: relative(folder, path)};
  }
  return {folder: dirname(path), file: basename(path)};
}

const deepestFolder = 4;

function isSet(folder: string): boolean {
  return existsSync(join(folder, 'manifest.json'));
}

function isFolder(path: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isDirectory() === true;
}
