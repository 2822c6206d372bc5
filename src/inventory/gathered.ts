import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {compareVersions} from '../lock/version.ts';
import {apkPackages} from './apks.ts';
import {type Copyright, type NamedLicence, parseCopyright} from './copyright.ts';
import {
  type Inventory,
  type InventoryChangedFile,
  type InventoryDeb,
  type InventoryFile,
  type InventoryGroup,
  type InventoryPackage,
  type InventorySetuid,
  type InventoryUser,
  inventoryVersion,
} from './inventory.ts';
import {parseOsRelease} from './os-release.ts';
import {type Conffile, type DebName, readPackages} from './packages.ts';
import {changedConfiguration, namedLicences, type RpmPackage, rpmPackages} from './rpms.ts';
import {unitStates} from './units.ts';

/** An inventory, and what the documents tell beside it. */
export interface Taken {
  readonly inventory: Inventory;
  /** What the `LicenseRef-…`s of a package stand for, by the package's name. */
  readonly named: ReadonlyMap<string, readonly NamedLicence[]>;
  /** SHA-1 of the files that no package owns, by path: SPDX asks for it. */
  readonly sha1: ReadonlyMap<string, string>;
}

/** Reads what src/stages/scripts/sbom.sh gathered in a folder. */
export function readGathered(folder: string, debOf: (wanted: DebName) => InventoryDeb | undefined): Taken {
  const read = readerOf(folder);
  const copyrights = copyrightReader((name) => read(join('copyright', name)));
  const {packages, conffiles} = readPackages({
    status: read('status'),
    extendedStates: read('extended_states'),
    copyrightOf: copyrights,
    debOf,
  });
  const changed = changedFiles(conffiles, {md5: digests(read('md5')), sha256: digests(read('sha256'))});
  const architecture = packages.find(({name}) => name === 'dpkg')?.architecture ?? '';
  return {
    ...treeOf(folder, {packages, architecture, changed}),
    named: new Map(packages.map(({name}) => [name, copyrights(name).named] as const)),
  };
}

/** The same of a tree whose packages are rpm's, of which its database told beside it. */
export function readGatheredRpms(
  folder: string,
  {
    facts,
    architecture,
    rpmOf,
  }: {
    readonly facts: readonly RpmPackage[];
    readonly architecture: string;
    readonly rpmOf: (wanted: DebName) => InventoryDeb | undefined;
  },
): Taken {
  const changed = changedConfiguration(facts, digests(readerOf(folder)('sha256')));
  const packages = rpmPackages(facts, rpmOf);
  return {
    ...treeOf(folder, {packages, architecture, changed: [...changed].sort(byPath)}),
    named: namedLicences(facts),
  };
}

/** The same of a tree whose packages are apk's, or nobody's. */
export function readGatheredApks(folder: string, {architecture}: {readonly architecture: string}): Taken {
  const {packages, named} = apkPackages(readerOf(folder)('apk-installed'));
  return {...treeOf(folder, {packages, architecture, changed: []}), named};
}

function readerOf(folder: string): (name: string) => string {
  return (name) => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
}

/** What does not depend on who brought the packages. */
function treeOf(
  folder: string,
  {
    packages,
    architecture,
    changed,
  }: {
    readonly packages: readonly InventoryPackage[];
    readonly architecture: string;
    readonly changed: readonly InventoryChangedFile[];
  },
): Omit<Taken, 'named'> {
  const read = readerOf(folder);
  const sha256 = digests(read('sha256'));
  const [bytes = 0, files = 0, links = 0, folders = 0] = (rows(read('size'))[0] ?? []).map(Number);
  const inventory: Inventory = {
    version: inventoryVersion,
    os: {
      ...parseOsRelease(read('os-release')),
      architecture,
    },
    packages,
    kernels: rows(read('kernels'))
      .flat()
      .sort((a, b) => compareVersions(b, a)),
    users: rows(read('users')).map(user).sort(byName),
    groups: rows(read('groups')).map(group).sort(byName),
    units: unitStates(rows(read('units')).map(([what = '', name = '']) => ({what, name}))),
    setuid: rows(read('setuid')).map(setuid).sort(byPath),
    files: {
      unowned: rows(read('unowned'))
        .map((fields) => file(fields, sha256))
        .sort(byPath),
      changed,
    },
    size: {
      bytes,
      files,
      links,
      folders,
      packages_kib: packages.reduce((sum, one) => sum + one.installed_size_kib, 0),
    },
  };
  return {inventory, sha1: digests(read('sha1'))};
}

