import type {NamedLicence} from './copyright.ts';
import type {InventoryChangedFile, InventoryDeb, InventoryPackage} from './inventory.ts';
import {licenceRef, spdxLicence} from './licences.ts';
import type {DebName} from './packages.ts';

/** A package as rpm's database in a tree tells it (src/stages/scripts/rpm-query.py). */
export interface RpmPackage extends DebName {
  /** File name of the source package. */
  readonly source: string;
  readonly group: string;
  readonly vendor: string;
  readonly homepage: string;
  /** An SPDX expression, or what distributions wrote before they took to that. */
  readonly licence: string;
  readonly depends: readonly string[];
  readonly size: number;
  /** Path and SHA-256. */
  readonly configuration: readonly (readonly [path: string, sha256: string])[];
}

export function rpmPackages(
  packages: readonly RpmPackage[],
  rpmOf: (wanted: DebName) => InventoryDeb | undefined,
): readonly InventoryPackage[] {
  return packages.map((one): InventoryPackage => {
    const {name, version, architecture, group, vendor, homepage, licence, depends, size} = one;
    const rpm = rpmOf(one);
    return {
      name,
      version,
      architecture,
      source: rpmSource(one),
      section: group,
      priority: '',
      maintainer: vendor,
      ...(homepage === '' ? {} : {homepage}),
      essential: false,
      automatic: false,
      licences: licencesOf(licence),
      depends,
      installed_size_kib: Math.ceil(size / 1024),
      ...(rpm === undefined ? {} : {rpm}),
    };
  });
}

/** What the tags `License` mean that are no SPDX ids, for documents. */
export function namedLicences(
  packages: readonly Pick<RpmPackage, 'name' | 'licence'>[],
): ReadonlyMap<string, readonly NamedLicence[]> {
  return new Map(
    packages.map(({name, licence}) => {
      const refs = licencesOf(licence).filter((one) => one.startsWith('LicenseRef-'));
      return [
        name,
        refs.map((ref) => ({ref, name: licence, text: `The tag License of the package: ${licence}`})),
      ];
    }),
  );
}

/** The tag is an SPDX expression in newer releases; what cannot be told for certain stands as a whole. */
export function licencesOf(tag: string): readonly string[] {
  if (tag === '') return [];
  const ids = tag.split(/ and /i).map((one) => spdxLicence(one.trim()));
  return ids.every((id) => id !== undefined) ? [...new Set(ids)].sort() : [licenceRef(tag)];
}

/** `bash-5.1.8-9.el9.src.rpm`. */
function rpmSource({name, version, source}: RpmPackage): {readonly name: string; readonly version: string} {
  const found = /^(?<name>.+)-(?<version>[^-]+-[^-]+)\.(?:no)?src\.rpm$/.exec(source)?.groups;
  return {name: found?.['name'] ?? name, version: found?.['version'] ?? version};
}

/** Configuration files that are not, or no longer, what their packages brought. */
export function changedConfiguration(
  packages: readonly RpmPackage[],
  sha256: ReadonlyMap<string, string>,
): readonly InventoryChangedFile[] {
  return packages.flatMap(({name, configuration}) =>
    configuration.flatMap(([path, brought]): readonly InventoryChangedFile[] => {
      const now = sha256.get(path);
      if (now === brought) return [];
      if (now === undefined) return [{path, package: name, state: 'removed'}];
      return [{path, package: name, state: 'changed', sha256: now}];
    }),
  );
}

/** Finds the packages of a repository's primary.xml that are installed. */
export class RpmIndex {
  readonly #wanted: ReadonlySet<string>;
  readonly #names: ReadonlySet<string>;
  readonly #found = new Map<string, InventoryDeb>();

  constructor(wanted: readonly DebName[]) {
    this.#wanted = new Set(wanted.map(keyOf));
    this.#names = new Set(wanted.map(({name}) => name));
  }

  /** Adds what a primary.xml tells (https://github.com/rpm-software-management/createrepo_c). */
  addPrimary(text: string): void {
    const opening = '<package type="rpm">';
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at + 1)) {
      const nameAt = text.indexOf('<name>', at) + '<name>'.length;
      const name = text.slice(nameAt, text.indexOf('<', nameAt));
      // A distribution has tens of thousands, of which a few hundred are looked into.
      if (this.#names.has(name)) this.#add(name, text.slice(at, text.indexOf('</package>', at)));
    }
  }

  #add(name: string, body: string): void {
    const {
      epoch = '0',
      version = '',
      release = '',
    } = /<version epoch="(?<epoch>\d+)" ver="(?<version>[^"]+)" rel="(?<release>[^"]+)"/.exec(body)?.groups ??
    {};
    const architecture = /<arch>([^<]+)</.exec(body)?.[1] ?? '';
    const sha256 = /<checksum type="sha256"[^>]*>([0-9a-f]{64})</.exec(body)?.[1];
    const path = /<location [^>]*href="([^"]+)"/.exec(body)?.[1];
    const wanted = {name, version: `${epoch === '0' ? '' : `${epoch}:`}${version}-${release}`, architecture};
    if (sha256 === undefined || path === undefined || !this.#wanted.has(keyOf(wanted))) return;
    this.#found.set(keyOf(wanted), {path, sha256});
  }

  find(wanted: DebName): InventoryDeb | undefined {
    return this.#found.get(keyOf(wanted));
  }
}

function keyOf({name, version, architecture}: DebName): string {
  return `${name} ${version} ${architecture}`;
}
