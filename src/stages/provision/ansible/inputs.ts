import {readFileSync} from 'node:fs';
import {basename, extname, join, posix} from 'node:path';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import {filesBelow, foldersIn, isFolder, isProjectFile} from '../project-files.ts';
import {Collections} from './collections.ts';
import {type Named, type PlayFile, readPlays} from './reader.ts';
import {requirementProblems} from './requirements.ts';
import {Roles} from './roles.ts';
import type {AnsibleOptions} from './schema.ts';

/** Files of the project that a step's plays read, and what is wrong with them. */
export interface PlayedFiles {
  readonly files: readonly string[];
  /** Folders in which a file more may be read too, whether or not they are there. */
  readonly folders: readonly string[];
  readonly problems: readonly StepProblem[];
}

/**
 * What the plays of a step read, as far as their text tells; the step is run with these files alone. Playbooks with what
 * lies in the folders beside them, the roles that they name (and those that these name) as whole folders, the
 * collections of which a name is in one of these files, and every file that a text of theirs is the path of. Where a
 * name is made by a template, the folder that it may be in is taken whole.
 */
export function playedFiles(options: AnsibleOptions, projectDir: string): PlayedFiles {
  const playing = new Playing(options, projectDir);
  for (const [index, path] of options.playbooks.entries()) playing.playbook(path, ['playbook', index]);
  return playing.end();
}

class Playing {
  readonly #options: AnsibleOptions;
  readonly #dir: string;
  readonly #files = new Set<string>();
  readonly #problems: StepProblem[] = [];
  readonly #roles: Roles;
  readonly #seen = new Set<string>();
  readonly #hosts: (readonly string[])[] = [];
  readonly #folders = new Set<string>();
  readonly #watched = new Set<string>();

  constructor(options: AnsibleOptions, projectDir: string) {
    this.#options = options;
    this.#dir = projectDir;
    this.#roles = new Roles(projectDir, options.roles);
  }

