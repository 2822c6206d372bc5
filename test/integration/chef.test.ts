import {execFileSync} from 'node:child_process';
import {createCipheriv, createHash} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {clientPackage} from './chef-client-deb.ts';
import {type BuildResult, Project} from './real-build.ts';

const secret = 'b2xkLXRlYS1wb3Qtb24tdGhlLXN0b3Zl';

/** One value of an encrypted data bag, version 3 of Chef's format. */
function encrypted(value: string): object {
  const iv = Buffer.alloc(12, 7);
  const cipher = createCipheriv('aes-256-gcm', createHash('sha256').update(secret).digest(), iv);
  const data = Buffer.concat([cipher.update(JSON.stringify({json_wrapper: value})), cipher.final()]);
  return {
    encrypted_data: data.toString('base64'),
    iv: iv.toString('base64'),
    auth_tag: cipher.getAuthTag().toString('base64'),
    version: 3,
    cipher: 'aes-256-gcm',
  };
}

const project = new Project('chef');
let first: BuildResult;

/** The steps that work, and one at the end that does not: so nothing is packed. */
const spec = (chefDigest: string, cincDigest: string): string => `version: 1
name: site
os: {distribution: debian, release: bookworm}
packages: [ruby]
provision:
  - chef:
      run_list: ["role[web]"]
      environment: prod
      attributes: [{web: {port: 80, greeting: hello}}, nodes/web.json]
      data_bag_secret: bags
      chef_license: accept
      version: "99.1"
      deb: clients/chef.deb
      sha256: "${chefDigest}"
    secrets: [{name: bags, file: bags.key}]
  - chef:
      run_list: ["recipe[web::kept]"]
      client: cinc
      chef_license: accept
      deb: clients/cinc.deb
      sha256: "${cincDigest}"
      keep_client: true
  - chef:
      run_list: ["recipe[web::broken]"]
      chef_license: accept
      deb: clients/chef.deb
      sha256: "${chefDigest}"
targets: {tarball: }
`;

beforeAll(async () => {
  project.sharePackages();
  mkdirSync(join(project.folder, 'clients'));
  const packed = (name: 'chef' | 'cinc'): string =>
    clientPackage(project.folder, name, `clients/${name}.deb`);
  project.write({
    'fgimage.yaml': spec(packed('chef'), packed('cinc')),
    'bags.key': `${secret}\n`,
    'nodes/web.json': '{"web": {"port": 8080}}',
    'roles/web.json': '{"name": "web", "run_list": [], "env_run_lists": {"prod": ["recipe[web]"]}}',
    'environments/prod.json': '{"name": "prod", "override_attributes": {"stage": "prod"}}',
    'data_bags/house/tea.json': JSON.stringify({id: 'tea', time: encrypted('five')}),
    'cookbooks/web/metadata.rb': "name 'web'\nversion '1.2.0'\ndepends 'base'\n",
    'cookbooks/web/recipes/default.rb': `include_recipe 'base'
file '/etc/site/port' do
  content "#{node['web']['greeting']} #{node['web']['port']} #{node['stage']}"
end
file '/etc/site/tea' do
  content data_bag_item('house', 'tea')['time']
end
execute 'id > /etc/site/id; ls /opt > /etc/site/opt; ls /run/fgimage/chef/repository/cookbooks > /etc/site/cookbooks'
execute 'touch /opt/chef/bin/mark 2> /etc/site/client || true'
`,
    'cookbooks/web/recipes/kept.rb': "file '/etc/site/kept' do\n  content 'kept'\nend\n",
    'cookbooks/web/recipes/broken.rb': "file '/etc/site/broken' do\n  content ''\nend\n\npackage 'nginx'\n",
    'cookbooks/base/metadata.json': '{"name": "base", "version": "0.1.0", "dependencies": {}}',
    'cookbooks/base/recipes/default.rb': "package 'ruby'\n",
    'cookbooks/other/metadata.rb': "name 'other'\nversion '1.0.0'\n",
    'cookbooks/other/recipes/default.rb': "file '/etc/other'\n",
  });
  first = await project.build();
  project.keepPackages();
});

const step = (number: number): string => `customize:site/provision-${String(number)}`;

