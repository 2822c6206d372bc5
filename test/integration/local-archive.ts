import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';

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
  /** Paths that were asked for, since the last `clear`. */
  readonly asked: string[] = [];
  readonly #home: string;
  #server: Server | undefined;
  #port = 0;

  constructor(folder: string) {
    this.folder = folder;
    this.#home = join(folder, 'gnupg');
    mkdirSync(join(folder, 'root/pool'), {recursive: true});
    mkdirSync(this.#home, {recursive: true, mode: 0o700});
    this.#gpg(['--quick-gen-key', '--passphrase', '', 'Archive of a test', 'ed25519', 'sign', 'never']);
    this.key = this.#gpg(['--armor', '--export']);
  }

  get uri(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
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
    this.#gpg(['--clearsign', '--output', join(suite, 'InRelease'), join(suite, 'Release')]);
  }

  #stanza(path: string): string {
    const bytes = readFileSync(this.path(path));
    const control = execFileSync('dpkg-deb', ['--field', this.path(path)], {encoding: 'utf8'});
    const digest = createHash('sha256').update(bytes).digest('hex');
    return `${control}Filename: ${path}\nSize: ${String(bytes.length)}\nSHA256: ${digest}\n`;
  }

  /** Serves the archive, at the same port each time. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '/').replace(/^\/+/, '');
      this.asked.push(path);
      const file = this.path(path);
      if (path.includes('..') || !existsSync(file)) response.writeHead(404).end();
      else response.writeHead(200).end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** Ends the server and gpg's agent. */
  async close(): Promise<void> {
    await this.stop();
    execFileSync('gpgconf', ['--homedir', this.#home, '--kill', 'all'], {stdio: 'ignore'});
  }

  #gpg(words: readonly string[]): string {
    return execFileSync(
      'gpg',
      [
        '--homedir',
        this.#home,
        '--batch',
        '--yes',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        '',
        ...words,
      ],
      {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']},
    );
  }
}
