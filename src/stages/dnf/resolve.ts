import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../package-root.ts';
import type {RpmSystem} from '../../plan/rpm-sources.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {mountPoint, runInTree, scratchFile} from '../tree.ts';
import {metadataFolder, readRepositories} from './repositories.ts';

/** A package that is to be installed, as its repository's metadata has it. */
export interface NeededRpm {
  readonly name: string;
  /** `[epoch:]version-release`. */
  readonly version: string;
  readonly architecture: string;
  readonly repository: string;
  readonly uri: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What a transaction does. */
export interface Resolved {
  readonly install: readonly NeededRpm[];
  /** Installed packages that go: `name-epoch:version-release.arch`. */
  readonly remove: readonly string[];
}

export interface ResolveRequest {
  readonly install: readonly string[];
  readonly remove: readonly string[];
  /** Output folder of the archive stage. */
  readonly archive: string;
  readonly system: RpmSystem;
}

/** Python modules of the host's dnf are for this one. */
export const python = '/usr/bin/python3';

/** Environment of the host's dnf and rpm. */
export const rpmEnvironment: Readonly<Record<string, string>> = {
  PYTHONDONTWRITEBYTECODE: '1',
  // Debian's rpm wants to be told that it is meant.
  RPM_FORCE_DEBIAN: '1',
  // Scriptlets run in a tree that is no running system (kernel-install(8), systemctl(1)).
  KERNEL_INSTALL_BYPASS: '1',
  SYSTEMD_OFFLINE: '1',
};

/** What has to be installed and removed, found out by the host's dnf without network. */
export async function resolveRpms(
  context: StageContext,
  {install, remove, archive, system}: ResolveRequest,
): Promise<Result<Resolved, StageFailure>> {
  const {machine, release, database, platform, distribution} = system;
  const known = readRepositories(archive);
  const cache = join(context.work, 'dnf');
  const looked = join(context.work, 'looked');
  for (const folder of [cache, looked]) mkdirSync(folder, {recursive: true});
  const request = scratchFile(
    context,
    'resolve.json',
    JSON.stringify({
      root: mountPoint(context),
      cache,
      database,
      platform,
      architecture: machine,
      release,
      repositories: known.map(({id}) => ({id, folder: metadataFolder(archive, id)})),
      install,
      remove,
    }),
  );
  const found: Resolved & {readonly install: NeededRpm[]; readonly remove: string[]} = {
    install: [],
    remove: [],
  };
  const wrong: string[] = [];
  const script = join(packageRoot, 'src/stages/scripts/dnf-resolve.py');
  // What reading makes of the tree (the database's own lock) is no part of the stage.
  const done = await runInTree(
    {...context, output: looked},
    {
      inside: 'host',
      command: [python, script, request],
      shown: ['dnf', 'install', ...install, ...remove.map((name) => `-${name}`)],
      writable: true,
      env: rpmEnvironment,
      onLine: (line) => {
        const [kind, text = ''] = line.split('\t');
        if (kind === 'package') {
          const needed = neededRpm(text, known);
          if (typeof needed === 'string') wrong.push(needed);
          else found.install.push(needed);
        } else if (kind === 'remove') found.remove.push(JSON.parse(text) as string);
        else return true;
        return false;
      },
      hint: `A package that is not known is misspelt, or in another repository of ${distribution} ${release}: add it under repositories`,
    },
  );
  if (!done.ok) return done;
  if (wrong.length > 0) {
    return fail({
      reason: 'refused',
      message: 'The metadata of a repository cannot be used',
      details: wrong,
      hint: 'Tell whoever keeps the repository: packages are to be named with their SHA-256',
    });
  }
  return ok(found);
}

/** A line of dnf-resolve.py; a text where the repository does not say what is needed. */
function neededRpm(
  text: string,
  known: readonly {readonly id: string; readonly uri: string}[],
): NeededRpm | string {
  const told = JSON.parse(text) as {
    readonly name: string;
    readonly epoch: number;
    readonly version: string;
    readonly release: string;
    readonly arch: string;
    readonly repository: string;
    readonly location: string;
    readonly base: string | null;
    readonly size: number;
    readonly checksum: string;
    readonly digest: string;
  };
  const {name, arch, repository, location, checksum, digest} = told;
  const version = `${told.epoch === 0 ? '' : `${String(told.epoch)}:`}${told.version}-${told.release}`;
  if (checksum !== 'sha256') return `${name} ${version} in ${repository} has a digest by ${checksum}`;
  if (location.split('/').includes('..')) return `${name} ${version} in ${repository} lies outside of it`;
  const root = told.base ?? known.find(({id}) => id === repository)?.uri ?? '';
  return {
    name,
    version,
    architecture: arch,
    repository,
    uri: `${root}/${location.split('/').map(encodeURIComponent).join('/')}`,
    fileName: rpmFileName({name, version, architecture: arch}),
    sizeBytes: told.size,
    sha256: digest,
  };
}

/**
 * The name that a package has in the store. Metadata may be signed by nobody: letters that paths or URIs have another use
 * for are escaped.
 */
export function rpmFileName({
  name,
  version,
  architecture,
}: Pick<NeededRpm, 'name' | 'version' | 'architecture'>): string {
  return `${name}-${version}.${architecture}.rpm`.replaceAll(
    /[^A-Za-z0-9+.~_-]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16)}`,
  );
}
