import {type Paragraph, parseControl} from './control.ts';
import type {Copyright} from './copyright.ts';
import type {InventoryDeb, InventoryPackage} from './inventory.ts';
import {relationResolver} from './relations.ts';

/** What the package database is made of. */
export interface PackageSources {
  /** /var/lib/dpkg/status */
  readonly status: string;
  /** /var/lib/apt/extended_states */
  readonly extendedStates: string;
  readonly copyrightOf: (name: string) => Copyright;
  readonly debOf: (wanted: DebName) => InventoryDeb | undefined;
}

export interface DebName {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** A configuration file of a package as dpkg noted it down. */
export interface Conffile {
  readonly path: string;
  readonly package: string;
  readonly md5: string;
}

export interface PackageDatabase {
  readonly packages: readonly InventoryPackage[];
  readonly conffiles: readonly Conffile[];
}

/** Reads what is installed, whole and configured: what `dpkg-query` shows as `ii` or `hi`. */
export function readPackages({status, extendedStates, copyrightOf, debOf}: PackageSources): PackageDatabase {
  const installed = parseControl(status).filter((one) => /^\S+ ok installed$/.test(one.get('Status')));
  const native = installed.find((one) => one.get('Package') === 'dpkg')?.get('Architecture') ?? '';
  const idOf = (one: Paragraph): string => {
    const architecture = one.get('Architecture');
    const isForeign = architecture !== native && architecture !== 'all';
    return isForeign ? `${one.get('Package')}:${architecture}` : one.get('Package');
  };
  const resolve = relationResolver(
    installed.map((one) => ({
      id: idOf(one),
      name: one.get('Package'),
      version: one.get('Version'),
      provides: one.get('Provides'),
    })),
  );
  const automatic = new Set(
    parseControl(extendedStates)
      .filter((one) => one.get('Auto-Installed') === '1')
      .map((one) => `${one.get('Package')} ${one.get('Architecture')}`),
  );
  const packages = installed.map((one): InventoryPackage => {
    const [name, version, architecture] = [one.get('Package'), one.get('Version'), one.get('Architecture')];
    const deb = debOf({name, version, architecture});
    const homepage = one.get('Homepage');
    const needed = [one.get('Pre-Depends'), one.get('Depends')].filter((field) => field !== '').join(', ');
    return {
      name,
      version,
      architecture,
      source: sourceOf(one),
      section: one.get('Section'),
      priority: one.get('Priority'),
      maintainer: one.get('Maintainer'),
      ...(homepage === '' ? {} : {homepage}),
      essential: one.get('Essential') === 'yes',
      // apt writes packages for all architectures down under the native one.
      automatic: automatic.has(`${name} ${architecture === 'all' ? native : architecture}`),
      licences: copyrightOf(name).licences,
      depends: resolve(needed).filter((id) => id !== idOf(one)),
      installed_size_kib: Number(one.get('Installed-Size')),
      ...(deb === undefined ? {} : {deb}),
    };
  });
  return {
    packages: packages.sort((a, b) => compare(a.name, b.name) || compare(a.architecture, b.architecture)),
    conffiles: installed.flatMap(conffilesOf),
  };
}

/** deb-control(5): `Source: name (version)`, both only where they are others than the package's. */
function sourceOf(one: Paragraph): {readonly name: string; readonly version: string} {
  const found = /^(?<name>\S+)(?: +\((?<version>[^)]+)\))?$/.exec(one.get('Source'))?.groups;
  return {name: found?.['name'] ?? one.get('Package'), version: found?.['version'] ?? one.get('Version')};
}

/** Lines of path, MD5 and a word: `obsolete` ones are no longer the package's, `newconffile` has no digest yet. */
function conffilesOf(one: Paragraph): readonly Conffile[] {
  return one
    .get('Conffiles')
    .split('\n')
    .flatMap((line) => {
      const found = /^ (?<path>\/.*) (?<md5>[0-9a-f]{32})$/.exec(line)?.groups;
      return found === undefined
        ? []
        : [{path: found['path'] ?? '', package: one.get('Package'), md5: found['md5'] ?? ''}];
    });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
