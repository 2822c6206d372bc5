import type {ChosenProfiles} from '../spec/profiles.ts';
import {list, type Options} from './options.ts';

/** Flags of the commands that read a spec. */
export const profileFlags = [
  ['--profile <name>', 'Merge this profile of the spec over it; may be repeated (else $FGIMAGE_PROFILE)'],
  ['--no-profiles', 'Take the spec without its profiles, those with `default: true` too'],
] as const;

/** The profiles that a command line asks for, else the environment (parted by commas); undefined: the spec's own choice. */
export function chosenProfiles(options: Options): ChosenProfiles {
  if (options['profiles'] === false) return [];
  const said = list(options, 'profile');
  if (said.length > 0) return said;
  const names = (process.env['FGIMAGE_PROFILE'] ?? '').split(',').map((name) => name.trim());
  const named = names.filter((name) => name !== '');
  return named.length === 0 ? undefined : named;
}
