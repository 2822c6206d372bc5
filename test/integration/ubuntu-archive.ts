import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {archiveUris} from '../../src/run/host-archive.ts';
import type {Os} from '../../src/spec/image.ts';
import {aptOf, readTemplate} from '../../src/spec/template.ts';
import {TemporaryStore} from '../rig/stored.ts';
import {LocalArchive} from './local-archive.ts';

const debian: Os = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'};
const kernelVersion = '6.8.0-60-generic';

/**
 * An archive in Ubuntu's layout: one root with `noble`, `noble-updates` and `noble-security`, components `main` and
 * `universe`, signed by a key of its own. What is in it are Debian's packages, so that a root of it runs, with what Ubuntu
 * says and calls otherwise: os-release, the keyring, a kernel whose modules are a package of their own.
 */
export function makeUbuntuArchive(folder: string): LocalArchive {
  const archive = new LocalArchive(join(folder, 'archive'));
  const fetched = fetchPackages(join(folder, 'apt'));
  for (const name of readdirSync(fetched).filter((one) => one.endsWith('.deb')))
    renameSync(join(fetched, name), archive.path(`pool/${name.replaceAll('%3a', ':')}`));
  rmSync(join(folder, 'apt'), {recursive: true});
  const own = new OwnPackages(archive);
  own.rename('base-files');
  own.keyring();
  own.kernel();
  const inMain = readdirSync(archive.path('pool'))
    .map((name) => `pool/${name}`)
    .sort();
  const [zstd = ''] = inMain.filter((path) => path.startsWith('pool/zstd_'));
  archive.add('site-tool', '1.0', {content: 'as released'});
  archive.add('site-tool', '1.0ubuntu0.1', {content: 'mended'});
  const suite = (name: string, components: Readonly<Record<string, readonly string[]>>): void =>
    archive.publishSuite(name, {fields: {Origin: 'Ubuntu', Label: 'Ubuntu', Version: '24.04'}, components});
  suite('noble', {
    main: [
      ...inMain.filter((path) => path !== zstd && !path.includes('/linux-')),
      'pool/site-tool_1.0_all.deb',
    ],
    universe: [zstd],
  });
  suite('noble-updates', {main: inMain.filter((path) => path.includes('/linux-')), universe: []});
  suite('noble-security', {main: [], universe: ['pool/site-tool_1.0ubuntu0.1_all.deb']});
  return archive;
}

/** What a base of Ubuntu consists of, in Debian's packages: fetched by the host's apt from where the host has them. */
function fetchPackages(folder: string): string {
  using cache = new TemporaryStore();
  const {main} = archiveUris(debian, cache.store);
  const {packages: own, kernel_packages: beside} = readTemplate('ubuntu');
  const packages = own.filter((name) => name !== 'ubuntu-keyring');
  const {keyring} = aptOf(readTemplate('debian'));
  for (const name of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, name), {recursive: true});
  writeFileSync(join(folder, 'sources.list'), `deb [signed-by=${keyring}] ${main} bookworm main\n`);
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'APT::Architecture': 'amd64',
    'APT::Architectures': 'amd64',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::GzipIndexes': 'false',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = (words: readonly string[]): void =>
    void execFileSync('apt-get', ['-qq', ...options, ...words], {stdio: 'pipe'});
  apt(['update']);
  apt([
    'install',
    '-y',
    '--download-only',
    'apt',
    ...requiredNames(join(folder, 'state/lists')),
    ...packages,
    ...beside,
  ]);
  return join(folder, 'cache/archives');
}

/** Essential packages and those of priority required: what mmdebstrap's variant minbase begins with. */
function requiredNames(lists: string): readonly string[] {
  const index = readdirSync(lists).find((name) => name.endsWith('_Packages')) ?? '';
  return readFileSync(join(lists, index), 'utf8')
    .split('\n\n')
    .flatMap((stanza) => {
      const isWanted = /^(?:Essential: yes|Priority: required)$/m.test(stanza);
      return isWanted ? (/^Package: (?<name>\S+)$/m.exec(stanza)?.groups?.['name'] ?? []) : [];
    });
}

/** Packages that are Ubuntu's own. */
class OwnPackages {
  readonly #archive: LocalArchive;
  readonly #tree: string;

  constructor(archive: LocalArchive) {
    this.#archive = archive;
    this.#tree = join(archive.folder, 'own');
  }

  /** Has a package of Debian say that it is of Ubuntu. */
  rename(name: string): void {
    const found = readdirSync(this.#archive.path('pool')).find((one) => one.startsWith(`${name}_`)) ?? '';
    const path = this.#archive.path(`pool/${found}`);
    execFileSync('dpkg-deb', ['--raw-extract', path, this.#tree]);
    const osRelease = [
      'PRETTY_NAME="Ubuntu 24.04 LTS"',
      'NAME="Ubuntu"',
      'VERSION_ID="24.04"',
      'VERSION_CODENAME=noble',
      'ID=ubuntu',
      'ID_LIKE=debian',
      '',
    ];
    writeFileSync(join(this.#tree, 'usr/lib/os-release'), osRelease.join('\n'));
    this.#build(found);
  }

  keyring(): void {
    this.#write('usr/share/keyrings/ubuntu-archive-keyring.gpg', this.#archive.key);
    this.#control('ubuntu-keyring', '2023.11.28.1');
  }

  kernel(): void {
    this.#write(`boot/vmlinuz-${kernelVersion}`, 'no kernel\n');
    this.#control(`linux-image-${kernelVersion}`, '6.8.0-60.63', `linux-modules-${kernelVersion}`);
    this.#write(`lib/modules/${kernelVersion}/modules.order`, '');
    this.#control(`linux-modules-${kernelVersion}`, '6.8.0-60.63');
    this.#control('linux-image-generic', '6.8.0-60.63', `linux-image-${kernelVersion}`);
  }

  #write(path: string, content: string): void {
    mkdirSync(join(this.#tree, path, '..'), {recursive: true});
    writeFileSync(join(this.#tree, path), content);
  }

  #control(name: string, version: string, depends = ''): void {
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      'Architecture: amd64',
      'Maintainer: A test <test@example.org>',
      'Section: kernel',
      'Priority: optional',
      ...(depends === '' ? [] : [`Depends: ${depends}`]),
      'Description: made by a test',
      '',
    ];
    this.#write('DEBIAN/control', control.join('\n'));
    this.#build(`${name}_${version}_amd64.deb`);
  }

  #build(fileName: string): void {
    const path = this.#archive.path(`pool/${fileName}`);
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z1', '--build', this.#tree, path], {
      stdio: 'pipe',
      env: {...process.env, SOURCE_DATE_EPOCH: '1700000000'},
    });
    rmSync(this.#tree, {recursive: true});
  }
}