function layer(number: number): string {
  const digest = first.digests()[step(number)];
  if (digest === undefined) throw new Error(`Step ${String(number)} was not made:\n${first.told}`);
  return join(project.cache, 'objects', digest, 'tree');
}

function text(number: number, path: string): string {
  return readFileSync(join(layer(number), path), 'utf8');
}

describe('a run of the stand-in client', () => {
  it('sees roles, environment, attributes, data bags and the cookbooks of its run list', () => {
    expect(text(1, 'etc/site/port')).toBe('hello 8080 prod');
    expect(text(1, 'etc/site/tea')).toBe('five');
    expect(text(1, 'etc/site/id')).toMatch(/^uid=0\(root\)/);
    expect(text(1, 'etc/site/cookbooks')).toBe('base\nweb\n');
  });

  it('leaves behind neither the client that was mounted nor what that writes of itself', () => {
    expect(text(1, 'etc/site/opt')).toBe('chef\n');
    expect(text(1, 'etc/site/client')).toMatch(/Read-only file system/);
    const left = execFileSync('find', ['.', '-type', 'f'], {cwd: layer(1), encoding: 'utf8'});
    expect(left.trim().split('\n').sort()).toEqual(
      ['client', 'cookbooks', 'id', 'opt', 'port', 'tea'].map((name) => `./etc/site/${name}`),
    );
    expect(existsSync(join(layer(1), 'opt'))).toBe(false);
  });

  it('keeps a client that is to be kept, as dpkg installs it', () => {
    expect(text(2, 'etc/site/kept')).toBe('kept');
    expect(existsSync(join(layer(2), 'opt/cinc/bin/cinc-client'))).toBe(true);
    expect(text(2, 'var/lib/dpkg/status')).toMatch(/Package: cinc\nStatus: install ok installed/);
  });

  it('is told by recipe and resource', () => {
    const told = first.events.flatMap((event) =>
      event.type === 'stage-progress' && event.stage === step(2) ? [event.message] : [],
    );
    expect(told.slice(0, 2)).toEqual(['installing clients/cinc.deb', 'starting cinc-client']);
  });

  it('that fails is shown with cookbook, recipe, line and the reason', () => {
    const failed = first.events.find((event) => event.type === 'stage-failed');

    expect(failed).toMatchObject({
      stage: step(3),
      failure: {
        reason: 'refused',
        message: 'Chef failed at package[nginx] (install) of web::broken, cookbooks/web/recipes/broken.rb:5',
        details: [
          'PackageError: No candidate version available for nginx',
          'log: fgimage logs customize:site/provision-3',
        ],
        hint: 'The step has no network: put the package into `packages`, or say `network: true`',
      },
    });
  });

  it('leaves the secret of its data bags nowhere', () => {
    const found = execFileSync(
      'sh',
      ['-c', 'grep -rlaF -e "$1" -e "$2" . || true', 'sh', secret, Buffer.from(secret).toString('base64')],
      {cwd: project.cache, encoding: 'utf8'},
    );
    expect(found).toBe('');
    expect(JSON.stringify(first.events) + first.stderr).not.toContain(secret);
  });
});

it('runs nothing again for a cookbook that is not used, and what uses it for one that is', async () => {
  project.write({
    'cookbooks/other/recipes/default.rb': "file '/etc/more'\n",
    'cookbooks/new/recipes/default.rb': '',
  });
  const other = await project.build();
  expect(other.stages('stage-cached')).toEqual(expect.arrayContaining([step(1), step(2)]));
  expect(other.stages('stage-failed')).toEqual([step(3)]);

  project.write({'cookbooks/base/recipes/default.rb': "package 'ruby'\n# Changed.\n"});
  const base = await project.build();
  expect(base.stages('stage-cached')).not.toContain(step(1));
});

it('refuses another client than the one that was named', async () => {
  const good = project.read('fgimage.yaml');
  project.write({'fgimage.yaml': good.replace(/[0-9a-f]{64}/, '0'.repeat(64))});
  const other = await project.build();
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('clients/chef.deb has another digest');

  project.write({'fgimage.yaml': good.replace('version: "99.1"', 'version: "99.2"')});
  const version = await project.build();
  expect(version.events.find((event) => event.type === 'stage-failed')).toMatchObject({
    stage: step(1),
    failure: {message: 'The client is Chef 99.1.4, not 99.2'},
  });
});
