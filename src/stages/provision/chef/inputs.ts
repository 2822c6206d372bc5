import {posix} from 'node:path';
import {quote} from '../../../spec/diagnostic.ts';
import type {JsonObject} from '../../../spec/image.ts';
import {nearest} from '../../../spec/nearest.ts';
import type {StepProblem} from '../../../spec/provision-kinds.ts';
import {mergeAttributes} from './attributes.ts';
import {berksProblems} from './berks.ts';
import {type Cookbook, cookbookFiles, ownParts, Shelf} from './cookbooks.ts';
import {expand} from './expand.ts';
import type {ChefOptions} from './options.ts';
import {namedListProblems, type Policy, readPolicy} from './policy.ts';
import {ProjectFiles} from './project-files.ts';
import {definedNames, definitionFiles} from './roles.ts';

/** What a step reads of the project, found without running anything. */
export interface ChefInputs {
  /** Each file that the client sees, with its place in the repository that is made for it. */
  readonly staged: readonly StagedFile[];
  /** Files that the step reads and the client does not see. */
  readonly read: readonly string[];
  /** Folders in which another file could change all this, and files that say what counts. */
  readonly folders: readonly string[];
  /** Folders of the project by name of cookbook. */
  readonly cookbooks: ReadonlyMap<string, string>;
  readonly attributes: JsonObject;
  /** Absent: the policy has one. */
  readonly runList?: readonly string[];
  readonly policy?: Policy;
  /** Files whose Ruby would have to be run to tell what they name: all roles and cookbooks are read. */
  readonly unreadable: readonly string[];
  readonly problems: readonly StepProblem[];
}

export interface StagedFile {
  /** In the project. */
  readonly source: string;
  /** Below the repository's folder. */
  readonly path: string;
}

export function chefInputs(options: ChefOptions, projectDir: string): ChefInputs {
  const files = new ProjectFiles(projectDir);
  const shelf = new Shelf(files, options.cookbooks ?? usual(files, 'cookbooks'));
  const [dataBags] = options.data_bags === undefined ? usual(files, 'data_bags') : [options.data_bags];
  const attributes = mergeAttributes(options, files);
  const common = {
    attributes: attributes.values,
    read: options.attributes.flatMap((one) => ('file' in one ? [one.file] : [])),
  };
  const bags =
    dataBags === undefined
      ? []
      : files
          .below(dataBags)
          .filter((path) => path.endsWith('.json'))
          .map((path) => ({source: `${dataBags}/${path}`, path: `data_bags/${path}`}));
  const context = {options, files, shelf};
  const own =
    options.policy_lock === undefined
      ? ofRunList(context, attributes.runList)
      : ofPolicy(context, options.policy_lock);
  return {
    ...common,
    ...own,
    staged: [...own.staged, ...bags],
    folders: lookedInto(context, own.policy),
    problems: [...attributes.problems, ...own.problems],
  };
}

interface Context {
  readonly options: ChefOptions;
  readonly files: ProjectFiles;
  readonly shelf: Shelf;
}

type OwnInputs = Omit<ChefInputs, 'attributes' | 'read' | 'folders'>;

function ofRunList(
  {options, files, shelf}: Context,
  ofFile: {readonly file: string; readonly items: readonly string[]} | undefined,
): OwnInputs {
  const [roles] = options.roles === undefined ? usual(files, 'roles') : [options.roles];
  const {run_list: written, environment = '_default'} = options;
  const runList = written.length > 0 ? written : (ofFile?.items ?? []);
  const found = expand(
    {items: runList, place: (index) => (written.length > 0 ? ['run_list', index] : ['attributes'])},
    {files, shelf, roles, environment},
  );
  const all = found.unreadable.length > 0;
  const cookbooks = all ? byName([...found.cookbooks, ...shelf.all()]) : found.cookbooks;
  const roleFiles =
    all && roles !== undefined
      ? definitionFiles(files, roles).map((name) => `${roles}/${name}`)
      : found.roles.map(({path}) => path);
  const settings = environmentFiles({options, files, shelf});
  const lock = options.berks_lock;
  return {
    staged: [
      ...cookbooks.flatMap((cookbook) => cookbookAt(files, cookbook, `cookbooks/${cookbook.name}`)),
      ...roleFiles.map((source) => ({source, path: `roles/${baseName(source)}`})),
      ...settings.staged,
    ],
    cookbooks: foldersByName(cookbooks),
    runList,
    unreadable: found.unreadable,
    problems: [
      ...(runList.length === 0 ? [nothingToRun] : []),
      ...found.problems,
      ...settings.problems,
      ...(lock === undefined ? [] : berksProblems({files, lock, shelf, used: found.cookbooks})),
    ],
  };
}

