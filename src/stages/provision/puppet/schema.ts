import {z} from 'zod';
import {FgError} from '../../../errors.ts';
import {entryName, form, projectPath} from '../../../spec/fields.ts';
import type {JsonObject, Os} from '../../../spec/image.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind} from '../../../spec/provision-kinds.ts';
import {appliedFiles} from './inputs.ts';

const paths = z.union([projectPath, z.array(projectPath).min(1)]);
const tag = form(
  /^[a-z0-9_][a-z0-9_:.-]*$/,
  'a tag of Puppet',
  'Use lower-case letters, digits, `_`, `:`, `.`, `-`',
);
const environment = form(
  /^[a-z0-9_]+$/,
  'the name of a Puppet environment',
  'Use lower-case letters, digits and `_`',
);

const Puppet = z
  .strictObject({
    manifest: projectPath.describe('A manifest of the project, or a folder with manifests.'),
    modules: paths.describe('Folders with modules, or a module.').exactOptional(),
    hiera: projectPath.describe('A hiera.yaml; the data folders that it names come along.').exactOptional(),
    facts: z.record(entryName, z.unknown()).describe('External facts.').exactOptional(),
    environment: environment.describe('The environment, `production` where it is left out.').exactOptional(),
    certname: entryName.describe('The name of the node, `localhost` where it is left out.').exactOptional(),
    tags: z
      .union([tag, z.array(tag).min(1)])
      .describe('Only resources with one of these tags.')
      .exactOptional(),
    files: paths.describe('What else is read: files and folders of the project.').exactOptional(),
    client: z
      .enum(['puppet', 'openvox', 'image'])
      .describe('What is installed to apply it; `image`: the image has Puppet.')
      .exactOptional(),
    package: entryName.describe('The name of the package with the client.').exactOptional(),
    keep_client: z.boolean().describe('Whether the client stays in the image.').exactOptional(),
  })
  .describe('A manifest that `puppet apply` applies to the image.');

type Puppet = z.infer<typeof Puppet>;

/** The options of a step. Paths are of the project. */
export interface PuppetOptions {
  readonly manifest: string;
  readonly modules: readonly string[];
  readonly hiera?: string;
  readonly facts: JsonObject;
  readonly environment: string;
  readonly certname: string;
  readonly tags: readonly string[];
  readonly files: readonly string[];
  readonly client: 'puppet' | 'openvox' | 'image';
  readonly package?: string;
  readonly keep_client: boolean;
}

/** `provision: [{puppet: …}]`: `puppet apply` inside the image. */
export const puppet: ProvisionKind = {
  kind: 'puppet',
  version: 1,
  schema: Puppet,
  interpret,
  check: (options, {dir}) => Promise.resolve(appliedFiles(options as unknown as PuppetOptions, dir).problems),
  needs: (options, {dir, os}) => {
    const wanted = options as unknown as PuppetOptions;
    const {files, folders, problems} = appliedFiles(wanted, dir);
    const [problem] = problems;
    if (problem !== undefined)
      return Promise.reject(new FgError('SPEC_INVALID', problem.message, {hint: problem.hint}));
    if (wanted.client === 'image') return Promise.resolve({files, folders});
    return Promise.resolve({files, folders, install: [clientPackage(wanted, os)], keep: wanted.keep_client});
  },
};

/** Releases in which Debian's package of Puppet has its old name. */
const oldNames: ReadonlySet<string> = new Set(['bullseye', 'focal', 'jammy']);

/** The package with the client; for an RPM distribution the name that Puppet's makers give it. */
export function clientPackage(options: PuppetOptions, os: Os | undefined): string {
  if (options.package !== undefined) return options.package;
  if (options.client === 'openvox') return 'openvox-agent';
  return os !== undefined && oldNames.has(os.release) ? 'puppet' : 'puppet-agent';
}

function interpret(value: unknown): Interpreted {
  const given = value as Puppet;
  const {hiera, package: name} = given;
  const options: PuppetOptions = {
    manifest: plainPath(given.manifest),
    modules: listOf(given.modules).map(plainPath),
    ...(hiera === undefined ? {} : {hiera: plainPath(hiera)}),
    facts: (given.facts ?? {}) as JsonObject,
    environment: given.environment ?? 'production',
    certname: given.certname ?? 'localhost',
    tags: listOf(given.tags),
    files: listOf(given.files).map(plainPath),
    client: given.client ?? 'puppet',
    ...(name === undefined ? {} : {package: name}),
    keep_client: given.keep_client ?? false,
  };
  return {
    options: options as unknown as JsonObject,
    files: [
      {at: ['manifest'], path: given.manifest, folder: true},
      ...named('modules', given.modules),
      ...(hiera === undefined ? [] : [{at: ['hiera'], path: hiera}]),
      ...named('files', given.files),
    ],
  };
}

type Paths = string | readonly string[] | undefined;

/** Files or folders below a key. */
function named(key: string, given: Paths): Interpreted['files'] {
  if (typeof given === 'string') return [{at: [key], path: given, folder: true}];
  return (given ?? []).map((path, index) => ({at: [key, index], path, folder: true}));
}

function listOf(given: Paths): readonly string[] {
  return given === undefined ? [] : [given].flat();
}
