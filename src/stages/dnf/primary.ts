import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {metadataFolder, readRepositories} from './repositories.ts';

/** The text of each repository's primary.xml in the output of an archive stage. */
export function* primaryTexts(archive: string): Generator<string> {
  for (const {id} of readRepositories(archive)) {
    const folder = join(metadataFolder(archive, id), 'repodata');
    for (const name of readdirSync(folder).sort())
      if (/(?:^|-)primary\.xml(?:\.\w+)?$/.test(name)) yield unpacked(join(folder, name));
  }
}

/** By the ending that createrepo_c gives: gzip in older releases, zstd in newer ones. */
function unpacked(path: string): string {
  if (path.endsWith('.gz'))
    return gunzipSync(readFileSync(path), {maxOutputLength: mostBytes}).toString('utf8');
  const program = path.endsWith('.zst') ? 'zstd' : path.endsWith('.xz') ? 'xz' : undefined;
  if (program === undefined) return readFileSync(path, 'utf8');
  return execFileSync(program, ['--decompress', '--stdout', '--quiet', path], {
    encoding: 'utf8',
    maxBuffer: mostBytes,
  });
}

/** The largest distribution's has a third of this. */
const mostBytes = 500 << 20;
