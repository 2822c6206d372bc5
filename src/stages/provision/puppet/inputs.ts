import {readFileSync} from 'node:fs';
import {join, posix} from 'node:path';
import {parse, YAMLParseError} from 'yaml';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import {filesBelow, isFolder} from '../project-files.ts';
import {Modules} from './modules.ts';
import type {PuppetOptions} from './schema.ts';

/** Files of the project that a step applies, and what is wrong with them. */
export interface AppliedFiles {
  readonly files: readonly string[];
  /** Folders in which a file more may be read too. */
  readonly folders: readonly string[];
  readonly problems: readonly StepProblem[];
}

/**
 * What `puppet apply` reads, as far as texts tell; the step is run with these files alone: the manifests, Hiera's
 * settings and data, and the modules that these may use. Where a class is named by a variable that is not looked up in
 * Hiera, all modules.
 */
export function appliedFiles(options: PuppetOptions, projectDir: string): AppliedFiles {
  const modules = new Modules(projectDir, options.modules);
  const manifests = manifestFiles(options.manifest, projectDir);
  const hiera = hieraFiles(options, projectDir);
  const further = options.files.flatMap((path) =>
    isFolder(projectDir, path) ? filesBelow(projectDir, path) : [path],
  );
  const read = (path: string): string => readFileSync(join(projectDir, path), 'utf8');
  const texts = manifests.map((path) => ({path, text: read(path)}));
  const data = hiera.files.filter((path) => /\.(ya?ml|json|eyaml)$/.test(path));
  const used = modules.usedBy([
    ...texts.map(({text}) => text),
    ...data.map(read),
    JSON.stringify(options.facts),
  ]);
  const files = [
    ...manifests,
    ...hiera.files,
    ...further,
    ...[...used].flatMap((name) => modules.filesOf(name)),
  ];
  return {
    files: [...new Set(files)].sort(),
    folders: [options.manifest, ...options.modules, ...options.files, ...hiera.folders].filter((path) =>
      isFolder(projectDir, path),
    ),
    problems: [
      ...(manifests.length > 0 ? [] : [noManifest(options.manifest)]),
      ...hiera.problems,
      ...texts.flatMap((one) => classProblems(one, {modules, texts})),
    ],
  };
}

function manifestFiles(manifest: string, projectDir: string): readonly string[] {
  if (!isFolder(projectDir, manifest)) return [manifest];
  return filesBelow(projectDir, manifest).filter((path) => path.endsWith('.pp'));
}

function noManifest(manifest: string): StepProblem {
  return {
    at: ['manifest'],
    message: `There is no manifest in ${manifest}`,
    hint: 'Name a file or a folder with files that end in .pp',
  };
}

/** hiera.yaml and what is in the folders that it names (https://www.puppet.com/docs/puppet/8/hiera_config_yaml_5.html). */
function hieraFiles(
  {hiera: path, environment}: Pick<PuppetOptions, 'hiera' | 'environment'>,
  projectDir: string,
): AppliedFiles {
  if (path === undefined) return {files: [], folders: [], problems: []};
  const at = ['hiera'];
  let value: unknown;
  try {
    value = parse(readFileSync(join(projectDir, path), 'utf8'));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    const place = error.linePos?.[0];
    const message = `${path}:${String(place?.line ?? 1)}:${String(place?.col ?? 1)}: ${error.message.split(' at line ')[0] ?? ''}`;
    return {files: [path], folders: [], problems: [{at, message, hint: 'Mend the YAML'}]};
  }
  if (isOldHiera(value)) return {files: [path], folders: [], problems: [oldHiera(path)]};
  const folders = dataFolders(value, environment).map((folder) =>
    posix.normalize(posix.join(posix.dirname(path), folder)),
  );
  const missing = folders.filter((folder) => folder.startsWith('..') || !isFolder(projectDir, folder));
  return {
    files: [
      path,
      ...folders
        .filter((folder) => !missing.includes(folder))
        .flatMap((folder) => filesBelow(projectDir, folder)),
    ],
    folders,
    problems: missing.map((folder) => ({
      at,
      message: `${path} has its data in ${folder}, which is no folder of the project`,
      hint: 'Make the folder, or name it in `datadir`, relative to hiera.yaml',
    })),
  };
}

