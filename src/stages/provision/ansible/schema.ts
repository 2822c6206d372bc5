import {z} from 'zod';
import {complaint, entryName, form, projectPath} from '../../../spec/fields.ts';
import type {JsonObject} from '../../../spec/image.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted, ProvisionKind} from '../../../spec/provision-kinds.ts';
import type {Path} from '../../../spec/tree.ts';

const paths = z.union([projectPath, z.array(projectPath).min(1)]);
const word = form(/^[^\s,]+$/, 'one word', 'Use no blanks and no commas: each is an entry of its own');
const words = z.union([word, z.array(word).min(1)]);
const group = form(
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  'the name of an inventory group',
  'Use letters, digits and `_`, no digit first',
).refine((name) => name !== 'all' && name !== 'localhost', {
  error: ({input}) => complaint(`Every host is in \`${String(input)}\` already`, 'Remove it'),
});

const Ansible = z
  .strictObject({
    playbook: paths.describe('The playbook of the project, or several, one after the other.'),
    roles: paths
      .describe('Folders with roles, or a role; `roles` beside the playbook counts always.')
      .exactOptional(),
    collections: paths
      .describe(
        'Folders with `ansible_collections`, or tarballs of collections; `collections` beside the playbook counts always.',
      )
      .exactOptional(),
    requirements: projectPath
      .describe('A requirements.yml: what it lists must be in `roles` and `collections`.')
      .exactOptional(),
    vars: z
      .union([z.record(z.string().min(1), z.unknown()), paths])
      .describe('Variables that stand above all others, or files with such.')
      .exactOptional(),
    tags: words.describe('Only tasks with one of these tags.').exactOptional(),
    skip_tags: words.describe('No task with one of these tags.').exactOptional(),
    groups: z
      .union([group, z.array(group).min(1)])
      .describe('Inventory groups that the image, `localhost`, is in.')
      .exactOptional(),
    files: paths.describe('What else the plays read: files and folders of the project.').exactOptional(),
    vault_secret: entryName
      .describe('The name of the secret of this step that is the password of Ansible Vault.')
      .exactOptional(),
    verbosity: z.int().min(0).max(4).describe('How many `-v`.').exactOptional(),
    via: z
      .enum(['chroot', 'image'])
      .describe('Whether Ansible of a tools image enters the image, or the one that the image has is run.')
      .exactOptional(),
  })
  .describe('Playbooks that are played on the image.');

type Ansible = z.infer<typeof Ansible>;

/** The options of a step. Paths are of the project. */
export interface AnsibleOptions {
  readonly playbooks: readonly string[];
  readonly roles: readonly string[];
  readonly collections: readonly string[];
  readonly requirements?: string;
  readonly vars: JsonObject;
  readonly vars_files: readonly string[];
  readonly tags: readonly string[];
  readonly skip_tags: readonly string[];
  readonly groups: readonly string[];
  readonly files: readonly string[];
  readonly vault_secret?: string;
  readonly verbosity: number;
  readonly via: 'chroot' | 'image';
}

/** `provision: [{ansible: …}]`: playbooks, by Ansible of a tools image or of the image itself. */
export const ansible: ProvisionKind = {
  kind: 'ansible',
  version: 1,
  schema: Ansible,
  interpret,
  check: async (options, {dir}) =>
    (await import('./inputs.ts')).playedFiles(options as unknown as AnsibleOptions, dir).problems,
  needs: async (options, {dir}) => {
    const wanted = options as unknown as AnsibleOptions;
    const {files, folders, problems} = (await import('./inputs.ts')).playedFiles(wanted, dir);
    const [problem] = problems;
    if (problem !== undefined)
      throw new (await import('../../../errors.ts')).FgError('SPEC_INVALID', problem.message, {
        hint: problem.hint,
      });
    return {files, folders, ...(wanted.via === 'chroot' ? {tools: 'ansible'} : {})};
  },
};

function interpret(value: unknown): Interpreted {
  const given = value as Ansible;
  const {vars, requirements, vault_secret: vault} = given;
  const isFiles = typeof vars === 'string' || Array.isArray(vars);
  const variables = isFiles ? {} : (vars ?? {});
  const options: AnsibleOptions = {
    playbooks: listOf(given.playbook).map(plainPath),
    roles: listOf(given.roles).map(plainPath),
    collections: listOf(given.collections).map(plainPath),
    ...(requirements === undefined ? {} : {requirements: plainPath(requirements)}),
    vars: variables as JsonObject,
    vars_files: isFiles ? listOf(vars).map(plainPath) : [],
    tags: listOf(given.tags),
    skip_tags: listOf(given.skip_tags),
    groups: listOf(given.groups),
    files: listOf(given.files).map(plainPath),
    ...(vault === undefined ? {} : {vault_secret: vault}),
    verbosity: given.verbosity ?? 0,
    via: given.via ?? 'chroot',
  };
  return {
    options: options as unknown as JsonObject,
    files: [
      ...named(['playbook'], given.playbook),
      ...named(['roles'], given.roles, true),
      ...named(['collections'], given.collections, true),
      ...named(['requirements'], requirements),
      ...named(['vars'], isFiles ? vars : undefined),
      ...named(['files'], given.files, true),
    ],
    ...(vault === undefined ? {} : {secrets: [{at: ['vault_secret'], name: vault}]}),
  };
}

type Paths = string | readonly string[] | undefined;

function named(at: Path, given: Paths, folder = false): Interpreted['files'] {
  if (given === undefined) return [];
  if (typeof given === 'string') return [{at, path: given, folder}];
  return given.map((path, index) => ({at: [...at, index], path, folder}));
}

function listOf(given: Paths): readonly string[] {
  return given === undefined ? [] : [given].flat();
}
