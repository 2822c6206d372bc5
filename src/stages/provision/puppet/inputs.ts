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
  const hiera = hieraFiles(options.hiera, projectDir);
  const further = options.files.flatMap((path) =>
    isFolder(projectDir, path) ? filesBelow(projectDir, path) : [path],
  );
  const read = (path: string): string => readFileSync(join(projectDir, path), 'utf8');
  const texts = manifests.map((path) => ({path, text: read(path)}));
  const data = hiera.files.filter((path) => /\.(ya?ml|json|eyaml)$/.test(path));
  const used = texts.some(({text}) => dynamic.test(text))
    ? modules.names
    : modules.usedBy([...texts.map(({text}) => text), ...data.map(read), JSON.stringify(options.facts)]);
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

/** A class whose name is a variable's value. */
const dynamic = /\b(include|contain|require|create_resources)\b[\s('"[]*\$|\bclass\s*\{\s*["']?\$/;

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
function hieraFiles(path: string | undefined, projectDir: string): AppliedFiles {
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
  const folders = dataFolders(value).map((folder) =>
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

/** `data` beside hiera.yaml where nothing else is said; what a variable is in, up to it. */
function dataFolders(value: unknown): readonly string[] {
  const {defaults, hierarchy} = (value ?? {}) as {
    readonly defaults?: {readonly datadir?: string};
    readonly hierarchy?: readonly {readonly datadir?: string}[];
  };
  const usual = defaults?.datadir ?? 'data';
  const named = (Array.isArray(hierarchy) ? hierarchy : []).map(
    ({datadir}: {datadir?: string}) => datadir ?? usual,
  );
  return [...new Set((named.length === 0 ? [usual] : named).map(fixedFolder))];
}

function fixedFolder(folder: string): string {
  const at = folder.indexOf('%{');
  return at === -1 ? folder : posix.dirname(folder.slice(0, at + 1));
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
  return text.split('\n').flatMap((line, index) => {
    const name = /^\s*(?:include|contain)[\s(]+['"]?(?:::)?(?<name>[a-z]\w*)/.exec(line)?.groups?.['name'];
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