/** Version 3 has symbols for keys: `:backends:` (https://www.puppet.com/docs/puppet/8/hiera_migrate.html). */
function isOldHiera(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).some((key) => key.startsWith(':'));
}

function oldHiera(path: string): StepProblem {
  return {
    at: ['hiera'],
    message: `${path} is of version 3`,
    hint: 'Write it as version 5: `version: 5`, `hierarchy: [{name: …, path: …}]`',
  };
}

interface Level {
  readonly datadir?: string;
  readonly path?: string;
  readonly paths?: readonly string[];
  readonly glob?: string;
  readonly globs?: readonly string[];
}

/**
 * `data` beside hiera.yaml where nothing else is said; what a variable is in, up to it; and where a level's path leads
 * out of its folder.
 */
function dataFolders(value: unknown, environment: string): readonly string[] {
  const {defaults, hierarchy} = (value ?? {}) as {
    readonly defaults?: {readonly datadir?: string};
    readonly hierarchy?: readonly Level[];
  };
  const usual = defaults?.datadir ?? 'data';
  const levels: readonly Level[] = Array.isArray(hierarchy) && hierarchy.length > 0 ? hierarchy : [{}];
  const folders = levels.flatMap(({datadir = usual, path, paths = [], glob, globs = []}) => [
    fixedFolder(datadir, environment),
    ...[path, ...paths, glob, ...globs]
      .filter((one) => one?.includes('../') === true)
      .map((one) => fixedFolder(posix.dirname(`${datadir}/${one ?? ''}`), environment)),
  ]);
  return [...new Set(folders.map((folder) => posix.normalize(folder).replace(/(?<=.)\/$/, '')))];
}

function fixedFolder(folder: string, environment: string): string {
  const known = folder.replaceAll(/%\{(::)?environment\}/g, environment);
  const at = known.search(/%\{|[*?[]/);
  return at === -1 ? known : posix.dirname(known.slice(0, at + 1));
}

interface Manifest {
  readonly path: string;
  readonly text: string;
}

/** Classes that are included by name and that neither a module nor a manifest can have. */
function classProblems(
  {path, text}: Manifest,
  {modules, texts}: {readonly modules: Modules; readonly texts: readonly Manifest[]},
): readonly StepProblem[] {
  const own = texts.flatMap((one) =>
    [...one.text.matchAll(/^\s*class\s+(?:::)?([a-z]\w*)/gm)].map(([, name]) => name),
  );
  const known = [...modules.names, ...own.filter((name) => name !== undefined)];
  return withoutHeredocs(text).flatMap((line, index) => {
    const name =
      /^\s*(?:include|contain)[\s(]+['"]?(?:::)?(?<name>[a-z]\w*)(?:::\w+)*['"]?\s*(?:$|[,)}#])/.exec(line)
        ?.groups?.['name'];
    if (name === undefined || known.includes(name)) return [];
    const near = nearest(name, known);
    const hint =
      near === undefined ? 'Name the folder that has the module in `modules`' : `Write \`${near}\``;
    return [
      {
        at: ['manifest'],
        message: `${path}:${String(index + 1)} names the module ${name}, which is not there`,
        hint,
      },
    ];
  });
}

/** The lines of a manifest, those empty that are the text of a heredoc: `@("END"/L)` to `| END`. */
function withoutHeredocs(text: string): readonly string[] {
  let end: RegExp | undefined;
  return text.split('\n').map((line) => {
    if (end !== undefined) {
      if (end.test(line)) end = undefined;
      return '';
    }
    const tag = /@\(\s*"?(?<tag>[^"/:)]+?)"?\s*(?:[:/][^)]*)?\)/.exec(line)?.groups?.['tag'];
    if (tag !== undefined) end = new RegExp(`^\\s*\\|?\\s*-?\\s*${tag.replaceAll(/[^\w ]/g, '\\$&')}\\s*$`);
    return line;
  });
}