/** What is installed, as much as it takes to look for the .debs. */
export function gatheredPackages(folder: string): readonly DebName[] {
  return readPackages({
    status: readFileSync(join(folder, 'status'), 'utf8'),
    extendedStates: '',
    copyrightOf: () => ({licences: [], named: []}),
    debOf: () => undefined,
  }).packages;
}

/** All packages of one source have the same text. */
function copyrightReader(textOf: (name: string) => string): (name: string) => Copyright {
  const byText = new Map<string, Copyright>();
  const byName = new Map<string, Copyright>();
  return (name) => {
    const known = byName.get(name);
    if (known !== undefined) return known;
    const text = textOf(name);
    const copyright = byText.get(text) ?? parseCopyright(text);
    byText.set(text, copyright);
    byName.set(name, copyright);
    return copyright;
  };
}

/** Lines of fields; see src/stages/scripts/sbom.pl. */
function rows(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ').map(decode));
}

/** A name that is no UTF-8 stays as it was written down. */
function decode(field: string): string {
  try {
    return decodeURIComponent(field);
  } catch {
    return field;
  }
}

/** What sha256sum(1) -z and its like print. */
function digests(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => {
        const blank = entry.indexOf(' ');
        return [entry.slice(blank + 2), entry.slice(0, blank)];
      }),
  );
}

function file(
  [type = '', mode = '', uid = '', gid = '', size = '', path = '', target = '']: readonly string[],
  sha256: ReadonlyMap<string, string>,
): InventoryFile {
  const common = {path, mode, uid: Number(uid), gid: Number(gid)};
  if (type === 'link') return {...common, type, target};
  if (type !== 'file') return {...common, type: 'other'};
  const digest = sha256.get(path);
  return {...common, type, size_bytes: Number(size), ...(digest === undefined ? {} : {sha256: digest})};
}

function setuid([mode = '', uid = '', gid = '', owned = '', path = '']: readonly string[]): InventorySetuid {
  return {path, mode, uid: Number(uid), gid: Number(gid), owned: owned === '1'};
}

function user([
  name = '',
  uid = '',
  gid = '',
  home = '',
  shell = '',
  password = '',
]: readonly string[]): InventoryUser {
  return {
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    shell,
    password: password === 'hash' || password === 'empty' ? password : 'locked',
  };
}

function group([name = '', gid = '', members = '']: readonly string[]): InventoryGroup {
  const names = members.split(',').filter((member) => member !== '');
  return {name, gid: Number(gid), members: names.sort()};
}

function changedFiles(
  conffiles: readonly Conffile[],
  {md5, sha256}: {md5: ReadonlyMap<string, string>; sha256: ReadonlyMap<string, string>},
): readonly InventoryChangedFile[] {
  return conffiles
    .flatMap(({path, package: name, md5: brought}): InventoryChangedFile[] => {
      const now = md5.get(path);
      if (now === brought) return [];
      if (now === undefined) return [{path, package: name, state: 'removed'}];
      const digest = sha256.get(path);
      return [{path, package: name, state: 'changed', ...(digest === undefined ? {} : {sha256: digest})}];
    })
    .sort(byPath);
}

function byName(a: {readonly name: string}, b: {readonly name: string}): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function byPath(a: {readonly path: string}, b: {readonly path: string}): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
