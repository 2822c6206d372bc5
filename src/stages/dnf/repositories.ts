import {readFileSync} from 'node:fs';
import {join} from 'node:path';

/** A repository in the output of an archive stage: its metadata and the keys that its packages are signed with. */
export interface KnownRepository {
  readonly id: string;
  /** Where its packages are. */
  readonly uri: string;
}

/** Names in the output of an archive stage. */
export const repositoriesFile = 'repositories.json';

/** The folder that holds `repodata`. */
export function metadataFolder(archive: string, id: string): string {
  return join(archive, 'repositories', id);
}

/** The keys of a repository for gpgv(1), which takes them binary. */
export function keyringFile(archive: string, id: string): string {
  return join(archive, 'keys', `${id}.gpg`);
}

/** The same for rpmkeys(8), which takes them armored. */
export function armoredKeysFile(archive: string, id: string): string {
  return join(archive, 'keys', `${id}.asc`);
}

export function readRepositories(archive: string): readonly KnownRepository[] {
  return JSON.parse(readFileSync(join(archive, repositoriesFile), 'utf8')) as readonly KnownRepository[];
}
