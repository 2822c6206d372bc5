import {readFileSync} from 'node:fs';
import {basename, join, posix} from 'node:path';
import {foldersIn, isFolder, isProjectFile} from '../project-files.ts';

/** What makes a folder a role (https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_reuse_roles.html). */
const parts = ['tasks', 'meta', 'handlers', 'defaults', 'vars', 'files', 'templates'];

/** What ansible-galaxy notes down in a role that it installs: its version, and when that was. */
export const installNote = 'meta/.galaxy_install_info';

/** The roles of a project. */
export class Roles {
  readonly #dir: string;
  /** Folders with roles. */
  readonly #folders: string[] = [];
  /** Folders that are a role each. */
  readonly #single: string[] = [];

  constructor(projectDir: string, paths: readonly string[]) {
    this.#dir = projectDir;
    for (const path of paths) (isRole(projectDir, path) ? this.#single : this.#folders).push(path);
  }

  /** Adds the `roles` beside a playbook, where Ansible looks first. */
  beside(folder: string): void {
    const path = folder === '.' ? 'roles' : `${folder}/roles`;
    if (isFolder(this.#dir, path) && !this.#folders.includes(path)) this.#folders.unshift(path);
  }

  /** The folder of a role, by its name, or by its path from the file that names it. */
  find(name: string, from: string): string | undefined {
    const single = this.#single.find((path) => basename(path) === name);
    if (single !== undefined) return single;
    const places = [...this.#folders, from].map((folder) => posix.normalize(posix.join(folder, name)));
    return places.find((path) => !path.startsWith('..') && isFolder(this.#dir, path));
  }

  /** The version that `ansible-galaxy role install` noted down of a role; undefined where it did not install it. */
  versionOf(name: string): string | undefined {
    const path = `${this.find(name, '.') ?? name}/${installNote}`;
    if (!isProjectFile(this.#dir, path)) return undefined;
    return /^version: *['"]?(?<version>[^'"\n]+?)['"]? *$/m.exec(readFileSync(join(this.#dir, path), 'utf8'))
      ?.groups?.['version'];
  }

  all(): readonly string[] {
    return [
      ...this.#single,
      ...this.#folders.flatMap((folder) => foldersIn(this.#dir, folder).map((name) => `${folder}/${name}`)),
    ];
  }

  names(): readonly string[] {
    return this.all().map((path) => basename(path));
  }

  /** For people: where roles are looked for. */
  places(): string {
    const places = [...this.#folders, ...this.#single];
    return places.length === 0 ? 'the folders of roles (there is none)' : places.join(', ');
  }
}

function isRole(projectDir: string, path: string): boolean {
  const inside = foldersIn(projectDir, path);
  return (
    parts.some((part) => inside.includes(part)) &&
    !inside.some((name) => isRoleFolder(projectDir, path, name))
  );
}

function isRoleFolder(projectDir: string, path: string, name: string): boolean {
  return !parts.includes(name) && isFolder(projectDir, `${path}/${name}/tasks`);
}
