import {existsSync, readdirSync, rmSync} from 'node:fs';
import {expect, it} from 'vitest';
import {cacheLayout} from '../../cache/layout.ts';
import {listRecipes} from '../../cache/recipes.ts';
import {sha256} from '../../cache/tree.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

/** Paths of the project that a build kept for making its images again. */
function keptPaths(rig: Rig): readonly string[] {
  const [recipe] = listRecipes(cacheLayout(rig.cache));
  return (recipe?.entries ?? []).map(({path}) => path);
}

it('an image is made again whose spec names what no stage of it reads', async () => {
  await using rig = new Rig({
    'fgimage.yaml': spec(`provision:
  - puppet: {manifest: puppet/site.pp, modules: [puppet/modules, puppet/extra], client: image}
  - chef: {run_list: ["recipe[base]"], cookbooks: cookbooks, roles: roles, installed: true, chef_license: accept}
  - shell: scripts/trixie.sh
    when: {release: trixie}
  - ansible: {playbook: ansible/site.yml, roles: ansible/roles, via: image}
    when: {architecture: arm64}
targets: [tarball]
`),
    'puppet/site.pp': 'notify { "x": }\n',
    'puppet/modules/unused/manifests/init.pp': 'class unused {}\n',
    'puppet/extra/unused/manifests/init.pp': 'class unused {}\n',
    'cookbooks/base/metadata.rb': "name 'base'\nversion '1.0.0'\n",
    'cookbooks/base/recipes/default.rb': "log 'x'\n",
    'cookbooks/other/metadata.rb': "name 'other'\nversion '1.0.0'\n",
    'roles/web.json': '{"name":"web"}\n',
    'scripts/trixie.sh': 'true\n',
    'ansible/site.yml': '- hosts: all\n  roles: [x]\n',
    'ansible/roles/x/tasks/main.yml': '[]\n',
    'ansible/roles/y/tasks/main.yml': '[]\n',
  });
  fakeAllTools(rig);
  await seedCache(rig, {packages: [], test: false});
  expect(await rig.run(['build', '--no-test', '--quiet'])).toMatchObject({code: 0, stderr: ''});
  expect(keptPaths(rig)).toEqual([
    ...['puppet/extra', 'puppet/modules', 'roles'],
    ...['ansible/roles/x/tasks/main.yml', 'ansible/site.yml', 'cookbooks/base/metadata.rb'],
    ...['cookbooks/base/recipes/default.rb', 'fgimage.yaml', 'puppet/site.pp', 'scripts/trixie.sh'],
  ]);

  for (const name of readdirSync(rig.project)) rmSync(rig.join('project', name), {recursive: true});
  const again = await rig.run(['regenerate', 'web', '--quiet'], {cwd: 'tmp'});

  expect(again.stdout).toContain('web/tarball: the same, byte for byte, as before');
  expect(again.code).toBe(0);
});

it('an imported layout is kept with its blobs, and is in the pedigree with its digest', async () => {
  await using rig = new Rig({
    'fgimage.yaml': spec('base: {import: root}\nkernel: {package: none}\ntargets: [tarball]\n'),
    'root/index.json': '{}',
    'root/oci-layout': '{}',
    'root/blobs/sha256/abc': 'x',
  });
  fakeAllTools(rig);
  await seedCache(rig, {packages: [], test: false});
  expect(await rig.run(['build', '--no-test', '--quiet'])).toMatchObject({code: 0, stderr: ''});
  expect(keptPaths(rig)).toEqual([
    ...['fgimage.yaml', 'root/blobs/sha256/abc', 'root/index.json', 'root/oci-layout'],
  ]);
  const digest = listRecipes(cacheLayout(rig.cache)).at(0)?.digest ?? '';
  // Eight digits do, as for purge and regenerate.
  const {stdout} = await rig.run(['pedigree', digest.slice(0, 8)]);
  const lines = stdout.split('\n').map((line) => line.replace(/ +(?=[0-9a-f]{64}$)/, '  '));
  expect(lines).toContain(`      ├─ import root  ${sha256('{}')}`);
});

it('one of two images of the same bytes goes, and the other stays', async () => {
  await using rig = new Rig({
    'fgimage.yaml': spec('targets: [tarball]\nimages: {a: {packages: [curl]}, b: {packages: [curl]}}\n'),
  });
  fakeAllTools(rig);
  const same = {artifact: 'the same'};
  const contents = {'pack:a/tarball': same, 'pack:b/tarball': same};
  await seedCache(rig, {packages: ['curl'], test: false, contents});
  expect(await rig.run(['build', '--no-test', '--quiet'])).toMatchObject({code: 0, stderr: ''});

  const purged = await rig.run(['purge', 'b']);

  expect(purged).toMatchObject({code: 0, stderr: ''});
  expect(purged.stdout).toMatch(/^b\/tarball: .* freed\nStays .*: .*pack:b\/tarball.*\n/);
  const places = ['a', 'b'].map((name) => rig.join(`project/artifacts/${name}/tarball`));
  expect(places.map((path) => existsSync(path))).toEqual([true, false]);
  expect((await rig.run(['purge', 'b'])).stdout).toContain('b/tarball: nothing to free\n');
  expect((await rig.run(['purge', 'a'])).stdout).toMatch(/^a\/tarball: .* freed\n/);
  const digest = listRecipes(cacheLayout(rig.cache)).at(0)?.digest ?? '';
  expect(rig.cached('objects')).not.toContain(digest);
});
