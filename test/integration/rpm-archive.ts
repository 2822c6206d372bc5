import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ServedFolder} from './served-folder.ts';
import {SigningKeys} from './signing-keys.ts';

/** A package of the test: what lies in it, by path. */
export interface RpmContent {
  /** Texts; a path that ends in `/` is a folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** Symbolic links. */
  readonly links?: Readonly<Record<string, string>>;
  /** Files of this host, by their place in the package. */
  readonly copies?: Readonly<Record<string, string>>;
  /** Modes that are not the usual ones, by path. */
  readonly modes?: Readonly<Record<string, string>>;
  readonly requires?: readonly string[];
  readonly provides?: readonly string[];
  /** Scriptlet after the installation. */
  readonly post?: string;
}

export type Signer = 'Archive of a test' | 'Somebody else';

/**
 * A repository of rpm packages of the test's own, made by rpmbuild and createrepo_c: packages and metadata are signed, and
 * it is served over HTTP.
 */
export class RpmArchive {
  readonly folder: string;
  /** The public key, for `signed_by`. */
  readonly key: string;
  readonly #keys: SigningKeys;
  readonly #served: ServedFolder;
  readonly #paths: readonly string[];

  /** `paths`: where repositories lie below the root: packages in the first, none in the others. */
  constructor(folder: string, paths: readonly string[]) {
    this.folder = folder;
    this.#paths = paths;
    this.#served = new ServedFolder(join(folder, 'root'));
    for (const path of paths) mkdirSync(join(folder, 'root', path), {recursive: true});
    const names: readonly Signer[] = ['Archive of a test', 'Somebody else'];
    this.#keys = new SigningKeys(join(folder, 'gnupg'), {names, algorithm: 'rsa2048'});
    this.key = this.#keys.export('Archive of a test');
  }

  /** Paths that were asked for. */
  get asked(): string[] {
    return this.#served.asked;
  }

  /** The folder with the packages. */
  get root(): string {
    return join(this.folder, 'root', this.#paths[0] ?? '');
  }

  get uri(): string {
    return this.#served.uri;
  }

  /** Makes a package and signs it, as the archive or as somebody else. Gives its file. */
  add(name: string, version: string, content: RpmContent & {readonly by?: Signer} = {}): string {
    const work = join(this.folder, 'work');
    rmSync(work, {recursive: true, force: true});
    const tree = join(work, 'tree');
    this.#lay(tree, content);
    writeFileSync(join(work, 'package.spec'), specText(name, version, content));
    execFileSync(
      'rpmbuild',
      [
        ...['-bb', '--target', 'x86_64'],
        ...defines({
          _topdir: work,
          _dbpath: join(work, 'db'),
          _buildhost: 'test',
          clamp_mtime_to_source_date_epoch: '1',
          use_source_date_epoch_as_buildtime: '1',
          __os_install_post: '%{nil}',
          debug_package: '%{nil}',
          _build_id_links: 'none',
          _binary_payload: 'w1.zstdio',
          tree,
        }),
        join(work, 'package.spec'),
      ],
      {stdio: 'pipe', env: {...process.env, SOURCE_DATE_EPOCH: '1700000000'}},
    );
    const folder = join(work, 'RPMS/x86_64');
    const [made = ''] = readdirSync(folder);
    const file = join(this.root, made);
    renameSync(join(folder, made), file);
    const {by = 'Archive of a test'} = content;
    const signing = {__gpg: '/usr/bin/gpg', _gpg_name: by, _gpg_path: this.#keys.home};
    execFileSync('rpmsign', ['--addsign', ...defines(signing), file], {stdio: 'pipe'});
    return file;
  }

  /** Writes the metadata of what lies there, and signs it. */
  publish(by: Signer = 'Archive of a test'): void {
    for (const path of this.#paths) {
      const folder = join(this.folder, 'root', path);
      rmSync(join(folder, 'repodata'), {recursive: true, force: true});
      execFileSync('createrepo_c', ['--quiet', '--no-database', folder], {stdio: 'pipe'});
      this.#keys.gpg(['--local-user', by, '--armor', '--detach-sign', join(folder, 'repodata/repomd.xml')]);
    }
  }

  /** Serves what lies below the root, at the same port each time. */
  start(): Promise<void> {
    return this.#served.start();
  }

  /** Ends the server and gpg's agent. */
  async close(): Promise<void> {
    await this.#served.stop();
    this.#keys.close();
  }

  #lay(tree: string, {files = {}, links = {}, copies = {}}: RpmContent): void {
    mkdirSync(tree, {recursive: true});
    const place = (path: string): string => {
      const at = join(tree, path);
      mkdirSync(path.endsWith('/') ? at : dirname(at), {recursive: true});
      return at;
    };
    for (const [path, text] of Object.entries(files))
      if (place(path) && !path.endsWith('/')) writeFileSync(join(tree, path), text);
    for (const [path, from] of Object.entries(copies))
      execFileSync('cp', ['--recursive', '--dereference', from, place(path)]);
    for (const [path, target] of Object.entries(links)) symlinkSync(target, place(path));
  }
}

function defines(macros: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(macros).flatMap(([name, value]) => ['--define', `${name} ${value}`]);
}

/** `version` is `[epoch:]version-release`. */
function specText(name: string, version: string, content: RpmContent): string {
  const {files = {}, links = {}, copies = {}, modes = {}, requires = [], provides = [], post} = content;
  const [, epoch, number = '', release = ''] = /^(?:(\d+):)?(.+)-([^-]+)$/.exec(version) ?? [];
  const paths = [...Object.keys(files), ...Object.keys(links), ...Object.keys(copies)];
  const listed = paths.map((path) => {
    const mode = modes[path];
    const folder = path.endsWith('/') ? '%dir ' : '';
    return `${mode === undefined ? '' : `%attr(${mode},root,root) `}${folder}${path.replace(/(?<=.)\/$/, '')}`;
  });
  return [
    `Name: ${name}`,
    ...(epoch === undefined ? [] : [`Epoch: ${epoch}`]),
    `Version: ${number}`,
    `Release: ${release}`,
    'Summary: Made by a test',
    'License: MIT',
    'AutoReqProv: no',
    ...requires.map((one) => `Requires: ${one}`),
    ...provides.map((one) => `Provides: ${one}`),
    '%description',
    'Made by a test.',
    '%install',
    'cp -a %{tree}/. %{buildroot}/',
    ...(post === undefined ? [] : ['%post', post]),
    '%files',
    '%defattr(-,root,root)',
    ...listed,
    '',
  ].join('\n');
}

/** Programs of this host and the libraries that they load, by their place in a root whose /bin and /lib are links. */
export function programs(paths: readonly string[]): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  const merged = (path: string): string => path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/');
  for (const path of paths) {
    found[merged(path)] = path;
    const libraries = execFileSync('ldd', [path], {encoding: 'utf8'});
    for (const [library] of libraries.matchAll(/\/\S+/g)) found[merged(library)] = library;
  }
  return found;
}
