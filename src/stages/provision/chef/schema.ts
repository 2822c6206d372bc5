import {z} from 'zod';
import {complaint, entryName, form, imagePath, packageName, projectPath} from '../../../spec/fields.ts';
import type {ProvisionKind} from '../../../spec/provision-kinds.ts';
import {interpretChef} from './options.ts';

const name = form(/^[A-Za-z0-9._-]+$/, 'a name of Chef', 'Use letters, digits, `.`, `_` and `-`');
const item = form(
  /^((recipe|role)\[[A-Za-z0-9._-]+(::[A-Za-z0-9._-]+)?(@[0-9.]+)?\]|[A-Za-z0-9._-]+(::[A-Za-z0-9._-]+)?(@[0-9.]+)?)$/,
  'an item of a run list',
  'Write recipe[cookbook], recipe[cookbook::recipe] or role[name]',
);
const attributes = z.union([projectPath, z.record(z.string(), z.json())]);

const Chef = z
  .strictObject({
    run_list: z
      .array(item)
      .min(1)
      .describe('What is run: recipe[cookbook::recipe], role[name].')
      .exactOptional(),
    attributes: z
      .union([attributes, z.array(attributes).min(1)])
      .describe(
        'Attributes of the node: a mapping, a JSON file of the project, or a list of such, merged in order.',
      )
      .exactOptional(),
    cookbooks: z
      .union([projectPath, z.array(projectPath).min(1)])
      .describe('Folders with cookbooks, or single cookbooks; `cookbooks` where that is there.')
      .exactOptional(),
    policyfile: projectPath
      .describe('A Policyfile.rb; its lock, Policyfile.lock.json beside it, is what is run.')
      .exactOptional(),
    named_run_list: name.describe('A run list of the policy, in the place of the usual one.').exactOptional(),
    berksfile: projectPath.describe('A Berksfile.lock that the cookbooks are compared with.').exactOptional(),
    environment: name.describe('The environment of the node.').exactOptional(),
    environments: projectPath
      .describe('The folder of environments; `environments` where that is there.')
      .exactOptional(),
    roles: projectPath.describe('The folder of roles; `roles` where that is there.').exactOptional(),
    data_bags: projectPath
      .describe('The folder of data bags; `data_bags` where that is there.')
      .exactOptional(),
    data_bag_secret: entryName
      .describe("The one of the step's secrets that encrypted data bags are opened with.")
      .exactOptional(),
    chef_license: z
      .enum(['accept', 'accept-silent', 'accept-no-persist'])
      .describe("Says that Chef's licence is accepted.")
      .exactOptional(),
    client: z.enum(['chef', 'cinc']).describe('chef-client (the default) or cinc-client.').exactOptional(),
    version: form(
      /^[0-9]+(\.[0-9]+){0,2}$/,
      'a version of Chef',
      'Write it, or its beginning, in quotes: "18.4"',
    )
      .describe('The version of the client, or its beginning: another is refused.')
      .exactOptional(),
    package: packageName
      .describe('The client: a package of the archive or of `repositories`.')
      .exactOptional(),
    deb: projectPath.describe('The client: a .deb of the project.').exactOptional(),
    sha256: form(/^[0-9a-f]{64}$/, 'a SHA-256', 'Write the 64 digits that sha256sum prints')
      .describe('The digest of the .deb.')
      .exactOptional(),
    installed: z
      .union([z.literal(true), imagePath])
      .describe('The client is in the image already; its path where it is at none of the usual.')
      .exactOptional(),
    keep_client: z
      .boolean()
      .describe('Whether the client stays in the image; false where it is not said.')
      .exactOptional(),
    log_level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error'])
      .describe('How much the client logs; warn where it is not said.')
      .exactOptional(),
    minimal_ohai: z
      .boolean()
      .describe('Whether only the attributes of the node that Chef itself needs are gathered.')
      .exactOptional(),
  })
  .superRefine((given, context) => {
    const said = (
      [
        [given.package, 'package'],
        [given.deb, 'deb'],
        [given.installed, 'installed'],
      ] as const
    ).flatMap(([value, key]) => (value === undefined ? [] : [key]));
    const issue = (reason: string, mend: string, path: readonly string[] = []): void =>
      context.addIssue({code: 'custom', path: [...path], message: complaint(reason, mend)});
    if (said.length === 0)
      issue(
        'The step does not say where the client comes from',
        'Write `deb: …` with its `sha256`, `package: …`, or `installed: true`',
      );
    for (const key of said.slice(1))
      issue(`The client comes from \`${said[0] ?? ''}\` as well as \`${key}\``, 'Keep one of them', [key]);
    if (given.deb !== undefined && given.sha256 === undefined)
      issue('The .deb has no `sha256`', 'Write the digest that `sha256sum` prints beside it', ['deb']);
    if (given.deb === undefined && given.sha256 !== undefined)
      issue('`sha256` is that of a .deb', 'Write `deb: …`, or remove it', ['sha256']);
    if (given.installed !== undefined && given.keep_client !== undefined)
      issue('A client that is in the image already stays there', 'Remove `keep_client`', ['keep_client']);
    if (given.policyfile === undefined) {
      if (given.named_run_list !== undefined)
        issue('`named_run_list` is one of a policy', 'Write `policyfile: …`', ['named_run_list']);
      return;
    }
    for (const key of ['run_list', 'environment', 'environments', 'roles', 'berksfile'] as const) {
      if (given[key] !== undefined)
        issue(`A policy has no \`${key}\` beside it`, 'Remove it, or `policyfile`', [key]);
    }
  })
  .describe('Chef or Cinc in local mode.');

/** What a spec says below `chef`. */
export type WrittenChef = z.infer<typeof Chef>;

/** `provision: [{chef: …}]`: recipes that chef-client or cinc-client runs in local mode in the image. */
export const chef: ProvisionKind = {
  kind: 'chef',
  version: 1,
  schema: Chef,
  interpret: (value) => interpretChef(value as WrittenChef),
  check: async (options, project) => (await import('./needs.ts')).chefProblems(options, project),
  needs: async (options, project) => (await import('./needs.ts')).chefNeeds(options, project),
};
