import {existsSync, mkdirSync, symlinkSync} from 'node:fs';
import {dirname, isAbsolute, join, resolve} from 'node:path';
import type {Image} from '../spec/image.ts';

/**
 * Secrets are in no recipe. Those that a spec names by paths in its project are looked for where that was: a project that
 * was laid out in `project` gets links to them.
 */
export function lendSecrets(
  images: readonly Pick<Image, 'provision'>[],
  {project, from}: {readonly project: string; readonly from: string},
): void {
  const files = images.flatMap(({provision}) =>
    provision.flatMap(({secrets}) => secrets.flatMap(({file}) => file ?? [])),
  );
  for (const file of new Set(files)) {
    const [path, source] = [resolve(project, file), resolve(from, file)];
    const isOutside = isAbsolute(file) || /^~(?:\/|$)/.test(file) || !path.startsWith(join(project, '/'));
    if (isOutside || existsSync(path) || !existsSync(source)) continue;
    mkdirSync(dirname(path), {recursive: true});
    symlinkSync(source, path);
  }
}
