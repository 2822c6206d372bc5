import {type ExitCode, exitCode} from '../errors.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {readSpec} from './spec.ts';

/** `fgimage config`: the images after `extends`, `profiles`, `images`, `from`, `matrix` and the defaults. */
export async function runConfig({
  file,
  profiles,
  json,
  color,
}: {
  file: string;
  profiles?: ChosenProfiles;
  json: boolean;
  color: boolean;
}): Promise<ExitCode> {
  const {images, warnings} = await readSpec(file, {color, profiles});
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  const merged = {images: Object.fromEntries(images.map(({name, ...image}) => [name, image]))};
  const {stringify} = await import('yaml');
  process.stdout.write(json ? `${JSON.stringify(merged, undefined, 2)}\n` : stringify(merged));
  return exitCode.done;
}
