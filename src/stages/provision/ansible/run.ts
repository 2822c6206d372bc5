import {mkdirSync, writeFileSync} from 'node:fs';
import {join, posix} from 'node:path';
import {packageRoot} from '../../../package-root.ts';
import {fail} from '../../../result.ts';
import type {Bind} from '../../../sandbox/sandbox.ts';
import {cleanEnvironment} from '../../../sandbox/sandbox.ts';
import type {Provisioner} from '../../../spec/image.ts';
import type {StageContext} from '../../stage.ts';
import {shadowPath} from '../../tree.ts';
import {isFolder, placeFiles} from '../project-files.ts';
import type {StepRunner} from '../step.ts';
import {Collections, collectionsRoot} from './collections.ts';
import {AnsibleRun, projectPlace} from './events.ts';
import type {AnsibleOptions} from './schema.ts';

const place = '/run/fgimage/ansible';

/** `provision: [{ansible: …}]`: ansible-playbook of the tools image enters the tree, or that of the image is run in it. */
export const runAnsible: StepRunner = async ({stage, options: given, run}) => {
  const options = given as unknown as AnsibleOptions;
  const {network} = stage.node.params['provisioner'] as unknown as Provisioner;
  const project = placeFiles(stage);
  const settings = writeSettings(stage, {options, project});
  const following = new AnsibleRun(stage, {network, id: stage.node.id});
  const tarballs = new Collections(project, options.collections).tarballs;
  const done = await run({
    inside: options.via === 'chroot' ? 'tools' : 'image',
    ...(options.via === 'chroot' ? {enters: true} : {}),
    command: [
      '/bin/sh',
      `${place}/launch.sh`,
      options.via,
      ...tarballs.map((path) => `${projectPlace}/${path}`),
      '--',
      ...playbookArguments(options),
    ],
    shown: ['ansible-playbook', ...options.playbooks],
    binds: [
      folder(project, 'project'),
      folder(settings, 'settings'),
      folder(join(packageRoot, 'src/stages/provision/ansible/plugins'), 'plugins'),
      {
        source: join(packageRoot, 'src/stages/provision/ansible/launch.sh'),
        path: `${place}/launch.sh`,
        kind: 'file',
        mode: 'ro',
      },
    ],
    env: {
      ANSIBLE_CONFIG: `${place}/settings/ansible.cfg`,
      FGIMAGE_TREE_PATH: `${shadowPath}:${cleanEnvironment['PATH'] ?? ''}`,
      // Modules leave no byte code of what they import beside it.
      PYTHONDONTWRITEBYTECODE: '1',
    },
    onLine: following.line,
  });
  const failure = following.failure(done.ok);
  return failure === undefined ? done : fail(failure);
};

function folder(source: string, name: string): Bind {
  return {source, path: `${place}/${name}`, kind: 'dir', mode: 'ro'};
}

function playbookArguments(options: AnsibleOptions): readonly string[] {
  const {playbooks, vars_files: files, tags, skip_tags: skipped, vault_secret: vault, verbosity} = options;
  return [
    ...files.flatMap((path) => ['--extra-vars', `@${projectPlace}/${path}`]),
    '--extra-vars',
    `@${place}/settings/vars.json`,
    ...(tags.length === 0 ? [] : ['--tags', tags.join(',')]),
    ...(skipped.length === 0 ? [] : ['--skip-tags', skipped.join(',')]),
    ...(vault === undefined ? [] : ['--vault-password-file', `/run/secrets/${vault}`]),
    ...(verbosity === 0 ? [] : [`-${'v'.repeat(verbosity)}`]),
    ...playbooks.map((path) => `${projectPlace}/${path}`),
  ];
}

/** What Ansible is told beside the plays: its settings, the inventory, variables. */
function writeSettings(
  stage: StageContext,
  {options, project}: {readonly options: AnsibleOptions; readonly project: string},
): string {
  const path = join(stage.work, 'ansible');
  mkdirSync(path, {recursive: true});
  writeFileSync(join(path, 'ansible.cfg'), configuration(options, project));
  writeFileSync(join(path, 'inventory.yml'), JSON.stringify(inventory(options)));
  writeFileSync(join(path, 'vars.json'), JSON.stringify(options.vars));
  return path;
}

/**
 * ansible.cfg (https://docs.ansible.com/ansible/latest/reference_appendices/config.html). The project's own counts not: a
 * build is what the spec says. Folders for what is passing are in /tmp, in the image too.
 */
export function configuration({roles, collections}: AnsibleOptions, project: string): string {
  const at = (paths: readonly string[]): string =>
    [...new Set(paths)].map((path) => posix.join(projectPlace, path)).join(':');
  const collectionPaths = collections
    .filter((path) => isFolder(project, path))
    .map((path) => (collectionsRoot(project, path) === path ? posix.dirname(path) : path));
  const settings = {
    home: '/tmp/fgimage-ansible',
    local_tmp: '/tmp/fgimage-ansible/local',
    remote_tmp: '/tmp/fgimage-ansible/modules',
    async_dir: '/tmp/fgimage-ansible/async',
    inventory: `${place}/settings/inventory.yml`,
    // A role that is named itself is found by its parent: only what the plays read is there.
    roles_path: at([...roles, ...roles.map((path) => posix.dirname(path))]),
    collections_path: [at(collectionPaths), '/tmp/fgimage-ansible/collections'].filter(Boolean).join(':'),
    stdout_callback: 'fgimage',
    callback_plugins: `${place}/plugins/callback`,
    connection_plugins: `${place}/plugins/connection`,
    fact_caching: 'fgimage',
    cache_plugins: `${place}/plugins/cache`,
    interpreter_python: '/usr/bin/python3',
    no_target_syslog: 'True',
    retry_files_enabled: 'False',
    deprecation_warnings: 'False',
    localhost_warning: 'False',
    force_handlers: 'False',
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  return `[defaults]\n${lines.join('\n')}\n\n[connection]\npipelining = True\n`;
}

/** One host, in every group that the spec names. */
export function inventory({groups, via}: AnsibleOptions): unknown {
  const host = {
    ansible_connection: via === 'chroot' ? 'fgimage_tree' : 'local',
    ansible_user: 'root',
    ansible_python_interpreter: '/usr/bin/python3',
  };
  return {
    all: {
      hosts: {localhost: host},
      children: Object.fromEntries(groups.map((name) => [name, {hosts: {localhost: {}}}])),
    },
  };
}
