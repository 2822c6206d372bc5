import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ServedFolder} from './served-folder.ts';
import {SigningKeys} from './signing-keys.ts';

/** One suite of an archive. */
export interface Suite {
  /** Further fields of its Release file. */
  readonly fields: Readonly<Record<string, string>>;
  /** Paths of packages in the archive, by component. */
  readonly components: Readonly<Record<string, readonly string[]>>;
}

/** A package archive of the test's own: signed, served over HTTP, and changed while builds look on. */
export class LocalArchive {
  readonly folder: string;
  /** The public key, for `signed_by`. */
  readonly key: string;
  readonly #keys: SigningKeys;
  readonly #served: ServedFolder;

  constructor(folder: string) {
    this.folder = folder;
    this.#served = new ServedFolder(join(folder, 'root'));
    mkdirSync(join(folder, 'root/pool'), {recursive: true});
    const name = 'Archive of a test';
    this.#keys = new SigningKeys(join(folder, 'gnupg'), {names: [name], algorithm: 'ed25519'});
    this.key = this.#keys.export(name);
  }

  /** Paths that were asked for. */
  get asked(): string[] {
    return this.#served.asked;
  }

  get uri(): string {
    return this.#served.uri;
  }

  /** Makes a package; its only file holds `content`. */
  add(name: string, version: string, {content = version, depends = ''} = {}): string {
    const tree = join(this.folder, 'tree');
    rmSync(tree, {recursive: true, force: true});
    mkdirSync(join(tree, 'DEBIAN'), {recursive: true});
    mkdirSync(join(tree, 'usr/share', name), {recursive: true});
    writeFileSync(join(tree, 'usr/share', name, 'content'), `${content}\n`);
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      'Architecture: all',
      'Maintainer: A test <test@example.org>',
      'Section: misc',
      'Priority: optional',
      ...(depends === '' ? [] : [`Depends: ${depends}`]),
      'Description: made by a test',
      '',
    ];
    writeFileSync(join(tree, 'DEBIAN/control'), control.join('\n'));
    const path = `pool/${name}_${version}_all.deb`;
    execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, join(this.folder, 'root', path)], {
      stdio: 'pipe',
      env: {...process.env, SOURCE_DATE_EPOCH: '1700000000'},
    });
    return path;
  }

  path(name: string): string {
    return join(this.folder, 'root', name);
  }

  /** Writes the indexes of what lies in the pool, but for what `hidden` names, and signs them. */
  publish(hidden: readonly string[] = []): void {
    const names = readdirSync(this.path('pool')).filter((name) => !hidden.includes(`pool/${name}`));
    this.publishSuite('stable', {
      fields: {Origin: 'Test', Label: 'Test'},
      components: {main: names.sort().map((name) => `pool/${name}`)},
    });
  }

  /** Writes the index of a suite: what lies at which path of the archive, by component; signs it. */
  publishSuite(name: string, {fields, components}: Suite): void {
    const suite = this.path(`dists/${name}`);
    const indexes = Object.entries(components).map(([component, paths]) => {
      const path = `${component}/binary-amd64/Packages`;
      const packages = paths.map((one) => `${this.#stanza(one)}\n`).join('');
      mkdirSync(join(suite, component, 'binary-amd64'), {recursive: true});
      writeFileSync(join(suite, path), packages);
      const digest = createHash('sha256').update(packages).digest('hex');
      return ` ${digest} ${String(Buffer.byteLength(packages))} ${path}`;
    });
    const release = [
      ...Object.entries(fields).map(([field, value]) => `${field}: ${value}`),
      `Suite: ${name}`,
      `Codename: ${name}`,
      `Date: ${new Date().toUTCString()}`,
      'Architectures: amd64 all',
      `Components: ${Object.keys(components).join(' ')}`,
      'SHA256:',
      ...indexes,
      '',
    ];
    writeFileSync(join(suite, 'Release'), release.join('\n'));
    rmSync(join(suite, 'InRelease'), {force: true});
    this.#keys.gpg(['--clearsign', '--output', join(suite, 'InRelease'), join(suite, 'Release')]);
  }

  #stanza(path: string): string {
    const bytes = readFileSync(this.path(path));
    const control = execFileSync('dpkg-deb', ['--field', this.path(path)], {encoding: 'utf8'});
    const digest = createHash('sha256').update(bytes).digest('hex');
    return `${control}Filename: ${path}\nSize: ${String(bytes.length)}\nSHA256: ${digest}\n`;
  }

  /** Serves the archive, at the same port each time. */
  start(): Promise<void> {
    return this.#served.start();
  }

  stop(): Promise<void> {
    return this.#served.stop();
  }

  /** Ends the server and gpg's agent. */
  async close(): Promise<void> {
    await this.stop();
    this.#keys.close();
  }
}
