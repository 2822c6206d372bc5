import {spawnSync} from 'node:child_process';
import {linkSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';

export interface MkosiRequest {
  /** A new folder to work in. */
  readonly folder: string;
  readonly installed: readonly string[];
  /** Folder of .deb files. */
  readonly packages: string;
}

export interface MkosiRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/**
 * mkosi's command line for the same packages, with the packages at hand, where mkosi is installed. It makes the tree alone,
 * without a disk image around it: partitioning wants devices that not every host has. That is less than fgimage does.
 */
export function mkosiRun({folder, installed, packages}: MkosiRequest): MkosiRun | undefined {
  const version = mkosiVersion();
  if (version === undefined) return undefined;
  const cache = join(folder, 'packages');
  const debs = version < 15 ? cache : join(cache, 'cache/apt/archives');
  mkdirSync(debs, {recursive: true});
  for (const name of readdirSync(packages))
    if (name.endsWith('.deb')) linkSync(join(packages, name), join(debs, name));
  const common = ['--distribution', 'debian', '--release', 'bookworm', '--mirror', hostMirror()];
  const wanted = installed.flatMap((name) => ['--package', name]);
  const args =
    version < 15
      ? ['--format', 'directory', '--output', 'image', '--cache', cache, ...common, ...wanted, 'build']
      : [
          ...['--format', 'directory', '--output-directory', folder, '--package-cache-dir', cache],
          ...['--bootable', 'no', '--with-network', 'no', ...common, ...wanted, 'build'],
        ];
  return {file: 'mkosi', args, cwd: folder};
}

/** The major version of the mkosi on this host. */
function mkosiVersion(): number | undefined {
  const {stdout, status} = spawnSync('mkosi', ['--version'], {encoding: 'utf8'});
  const major = /mkosi (?<major>\d+)/.exec(status === 0 ? stdout : '')?.groups?.['major'];
  return major === undefined ? undefined : Number(major);
}

/** The archive that this host's apt uses. */
function hostMirror(): string {
  const {stdout} = spawnSync('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE)'], {
    encoding: 'utf8',
  });
  return (
    stdout
      .split('\n')
      .find((line) => line.endsWith(' bookworm'))
      ?.split(' ')[0] ?? ''
  );
}
