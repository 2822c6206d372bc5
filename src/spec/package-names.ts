import type {Os} from './image.ts';
import {readTemplate} from './template.ts';

/** The packages of a distribution behind a word that targets use: of its release, of all its releases, or the word itself. */
export function packagesFor(
  {distribution, release, architecture}: Pick<Os, 'distribution' | 'release' | 'architecture'>,
  word: string,
): readonly string[] {
  const {releases, package_names: common} = readTemplate(distribution);
  const names = releases[release]?.package_names?.[word] ?? common?.[word];
  if (names === undefined) return [word];
  return isList(names) ? names : (names[architecture] ?? [word]);
}

function isList(names: object): names is readonly string[] {
  return Array.isArray(names);
}
