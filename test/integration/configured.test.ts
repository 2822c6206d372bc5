import {existsSync, lstatSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {configuredFiles, configuredSpec, configuredTests} from './configured-project.ts';
import {type BuildResult, Project} from './real-build.ts';

const project = new Project('configured');
const target = 'openstack: {firmware: bios}';
const [play, manifest] = ['customize:node/provision-1', 'customize:node/provision-2'] as const;
let first: BuildResult;

beforeAll(async () => {
  project.sharePackages();
  project.write({...configuredFiles, 'fgimage.yaml': configuredSpec(target, {tests: configuredTests})});
  first = await project.build();
  project.keepPackages();
});

/** The layer of a step. */
function layer(step: string): string {
  return join(project.cache, 'objects', first.digests()[step] ?? '', 'tree');
}

function log(step: string): string {
  const finished = first.events.find((event) => event.type === 'stage-finished' && event.stage === step);
  const digest = finished?.type === 'stage-finished' ? finished.log : '';
  return readFileSync(join(project.cache, 'logs', `${digest}.log`), 'utf8');
}

function progress(step: string): readonly string[] {
  return first.events.flatMap((event) =>
    event.type === 'stage-progress' && event.stage === step ? [event.message] : [],
  );
}

/** All paths of a layer. */
function paths(step: string): readonly string[] {
  return readdirSync(layer(step), {recursive: true, encoding: 'utf8'}).sort();
}

function files(step: string): readonly string[] {
  return paths(step).filter((path) => !lstatSync(join(layer(step), path)).isDirectory());
}

describe('an image that a role, a manifest and user data made', () => {
  it('boots with the services, files and users that these say', () => {
    expect(first.told.trim()).toBe('');
    expect(first.code).toBe(0);
    const checks = first.checks('test:node/openstack');
    expect(checks.filter(({passed}) => !passed)).toEqual([]);
    for (const name of [
      'service: nginx.service is running',
      'service: cron.service is running',
      'command: id -u clerk',
      'command: id -u guest',
    ])
      expect(checks.map((check) => check.name).join('\n')).toContain(name);
  });

  it('has nothing of Ansible, Puppet and the secret in its layers', () => {
    const names = [...paths(play), ...paths(manifest)];
    expect(names.filter((path) => /ansible|puppet|facter|ruby|fgimage|\.pyc$|secrets/.test(path))).toEqual(
      [],
    );
    const status = join(layer(manifest), 'var/lib/dpkg/status');
    if (existsSync(status)) expect(readFileSync(status, 'utf8')).not.toMatch(/^Package: (puppet|ruby)/m);
  });
});

describe('ansible', () => {
  it('finds nothing to change when it plays a role again in the same step', () => {
    const [once = '', again = ''] = log(play).split('PLAY again');
    expect(once).toContain('TASK site: Start the server (ansible/roles/site/tasks/main.yml:6)\n  changed');
    expect(again).toContain('TASK site: Start the server (ansible/roles/site/tasks/main.yml:6)\n  ok');
    expect(again).not.toContain('changed');
  });

  it('shows tasks and items', () => {
    expect(progress(play)).toEqual(
      expect.arrayContaining(['site: Install the server', 'Make folders (a)', 'site: Restart the server']),
    );
  });

  it('gathers no fact of the host, nor of the moment', () => {
    const facts = JSON.parse(readFileSync(join(layer(play), 'etc/facts.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(facts).toMatchObject({
      distribution_release: 'bookworm',
      service_mgr: 'systemd',
      hostname: 'localhost',
      default_ipv4: {},
      mounts: [],
      date_time: {iso8601: '2023-06-10T00:00:00Z'},
    });
    for (const name of ['kernel', 'processor', 'memtotal_mb', 'uptime_seconds', 'product_name'])
      expect(Object.keys(facts)).not.toContain(name);
    expect(readFileSync(join(layer(play), 'etc/nginx/conf.d/site.conf'), 'utf8')).toContain(
      '# bookworm, 2023-06-10T00:00:00Z, from the vault\n',
    );
  });
});

describe('puppet', () => {
  it('shows resources and tells what it did', () => {
    expect(progress(manifest)).toEqual(expect.arrayContaining(['Package[cron]', 'Service[cron]']));
    expect(log(manifest)).toContain('Notice: /Stage[main]/Site/User[clerk]/ensure: created');
  });

  it('has no fact of the host', () => {
    const facts = readFileSync(join(layer(manifest), 'etc/facts.txt'), 'utf8');
    expect(facts).toMatch(/^rank=first$/m);
    for (const name of ['processors', 'memory', 'mountpoints', 'disks'])
      expect(facts).toMatch(new RegExp(`^${name}=\\{\\}$`, 'm'));
    expect(facts).toMatch(/^kernelrelease=$/m);
  });
});

describe('cloud-init', () => {
  it("asks the image's own cloud-init about the configuration, and leaves nothing but that", () => {
    const [config, script] = ['customize:node/provision-3', 'customize:node/provision-4'] as const;
    expect(log(config)).toContain('Valid cloud-config: first-boot.yaml');
    expect(files(config)).toEqual(['etc/cloud/cloud.cfg.d/95-fgimage-01.cfg']);
    expect(files(script)).toEqual(['var/lib/cloud/scripts/per-instance/95-fgimage-01']);
  });
});

describe('a change', () => {
  it('of a role and a module that are not used runs nothing again', async () => {
    project.write({
      'ansible/roles/unused/tasks/main.yml': '- debug: {msg: another}\n',
      'puppet/modules/unused/manifests/init.pp': 'class unused { notify { "x": } }\n',
    });
    const result = await project.build(['--no-test']);
    expect(result.code).toBe(0);
    expect(result.stages('stage-finished')).toEqual([]);
  });

  it('that fails is told with its role or class, place and reason', async () => {
    project.write({
      'fgimage.yaml': configuredSpec('tarball: {}').replaceAll('    network: true\n', ''),
      'ansible/again.yml': '- hosts: web\n  roles: [broken]\n',
      'ansible/roles/broken/tasks/main.yml':
        '- debug: {msg: hello}\n- name: Install what is not there\n  apt: {name: no-such-package}\n',
    });
    const failed = await project.build(['--no-test']);
    expect(failed.code).toBe(1);
    expect(failed.stages('stage-failed')).toEqual([play]);
    expect(failure(failed)).toMatchObject({
      reason: 'refused',
      message: expect.stringMatching(/nginx-light|apt/) as string,
      hint: expect.stringContaining('`network: true`') as string,
    });

    project.write({
      'fgimage.yaml': puppetAlone,
      'puppet/broken.pp': "class own {\n  file { '/no/such/folder/x': content => 'x' }\n}\ninclude own\n",
    });
    const other = await project.build(['--no-test']);
    expect(failure(other)).toMatchObject({
      reason: 'refused',
      message: expect.stringMatching(
        /^File\[\/no\/such\/folder\/x\] of Own \(puppet\/broken\.pp:2\) failed: /,
      ) as string,
    });
  });
});

function failure(result: BuildResult): unknown {
  const failed = result.events.find((event) => event.type === 'stage-failed');
  return failed?.type === 'stage-failed' ? failed.failure : undefined;
}

const puppetAlone = `version: 1
name: node
os: {distribution: debian, release: bookworm}
packages: [python3, python3-apt]
provision:
  - puppet: {manifest: puppet/broken.pp}
targets: {tarball: {}}
`;
