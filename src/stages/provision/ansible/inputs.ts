import {readFileSync} from 'node:fs';
import {basename, extname, join, posix} from 'node:path';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import {filesBelow, foldersIn, isFolder, isProjectFile} from '../project-files.ts';
import {Collections} from './collections.ts';
import {pathsIn} from './paths.ts';
import {type Named, type PlayFile, readPlays} from './reader.ts';
import {requirementProblems} from './requirements.ts';
import {installNote, Roles} from './roles.ts';
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
  #makesGroups = false;
  #hasCollections = false;

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
    const {files, requirements, groups} = this.#options;
    this.#given();
    for (const path of files) this.#take(path);
    if (this.#makesGroups)
      for (const folder of this.#folders)
        for (const name of ['group_vars', 'host_vars']) this.#take(inFolder(folder, name));
    const collections = this.#collections();
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

  /** The variables of the spec. */
  #given(): void {
    const {vars, vars_files: variables, playbooks} = this.#options;
    const [path = ''] = playbooks;
    const of = {path, folder: posix.dirname(path), at: ['vars']};
    for (const file of variables) {
      this.#files.add(file);
      this.#variablesIn(file, of);
    }
    for (const {key, text} of textsOf(vars, '')) this.#text(text, {...of, key});
  }

  /** Those of the spec, and those beside the playbooks that are known by now. */
  #collections(): Collections {
    const beside = [...this.#folders].map((folder) => inFolder(folder, 'collections'));
    return new Collections(this.#dir, [...this.#options.collections, ...beside]);
  }

  /** The folders that Ansible looks into beside a playbook. */
  #beside(folder: string): void {
    const names = [...wholeFolders, ...pluginFolders, 'group_vars', 'host_vars', 'roles', 'collections'];
    for (const name of names) this.#watched.add(inFolder(folder, name));
    for (const name of foldersIn(this.#dir, folder)) {
      const path = inFolder(folder, name);
      if (wholeFolders.has(name) || name.endsWith('_plugins')) this.#take(path);
    }
    this.#variables(folder, 'group_vars', ['all', 'ungrouped', ...this.#options.groups]);
    this.#variables(folder, 'host_vars', ['localhost']);
  }

  #variables(playbookFolder: string, kind: string, names: readonly string[]): void {
    const folder = inFolder(playbookFolder, kind);
    if (!isFolder(this.#dir, folder)) return;
    for (const path of filesBelow(this.#dir, folder)) {
      const [first = ''] = path.slice(folder.length + 1).split('/');
      if (!names.includes(first) && !names.includes(basename(first, extname(first)))) continue;
      this.#files.add(path);
      this.#variablesIn(path, {folder: playbookFolder, at: ['playbook']});
    }
  }

  #imported(name: string, {from, line, at}: {from: string; line: number; at: StepProblem['at']}): void {
    const path = posix.normalize(inFolder(posix.dirname(from), name));
    const folder = posix.dirname(from);
    if (isTemplate(name)) this.#guess(path, {start: folder, folder, key: 'import_playbook', at});
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
    else if (
      !/^\w+\.\w+\.\w+$/.test(name) &&
      !(this.#hasCollections && this.#collections().mayHaveRole(name))
    ) {
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
    const files = filesBelow(this.#dir, folder, [
      'tests',
      'molecule',
      'README.md',
      'CHANGELOG.md',
      'LICENSE',
    ]);
    for (const path of files) {
      const inRole = path.slice(folder.length + 1);
      if (inRole === installNote) continue;
      this.#files.add(path);
      if (variableFolder.test(inRole)) this.#variablesIn(path, {folder, at});
      if (!/\.ya?ml$/.test(path) || !taskFolder.test(inRole)) continue;
      const tasks = this.#read(path, at);
      if (tasks !== undefined) this.#follow(tasks, {path, folder, at});
    }
  }

  /** Takes what a file names. */
  #follow(read: PlayFile, {path, folder, at}: {path: string; folder: string; at: StepProblem['at']}): void {
    this.#makesGroups ||= read.makesGroups;
    this.#hasCollections ||= read.hasCollections;
    for (const role of read.roles) this.#role(role, {path, at});
    for (const {key, text} of read.texts) this.#text(text, {key, path, folder, at});
  }

  /** A text may be a file's path, from the playbook, the role, or the file that it stands in. */
  #text(text: string, of: {key: string; path: string; folder: string; at: StepProblem['at']}): void {
    const {key, path, folder, at} = of;
    const starts = new Set([...this.#folders, folder, posix.dirname(path)]);
    for (const {path: named, kind, mayBeFolder, isOptional} of pathsIn(text, key))
      for (const start of starts) {
        const found = posix.normalize(inFolder(start, named)).replace(/(?<=.)\/$/, '');
        if (found.startsWith('../')) continue;
        if (kind !== 'path') this.#guess(found, {start, key, folder, at});
        else if (isProjectFile(this.#dir, found)) this.#named(found, {key, folder, at});
        else if (mayBeFolder && found !== '.' && isFolder(this.#dir, found)) this.#take(found);
        else if (isOptional && !isFolder(this.#dir, found)) this.#watched.add(found);
      }
  }

  #named(path: string, {key, folder, at}: {key: string; folder: string; at: StepProblem['at']}): void {
    if (this.#files.has(path) && this.#seen.has(path)) return;
    this.#files.add(path);
    if (variableKeys.has(key)) this.#variablesIn(path, {folder, at});
    if (!taskKeys.has(key) || !/\.ya?ml$/.test(path)) return;
    this.#seen.add(path);
    const tasks = this.#read(path, at);
    if (tasks !== undefined) this.#follow(tasks, {path, folder, at});
  }

  /** Variables may be paths, too. What is wrong with such a file is Ansible's to say: it may be encrypted. */
  #variablesIn(path: string, {folder, at}: {folder: string; at: StepProblem['at']}): void {
    if (this.#seen.has(path) || !/(\.(ya?ml|json)|\/[^./]+)$/.test(path)) return;
    this.#seen.add(path);
    for (const {key, text} of readPlays(this.#dir, path).texts) this.#text(text, {key, path, folder, at});
  }

  /**
   * A name that is known up to its first template or wildcard: all that may be meant. Directly in a folder those files
   * that end as the name does; what lies beside the playbook is not meant by a role.
   */
  #guess(
    path: string,
    {start, ...of}: {start: string; key: string; folder: string; at: StepProblem['at']},
  ): void {
    const at = path.search(/\{\{|[*?[]/);
    const known = posix.dirname(`${path.slice(0, at)}x`);
    if (at === -1 || known.startsWith('..')) return;
    if (known !== start && known !== '.') {
      this.#watched.add(known);
      if (!isFolder(this.#dir, known)) return;
      this.#take(known);
      for (const one of filesBelow(this.#dir, known)) this.#named(one, of);
      return;
    }
    const end = /[^}*?\]/]*$/.exec(path)?.[0] ?? '';
    if (end === '' || (start !== of.folder && this.#folders.has(start))) return;
    if (known !== '.') this.#watched.add(known);
    for (const name of foldersFiles(this.#dir, known))
      if (name.endsWith(end)) this.#named(inFolder(known, name), of);
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
    yield JSON.stringify(this.#options.vars);
    for (const path of this.#files)
      if (/\.(ya?ml|json|j2|py|cfg)$/.test(path)) yield readFileSync(join(this.#dir, path), 'utf8');
  }
}

const wholeFolders: ReadonlySet<string> = new Set([
  ...['files', 'templates', 'vars', 'tasks', 'handlers'],
  ...['library', 'module_utils'],
]);

const pluginFolders = ['action', 'filter', 'lookup', 'test'].map((kind) => `${kind}_plugins`);

/** Where a role has tasks or names other roles, and where it has variables. */
const taskFolder = /^(tasks|handlers|meta)\//;
const variableFolder = /^(defaults|vars)\//;

/** Keys below which a text is the path of a file with tasks, of one with variables. */
const taskKeys: ReadonlySet<string> = new Set(['include_tasks', 'import_tasks', 'file', 'include']);
const variableKeys: ReadonlySet<string> = new Set(['include_vars', 'vars_files']);

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

/** All texts of a value, with the key that they stand below. */
function textsOf(value: unknown, key: string): readonly {readonly key: string; readonly text: string}[] {
  if (typeof value === 'string') return [{key, text: value}];
  if (Array.isArray(value)) return value.flatMap((one) => textsOf(one, key));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, one]) => textsOf(one, name));
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
