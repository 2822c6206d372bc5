import type {ChefInputs} from './inputs.ts';
import type {ChefOptions} from './options.ts';

/** Where things are in the sandbox: all in /run, which is no part of the image. */
export const place = {
  /** What is written for the client: client.rb, dna.json, report.rb. */
  config: '/run/fgimage/chef/config',
  /** The project's cookbooks, roles, …: read-only. */
  repository: '/run/fgimage/chef/repository',
  /** What the client writes of itself: node objects, caches, backups of files, traces. */
  state: '/run/fgimage/chef/state',
  /** The client's own .deb, while it is unpacked or installed. */
  deb: '/run/fgimage/chef/client.deb',
  unpacked: '/run/fgimage/chef/unpacked',
} as const;

/** The folders that cookbooks are read from, in the repository and where the client puts what it was served. */
export const cookbookFolders = [
  `${place.state}/cache/cookbooks`,
  `${place.repository}/cookbooks`,
  `${place.repository}/cookbook_artifacts`,
] as const;

/**
 * Plug-ins of Ohai that ask the network, or the clouds that the building machine may be in, or take long, and would tell
 * of that machine rather than of the image.
 */
const disabledPlugins = [
  'Alibaba',
  'Azure',
  'Cloud',
  'DigitalOcean',
  'EC2',
  'Eucalyptus',
  'GCE',
  'Linode',
  'OCI',
  'Openstack',
  'Rackspace',
  'Scaleway',
  'Softlayer',
  'BlockDevice',
  'DMI',
  'Hardware',
  'Interrupts',
  'Libvirt',
  'Lspci',
  'Lsscsi',
  'Mdadm',
  'PS',
  'Packages',
  'Sessions',
  'SSHHostKey',
  'Sysctl',
  'VMware',
  'Virtualbox',
  'Zpools',
];

/** The client.rb of a step (https://docs.chef.io/config_rb_client/). */
export function clientRb(options: ChefOptions, {policy}: Pick<ChefInputs, 'policy'>): string {
  const settings: readonly (readonly [string, string | boolean | readonly string[]] | false)[] = [
    ['local_mode', true],
    ['listen', false],
    ['node_name', 'fgimage'],
    ['chef_repo_path', place.state],
    ['cookbook_path', `${place.repository}/cookbooks`],
    ['cookbook_artifact_path', `${place.repository}/cookbook_artifacts`],
    ['data_bag_path', `${place.repository}/data_bags`],
    ['environment_path', `${place.repository}/environments`],
    ['policy_path', `${place.repository}/policies`],
    ['policy_group_path', `${place.repository}/policy_groups`],
    ['role_path', `${place.repository}/roles`],
    ['cache_path', place.state],
    ['file_cache_path', `${place.state}/cache`],
    ['file_backup_path', `${place.state}/backup`],
    // An identity of the machine, which Chef makes up at its first run.
    ['chef_guid', '00000000-0000-0000-0000-000000000000'],
    ['chef_guid_path', `${place.state}/chef_guid`],
    ['ohai_segment_plugin_path', `${place.state}/ohai`],
    ['color', false],
    ['force_formatter', true],
    ['stream_execute_output', true],
    ['client_fork', false],
    ['enable_reporting', false],
    ['minimal_ohai', options.minimal_ohai],
    options.environment !== undefined && ['environment', options.environment],
    options.data_bag_secret !== undefined && [
      'encrypted_data_bag_secret',
      `/run/secrets/${options.data_bag_secret}`,
    ],
    // What was decrypted would stand in the log as a difference between files.
    options.data_bag_secret !== undefined && ['diff_disabled', true],
    policy !== undefined && ['policy_name', policy.name],
    policy !== undefined && ['policy_group', policyGroup],
    policy !== undefined && ['use_policyfile', true],
    policy !== undefined && ['policy_document_native_api', true],
    options.named_run_list !== undefined && ['named_run_list', options.named_run_list],
  ];
  return [
    '# Written by fgimage for one run.',
    `require ${ruby(`${place.config}/report`)}`,
    ...(options.version === undefined ? [] : [`Fgimage.check_version(${ruby(options.version)})`]),
    ...settings.flatMap((setting) => (setting === false ? [] : [`${setting[0]} ${ruby(setting[1])}`])),
    `log_level :${options.log_level}`,
    `ohai.disabled_plugins = [${disabledPlugins.map((name) => `:${name}`).join(', ')}]`,
    `event_handlers << Fgimage::Report.new(${ruby(cookbookFolders)})`,
    '',
  ].join('\n');
}

/** What `chef export` calls the group of policies of one machine. */
export const policyGroup = 'local';

/** The file of `--json-attributes`. A policy brings its own run list. */
export function dnaJson({runList, attributes}: Pick<ChefInputs, 'runList' | 'attributes'>): string {
  return JSON.stringify({...attributes, ...(runList === undefined ? {} : {run_list: runList})}, null, 2);
}

/** A literal of Ruby: in single quotes only `\` and `'` mean something. */
function ruby(value: string | boolean | readonly string[]): string {
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return `'${value.replaceAll(/[\\']/g, '\\$&')}'`;
  return `[${value.map(ruby).join(', ')}]`;
}