const nothingToRun: StepProblem = {
  at: [],
  message: 'The step has nothing to run',
  hint: 'Write `run_list: [recipe[…]]`, or `policyfile: …`',
};

function ofPolicy({options, files, shelf}: Context, lock: string): OwnInputs {
  const policy = readPolicy(files, lock, shelf);
  const {named_run_list: named} = options;
  return {
    staged: [
      ...policy.cookbooks.flatMap((cookbook) =>
        cookbookAt(files, cookbook, `cookbook_artifacts/${cookbook.name}-${cookbook.identifier}`),
      ),
      {source: lock, path: `policies/${policy.name}-${policy.revision}.json`},
    ],
    cookbooks: foldersByName(policy.cookbooks),
    policy,
    unreadable: [],
    problems: [...policy.problems, ...(named === undefined ? [] : namedListProblems(policy, {lock, named}))],
  };
}

/** Also where there is nothing yet: it may come to be. */
function lookedInto({options, shelf}: Context, policy: Policy | undefined): readonly string[] {
  const {cookbooks = ['cookbooks'], roles = 'roles', environments = 'environments'} = options;
  const places = [...cookbooks, ...shelf.paths, ...(policy?.cookbooks ?? []).map(({folder}) => folder)];
  const around = places.flatMap((path) =>
    path.split('/').map((_, at, parts) => parts.slice(0, at).join('/')),
  );
  const {data_bags: dataBags = 'data_bags', berks_lock: lock} = options;
  return [
    ...new Set([
      ...places.flatMap((place) => (place === '.' ? ownParts : [place])),
      roles,
      environments,
      dataBags,
      ...around.map((folder) => (folder === '' ? 'chefignore' : `${folder}/chefignore`)),
      ...(lock === undefined ? [] : [lock]),
    ]),
  ];
}

function environmentFiles({options, files}: Context): Pick<ChefInputs, 'staged' | 'problems'> {
  const {environment} = options;
  if (environment === undefined || environment === '_default') return {staged: [], problems: []};
  const [folder] = options.environments === undefined ? usual(files, 'environments') : [options.environments];
  const name = ['json', 'rb']
    .map((suffix) => `${environment}.${suffix}`)
    .find((one) => folder !== undefined && files.isFile(`${folder}/${one}`));
  if (folder !== undefined && name !== undefined)
    return {staged: [{source: `${folder}/${name}`, path: `environments/${name}`}], problems: []};
  const near = folder === undefined ? undefined : nearest(environment, definedNames(files, folder));
  const problem = {
    at: ['environment'],
    message: `There is no environment ${quote(environment)}${folder === undefined ? '' : ` in ${folder}`}`,
    hint: near === undefined ? `Make ${folder ?? 'environments'}/${environment}.json` : `Write \`${near}\``,
  };
  return {staged: [], problems: [problem]};
}

function cookbookAt(files: ProjectFiles, cookbook: Cookbook, path: string): readonly StagedFile[] {
  return cookbookFiles(files, cookbook).map((name) => ({
    source: posix.join(cookbook.folder, name),
    path: `${path}/${name}`,
  }));
}

/** A folder by its usual name, where it is there. */
function usual(files: ProjectFiles, name: string): readonly string[] {
  return files.isFolder(name) ? [name] : [];
}

function byName(cookbooks: readonly Cookbook[]): readonly Cookbook[] {
  // The first of a name counts, as in Chef's cookbook_path.
  return [...new Map(cookbooks.toReversed().map((one) => [one.name, one])).values()].reverse();
}

function foldersByName(cookbooks: readonly Cookbook[]): ReadonlyMap<string, string> {
  return new Map(cookbooks.map(({name, folder}) => [name, folder]));
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