  playbook(path: string, at: StepProblem['at']): void {
    if (this.#seen.has(path)) return;
    this.#seen.add(path);
    this.#files.add(path);
    const folder = posix.dirname(path);
    this.#folders.add(folder);
    this.#roles.beside(folder);
    this.#beside(folder);
    const plays = this.#read(path, at);
    if (plays === undefined) return;
    this.#hosts.push(...plays.hosts);
    for (const {name, line} of plays.playbooks) this.#imported(name, {from: path, line, at});
    this.#follow(plays, {path, folder, at});
  }

  end(): PlayedFiles {
    const {files, vars_files: variables, requirements, groups} = this.#options;
    for (const path of variables) this.#files.add(path);
    for (const path of files) this.#take(path);
    const collections = new Collections(this.#dir, [
      ...this.#options.collections,
      ...[...this.#folders].map((folder) => inFolder(folder, 'collections')),
    ]);
    for (const path of collections.usedBy(this.#texts())) this.#files.add(path);
    this.#problems.push(...hostProblems(this.#hosts, groups));
    if (requirements !== undefined)
      this.#problems.push(
        ...requirementProblems(requirements, {projectDir: this.#dir, roles: this.#roles, collections}),
      );
    const watched = [...this.#options.roles, ...this.#options.collections, ...this.#watched];
    return {
      files: [...this.#files].sort(),
      folders: watched.filter((path) => !isProjectFile(this.#dir, path)),
      problems: this.#problems,
    };
  }

  /** The folders that Ansible looks into beside a playbook. */
  #beside(folder: string): void {
    const names = [...wholeFolders, ...pluginFolders, 'group_vars', 'host_vars', 'roles', 'collections'];
    for (const name of names) this.#watched.add(inFolder(folder, name));
    for (const name of foldersIn(this.#dir, folder)) {
      const path = inFolder(folder, name);
      if (wholeFolders.has(name) || name.endsWith('_plugins')) this.#take(path);
    }
    this.#variables(inFolder(folder, 'group_vars'), ['all', 'ungrouped', ...this.#options.groups]);
    this.#variables(inFolder(folder, 'host_vars'), ['localhost']);
  }

  #variables(folder: string, names: readonly string[]): void {
    if (!isFolder(this.#dir, folder)) return;
    for (const path of filesBelow(this.#dir, folder)) {
      const [first = ''] = path.slice(folder.length + 1).split('/');
      if (names.includes(first) || names.includes(basename(first, extname(first)))) this.#files.add(path);
    }
  }

  #imported(name: string, {from, line, at}: {from: string; line: number; at: StepProblem['at']}): void {
    const path = posix.normalize(inFolder(posix.dirname(from), name));
    if (isTemplate(name)) this.#guess(path, posix.dirname(from));
    else if (isProjectFile(this.#dir, path)) this.playbook(path, at);
    // A name of two dots is a playbook of a collection.
    else if (!/^\w+\.\w+\.\w+$/.test(name))
      this.#problems.push({
        at,
        message: `${from}:${String(line)} imports ${name}, which is no file of the project`,
        hint: 'Make the file, or name one that is there',
      });
  }

  #role({name, line}: Named, {path, at}: {path: string; at: StepProblem['at']}): void {
    if (isTemplate(name)) {
      for (const folder of this.#roles.all()) this.#roleFolder(folder, at);
      return;
    }
    const folder = this.#roles.find(name, posix.dirname(path));
    if (folder !== undefined) this.#roleFolder(folder, at);
    else if (!/^\w+\.\w+\.\w+$/.test(name)) {
      const near = nearest(name, this.#roles.names());
      this.#problems.push({
        at,
        message: `${path}:${String(line)} names the role ${name}, which is in none of ${this.#roles.places()}`,
        hint:
          near === undefined
            ? 'Put it there (`ansible-galaxy role install -p FOLDER …`), or name its folder in `roles`'
            : `Write \`${near}\``,
      });
    }
  }

  #roleFolder(folder: string, at: StepProblem['at']): void {
    if (this.#seen.has(folder)) return;
    this.#seen.add(folder);
    const files = filesBelow(this.#dir, folder, ['tests', 'README.md', 'CHANGELOG.md', 'LICENSE']);
    for (const path of files) {
      this.#files.add(path);
      if (!/\.ya?ml$/.test(path) || !taskFolder.test(path.slice(folder.length + 1))) continue;
      const tasks = this.#read(path, at);
      if (tasks !== undefined) this.#follow(tasks, {path, folder, at});
    }
  }

  /** Takes what a file names. */
  #follow(read: PlayFile, {path, folder, at}: {path: string; folder: string; at: StepProblem['at']}): void {
    for (const role of read.roles) this.#role(role, {path, at});
    for (const {key, text} of read.texts) this.#text(text, {key, path, folder, at});
  }

  /** A text may be a file's path, from the playbook, the role, or the file that it stands in. */
  #text(text: string, of: {key: string; path: string; folder: string; at: StepProblem['at']}): void {
    const {key, path, folder, at} = of;
    const named = /(?:^|\s)(?:src|file)=(?<path>\S+)/.exec(text)?.groups?.['path'] ?? text;
    if (named.length > 400 || named.includes('\n') || named.startsWith('/') || !/[\w]/.test(named)) return;
    const plain = named.replace(/\{\{\s*(playbook_dir|role_path)\s*\}\}\/*/, '');
    for (const start of new Set([...this.#folders, folder, posix.dirname(path)])) {
      const found = posix.normalize(inFolder(start, plain));
      if (found.startsWith('../')) continue;
      if (isTemplate(plain)) {
        if (fileKeys.has(key)) this.#guess(found, start);
      } else if (isProjectFile(this.#dir, found)) this.#named(found, {key, folder, at});
      else if (folderKeys.has(key) && found !== '.' && isFolder(this.#dir, found)) this.#take(found);
    }
  }

  #named(path: string, {key, folder, at}: {key: string; folder: string; at: StepProblem['at']}): void {
    if (this.#files.has(path) && this.#seen.has(path)) return;
    this.#files.add(path);
    if (!taskKeys.has(key) || !/\.ya?ml$/.test(path)) return;
    this.#seen.add(path);
    const tasks = this.#read(path, at);
    if (tasks !== undefined) this.#follow(tasks, {path, folder, at});
  }

  /** A name that is known up to its first template: all that may be meant. */
  #guess(path: string, start: string): void {
    const folder = posix.dirname(path.slice(0, path.indexOf('{{') + 1));
    if (folder !== start && folder !== '.') this.#take(folder);
    else
      for (const name of foldersFiles(this.#dir, folder))
        if (/\.(ya?ml|json|j2)$/.test(name)) this.#files.add(inFolder(folder, name));
  }

  #take(path: string): void {
    if (!isFolder(this.#dir, path)) {
      if (isProjectFile(this.#dir, path)) this.#files.add(path);
      return;
    }
    this.#watched.add(path);
    for (const file of filesBelow(this.#dir, path)) this.#files.add(file);
  }

  #read(path: string, at: StepProblem['at']): PlayFile | undefined {
    const read = readPlays(this.#dir, path);
    if (read.problem === undefined) return read;
    this.#problems.push({
      at,
      message: `${path}:${read.problem}`,
      hint: 'Mend the YAML; a text that begins with `{{` needs quotes',
    });
    return undefined;
  }

  /** The texts in which a collection's name may stand. */
  *#texts(): Generator<string> {
    for (const path of this.#files)
      if (/\.(ya?ml|json|j2|py|cfg)$/.test(path)) yield readFileSync(join(this.#dir, path), 'utf8');
  }
}

const wholeFolders: ReadonlySet<string> = new Set([
  ...['files', 'templates', 'vars', 'tasks', 'handlers'],
  ...['library', 'module_utils'],
]);

const pluginFolders = ['action', 'filter', 'lookup', 'test'].map((kind) => `${kind}_plugins`);

/** Where a role has tasks or names other roles. */
const taskFolder = /^(tasks|handlers|meta)\//;

/** Keys below which a text is the path of a file of the controller's. */
const fileKeys: ReadonlySet<string> = new Set([
  ...['include_tasks', 'import_tasks', 'include_vars', 'vars_files', 'file', 'src', 'script', 'dir'],
]);
const taskKeys: ReadonlySet<string> = new Set(['include_tasks', 'import_tasks', 'file', 'include']);
const folderKeys: ReadonlySet<string> = new Set(['src', 'dir']);

function hostProblems(
  plays: readonly (readonly string[])[],
  groups: readonly string[],
): readonly StepProblem[] {
  const own = ['all', 'localhost', '127.0.0.1', 'ungrouped', ...groups];
  const mayMatch = (pattern: string): boolean => own.includes(pattern) || /[^\w.-]/.test(pattern);
  if (plays.length === 0 || plays.some((patterns) => patterns.some(mayMatch))) return [];
  const names = [...new Set(plays.flat())];
  return [
    {
      at: ['playbook'],
      message: `No play is for this image: they are for ${names.join(', ')}`,
      hint: `Write \`groups: [${names[0] ?? ''}]\` beside \`playbook\`, or \`hosts: all\` in the play`,
    },
  ];
}

function foldersFiles(projectDir: string, folder: string): readonly string[] {
  return filesBelow(projectDir, folder, foldersIn(projectDir, folder)).map((path) => basename(path));
}

function isTemplate(text: string): boolean {
  return text.includes('{{');
}

function inFolder(folder: string, path: string): string {
  return folder === '.' ? path : `${folder}/${path}`;
}
