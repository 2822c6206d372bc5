import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {parse} from 'yaml';
import {filesBelow, foldersIn, isFolder, isProjectFile} from '../project-files.ts';

/** What of a collection plays never read. */
const aside = ['tests', 'docs', 'changelogs', '.github'];

/** The collections of a project: folders below `ansible_collections`, and tarballs. */
export class Collections {
  readonly #dir: string;
  /** By name (`community.general`), the folder. */
  readonly #folders = new Map<string, string>();
  readonly tarballs: readonly string[];

  /** `paths` are folders that hold `ansible_collections` (or are it), folders of tarballs, and tarballs. */
  constructor(projectDir: string, paths: readonly string[]) {
    this.#dir = projectDir;
    const tarballs: string[] = [];
    for (const path of paths) {
      if (isProjectFile(projectDir, path)) tarballs.push(path);
      if (!isFolder(projectDir, path)) continue;
      const below = filesOf(projectDir, path).filter((name) => name.endsWith('.tar.gz'));
      tarballs.push(...below.map((name) => `${path}/${name}`));
      const root = collectionsRoot(projectDir, path);
      for (const namespace of foldersIn(projectDir, root))
        for (const name of foldersIn(projectDir, `${root}/${namespace}`)) {
          const full = `${namespace}.${name}`;
          if (!this.#folders.has(full)) this.#folders.set(full, `${root}/${namespace}/${name}`);
        }
    }
    this.tarballs = tarballs;
  }

  /** The files of the collections whose names are in these texts, and of those that they depend on; and all tarballs. */
  usedBy(texts: Iterable<string>): readonly string[] {
    const used = new Set<string>();
    for (const text of texts)
      for (const name of this.#folders.keys()) if (names(text, name)) this.#use(name, used);
    return [...this.tarballs, ...[...used].flatMap((name) => this.#filesOf(name))];
  }

  /** The version that a collection has, empty where that is not said; undefined where there is no such collection. */
  versionOf(name: string): string | undefined {
    const tarball = this.tarballs.map(tarballName).find((one) => one?.name === name);
    if (tarball !== undefined) return tarball.version;
    const folder = this.#folders.get(name);
    if (folder === undefined) return undefined;
    const {version} = this.#told(folder);
    return typeof version === 'string' ? version : '';
  }

  /** Whether a role that a play names without its collection can be in one of them; into tarballs nobody looks. */
  mayHaveRole(name: string): boolean {
    const folders = [...this.#folders.values()];
    return (
      this.tarballs.length > 0 || folders.some((folder) => isFolder(this.#dir, `${folder}/roles/${name}`))
    );
  }

  get names(): readonly string[] {
    return [...this.#folders.keys(), ...this.tarballs.flatMap((path) => tarballName(path)?.name ?? [])];
  }

  #use(name: string, used: Set<string>): void {
    const folder = this.#folders.get(name);
    if (folder === undefined || used.has(name)) return;
    used.add(name);
    const {dependencies} = this.#told(folder);
    if (typeof dependencies === 'object' && dependencies !== null)
      for (const needed of Object.keys(dependencies)) this.#use(needed, used);
  }

  #filesOf(name: string): readonly string[] {
    const folder = this.#folders.get(name);
    return folder === undefined ? [] : filesBelow(this.#dir, folder, aside);
  }

  /** What a collection says of itself: as it was installed, or as it is written. */
  #told(folder: string): Readonly<Record<string, unknown>> {
    const read = (name: string): Readonly<Record<string, unknown>> => {
      const value: unknown = isProjectFile(this.#dir, `${folder}/${name}`)
        ? parse(readFileSync(join(this.#dir, folder, name), 'utf8'))
        : {};
      return typeof value === 'object' && value !== null ? {...value} : {};
    };
    const {collection_info: info} = read('MANIFEST.json');
    return typeof info === 'object' && info !== null ? {...info} : read('galaxy.yml');
  }
}

/** The name and version of `<namespace>-<name>-<version>.tar.gz`, as `ansible-galaxy collection download` names them. */
export function tarballName(path: string): {readonly name: string; readonly version: string} | undefined {
  const found = /(?<namespace>\w+)-(?<name>\w+)-(?<version>[^/]+)\.tar\.gz$/.exec(path)?.groups;
  return found === undefined
    ? undefined
    : {name: `${found['namespace'] ?? ''}.${found['name'] ?? ''}`, version: found['version'] ?? ''};
}

/** The folder that holds `ansible_collections`, and that itself. */
export function collectionsRoot(projectDir: string, path: string): string {
  const below = `${path}/ansible_collections`;
  return isFolder(projectDir, below) ? below : path;
}

function names(text: string, name: string): boolean {
  const at = text.indexOf(name);
  return (
    at !== -1 &&
    new RegExp(`(^|[^\\w.])${name.replace('.', '\\.')}($|\\W)`).test(text.slice(Math.max(0, at - 1)))
  );
}

function filesOf(projectDir: string, folder: string): readonly string[] {
  return filesBelow(projectDir, folder, foldersIn(projectDir, folder)).map((path) =>
    path.slice(folder.length + 1),
  );
}
