import {basename} from 'node:path';
import {FgError} from '../errors.ts';
import {quote} from './diagnostic.ts';
import {mergeMaps} from './merge.ts';
import {nearest} from './nearest.ts';
import {entriesAt, type MapTree, treeAt, withEntries} from './tree.ts';

/** What was asked for: names in their order, or undefined for the spec's own choice. */
export type ChosenProfiles = readonly string[] | undefined;

/**
 * The spec with its profiles merged over it, in the order in which they were asked for; without a choice those with
 * `default: true`, in the order of the spec. Throws `FgError` for a profile that the spec does not have.
 */
export function applyProfiles(
  spec: MapTree,
  {chosen, file}: {readonly chosen: ChosenProfiles; readonly file: string},
): {readonly spec: MapTree; readonly profiles: readonly string[]} {
  const known = new Map(entriesAt(spec, 'profiles').map(([name, {value}]) => [name, value]));
  const defaults = [...known].filter(([, profile]) => isDefault(profile)).map(([name]) => name);
  const profiles = [...new Set(chosen ?? defaults)];
  for (const name of profiles) if (!known.has(name)) throw unknownProfile(name, [...known.keys()], file);
  const plain = withEntries(
    spec,
    [...spec.entries].filter(([key]) => key !== 'profiles'),
  );
  const merged = profiles.reduce((base, name) => {
    const profile = known.get(name);
    return profile?.kind === 'map' ? mergeMaps(base, overlayOf(profile)) : base;
  }, plain);
  // What is wrong with the whole is shown where the whole is.
  return {spec: {...merged, site: spec.site}, profiles};
}

function isDefault(profile: MapTree | {readonly kind: string}): boolean {
  const said = 'entries' in profile ? treeAt(profile, ['default']) : undefined;
  return said?.kind === 'scalar' && said.value === true;
}

function overlayOf(profile: MapTree): MapTree {
  return withEntries(
    profile,
    [...profile.entries].filter(([key]) => key !== 'default'),
  );
}

function unknownProfile(name: string, known: readonly string[], file: string): FgError {
  const near = nearest(name, known);
  const parts = name.split(',').map((part) => part.trim());
  const hint =
    known.length === 0
      ? 'It has none: write `profiles: {<name>: {…}}`, or leave --profile and FGIMAGE_PROFILE out'
      : parts.length > 1 && parts.every((part) => known.includes(part))
        ? `Repeat the flag: ${parts.map((part) => `--profile ${part}`).join(' ')}`
        : near === undefined
          ? `Its profiles are ${known.join(', ')}`
          : `Did you mean ${near}?`;
  return new FgError('USAGE', `There is no profile ${quote(name)} in ${basename(file)}`, {hint});
}
