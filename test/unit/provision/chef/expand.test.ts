import {symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {chef} from '../../../../src/stages/provision/chef/schema.ts';
import {ProjectFolder} from '../../spec/helpers.ts';
import {needsOf, optionsOf, problemsOf, repository} from './project.ts';

const web = [
  'cookbooks/base/metadata.json',
  'cookbooks/base/recipes/default.rb',
  'cookbooks/web/metadata.rb',
  'cookbooks/web/recipes/default.rb',
  'cookbooks/web/recipes/ssl.rb',
  'cookbooks/web/templates/site.conf.erb',
];
const bags = ['data_bags/users/alice.json'];

describe('what is in the key', () => {
  it('is the cookbooks of the run list and what they depend on, without what chefignore names', async () => {
    expect((await needsOf({run_list: ['recipe[web]']})).files).toEqual([...web, ...bags]);
    expect((await needsOf({run_list: ['base']})).files).toEqual([...web.slice(0, 2), ...bags]);
  });

  it('has the roles that are used, in the environment that is used, and that environment', async () => {
    expect((await needsOf({run_list: ['role[web]'], environment: 'prod'})).files).toEqual([
      ...web,
      ...bags,
      'environments/prod.json',
      'roles/site.rb',
      'roles/web.json',
    ]);
    expect((await needsOf({run_list: ['role[web]'], environment: 'test'})).files).toEqual([
      ...web.slice(0, 2),
      ...bags,
      'environments/test.json',
      'roles/web.json',
    ]);
  });

  it('has files of attributes, and takes a run list from there', async () => {
    expect((await needsOf({attributes: ['nodes/web.json', {web: {port: 1}}]})).files).toEqual([
      ...web,
      ...bags,
      'nodes/web.json',
    ]);
  });

  it('is everything where a role or metadata would have to be run', async () => {
    const files = {...repository, 'roles/site.rb': "name 'site'\nrun_list(*common)\n"};

    const all = (await needsOf({run_list: ['role[web]']}, files)).files;

    expect(all).toContain('cookbooks/other/recipes/default.rb');
    expect(all).toContain('roles/idle.json');
  });

  it('follows dependencies in circles', async () => {
    const files = {
      ...repository,
      'cookbooks/base/metadata.json': '{"name": "base", "version": "0.1.0", "dependencies": {"web": ">= 0"}}',
    };

    expect((await needsOf({run_list: ['recipe[base]']}, files)).files).toEqual([...web, ...bags]);
  });

  it('finds a cookbook by the name in its metadata', async () => {
    const files = {
      ...repository,
      'cookbooks/my-site/metadata.rb': "name 'site'\n",
      'cookbooks/my-site/recipes/default.rb': '',
    };

    expect((await needsOf({run_list: ['recipe[site]']}, files)).files).toEqual([
      'cookbooks/my-site/metadata.rb',
      'cookbooks/my-site/recipes/default.rb',
      ...bags,
    ]);
  });

  it('takes single cookbooks and other folders', async () => {
    const files = {
      'site/web/metadata.rb': "name 'web'\n",
      'site/web/recipes/default.rb': '',
      'own/recipes/default.rb': '',
    };

    expect((await needsOf({cookbooks: ['site', 'own'], run_list: ['web', 'own']}, files)).files).toEqual([
      'own/recipes/default.rb',
      'site/web/metadata.rb',
      'site/web/recipes/default.rb',
    ]);
  });

  it('is the project itself, where that is a cookbook, and nothing else of it', async () => {
    const files = {
      'metadata.rb': "name 'web'\nlong_description IO.read('README.md')\n",
      'README.md': '',
      'recipes/default.rb': '',
      'files/default/motd': '',
      'test/integration/default_test.rb': '',
      'bags.key': 'secret',
      'artifacts/web/disk.raw': '',
      chefignore: 'files/default/*~\n',
    };
    const own = ['README.md', 'files/default/motd', 'metadata.rb', 'recipes/default.rb'];
    const {files: found, folders} = await needsOf({cookbooks: '.', run_list: ['web']}, files);

    expect(found).toEqual(own);
    expect(folders).toEqual(expect.arrayContaining(['recipes', 'metadata.rb', 'chefignore']));
    expect(folders).not.toContain('.');
    expect(await problemsOf({cookbooks: '.', run_list: ['web']}, {...files, 'metadata.rb': ''})).toHaveLength(
      1,
    );
  });

  it('says which package brings the client, and whether it stays', async () => {
    const step = {run_list: ['base']};

    expect(await needsOf({...step, package: 'cinc'})).toMatchObject({install: ['cinc'], keep: false});
    expect(await needsOf({...step, package: 'cinc', keep_client: true})).toMatchObject({keep: true});
    expect(await needsOf({run_list: ['base']})).not.toHaveProperty('install');
  });
});

describe('what is wrong with a step', () => {
  it.each([
    [
      {run_list: ['recipe[wev]']},
      ['run_list.0: There is no cookbook "wev" in cookbooks | Write `recipe[web]`'],
    ],
    [
      {run_list: ['base', 'recipe[web::sls]']},
      ['run_list.1: Cookbook web (cookbooks/web) has no recipe "sls" | Write `recipe[web::ssl]`'],
    ],
    [{run_list: ['role[weeb]']}, ['run_list.0: There is no role "weeb" in roles | Write `role[web]`']],
    [
      {run_list: ['recipe[web@2.0.0]']},
      [
        'run_list.0: Cookbook web is wanted in version 2.0.0; cookbooks/web is 1.2.0 | Put that version there, or change the run list',
      ],
    ],
    [
      {run_list: ['web'], environment: 'prd'},
      ['environment: There is no environment "prd" in environments | Write `prod`'],
    ],
    [{}, [': The step has nothing to run | Write `run_list: [recipe[…]]`, or `policyfile: …`']],
    [
      {run_list: ['web'], attributes: ['roles/site.rb']},
      ['attributes: roles/site.rb is not a JSON object | Write attributes as {"name": {…}}'],
    ],
    [{run_list: ['recipe[web@1.2]', 'role[web]']}, []],
  ])('%j', async (step, problems) => {
    expect(await problemsOf(step)).toEqual(problems);
  });

  it('is told at the item that stands for it', async () => {
    const files = {
      ...repository,
      'roles/site.rb': "name 'site'\nrun_list 'recipe[web::sls]', 'recipe[gone]'\n",
      'cookbooks/base/metadata.json': '{"name": "base", "version": "0.1.0", "dependencies": {"apt": ">= 0"}}',
    };

    expect(await problemsOf({run_list: ['base', 'role[web]']}, files)).toEqual([
      'run_list.1: Cookbook web (cookbooks/web) has no recipe "sls" (wanted by role site) | Write `recipe[web::ssl]`',
      'run_list.1: There is no cookbook "gone" in cookbooks (wanted by role site) | Put the cookbook there, or name its folder under `cookbooks`',
      'run_list.0: There is no cookbook "apt" in cookbooks (wanted by cookbook base) | Put the cookbook there, or name its folder under `cookbooks`',
    ]);
  });

  it('is a cookbook of a version that another one does not take', async () => {
    const depends = (constraint: string): Readonly<Record<string, string>> => ({
      ...repository,
      'cookbooks/web/metadata.rb': `name 'web'\nversion '1.2.0'\ndepends 'base', '${constraint}'\n`,
    });

    expect(await problemsOf({run_list: ['web']}, depends('~> 0.2'))).toEqual([
      'run_list.0: Cookbook base is wanted in version ~> 0.2; cookbooks/base is 0.1.0 (wanted by cookbook web) | Put such a version there, or change the metadata of cookbooks/web',
    ]);
    expect(await problemsOf({run_list: ['web']}, depends('~> 0.1'))).toEqual([]);
  });

  it('is a setting of Chef among attributes, which would be followed', async () => {
    const files = {
      ...repository,
      'nodes/own.json': '{"chef_environment": "prod", "recipes": ["recipe[web]"], "web": {}}',
    };
    const hint = 'is no attribute: Chef takes it for a setting of the run';

    expect(
      await problemsOf({run_list: ['web'], attributes: {run_list: ['base'], policy_group: 'x', web: {}}}),
    ).toEqual([
      `attributes.policy_group: "policy_group" ${hint} | Remove it: the group of a policy is called \`local\``,
      `attributes.run_list: "run_list" ${hint} | Write \`run_list\` of the step`,
    ]);
    expect(await problemsOf({run_list: ['web'], attributes: [{web: {}}, 'nodes/own.json']}, files)).toEqual([
      `attributes.1: "recipes" in nodes/own.json ${hint} | Write \`run_list\` of the step`,
      `attributes.1: "chef_environment" in nodes/own.json ${hint} | Write \`environment\` of the step`,
    ]);
    expect(
      await problemsOf({
        run_list: ['web'],
        environment: 'prod',
        attributes: {chef_environment: 'prod'},
      }),
    ).toEqual([]);
  });

  it('is a cookbook that lies elsewhere, behind a link', async () => {
    using elsewhere = new ProjectFolder({'web/recipes/default.rb': ''});
    using project = new ProjectFolder({'cookbooks/README.md': ''});
    symlinkSync(join(elsewhere.dir, 'web'), join(project.dir, 'cookbooks/web'));

    await expect(chef.needs(optionsOf({run_list: ['web']}), {dir: project.dir})).rejects.toThrow(
      'cookbooks/web leaves the project: a symbolic link leads out of it',
    );
  });

  it('is a cookbook that is there twice', async () => {
    const files = {...repository, 'vendor/web/metadata.rb': "name 'web'\n"};

    expect(await problemsOf({run_list: ['web'], cookbooks: ['cookbooks', 'vendor']}, files)).toEqual([
      'run_list.0: Cookbook web is in cookbooks/web as well as in vendor/web | Keep one of them',
    ]);
  });

  it('is a vendored cookbook that is not as Berksfile.lock says', async () => {
    const lock = `DEPENDENCIES
  web

GRAPH
  apt (7.4.0)
  base (0.1)
  web (1.3.0)
    base (>= 0.1)
`;
    const files = {...repository, Berksfile: '', 'Berksfile.lock': lock};
    const step = {run_list: ['web'], berksfile: 'Berksfile'};

    expect(await problemsOf(step, files)).toEqual([
      'berksfile: Cookbook apt of Berksfile.lock is not in cookbooks | Run `berks vendor cookbooks`',
      'berksfile: Cookbook web is locked in version 1.3.0; cookbooks/web is 1.2.0 | Run `berks vendor cookbooks`, or `berks update web`',
    ]);
    expect(await problemsOf(step, {...repository, Berksfile: ''})).toEqual([
      'berksfile: There is no "Berksfile.lock" in the project | Make it with `berks install`',
    ]);
  });
});

describe('a policy', () => {
  const cookbookLock = (name: string, more: object): object => ({
    [name]: {version: '1.2.0', identifier: `abc${String(name.length)}`, ...more},
  });
  const lock = (locks: object): string =>
    JSON.stringify({
      name: 'site',
      revision_id: 'f00',
      run_list: ['recipe[web::default]'],
      cookbook_locks: locks,
    });
  const step = {policyfile: 'policies/Policyfile.rb'};
  const files = {
    ...repository,
    'policies/Policyfile.rb': '',
    'policies/Policyfile.lock.json': lock({
      ...cookbookLock('web', {source: '../cookbooks/web'}),
      ...cookbookLock('apt', {version: '7.4.0', cache_key: 'apt-7.4.0-supermarket'}),
    }),
    'cookbooks/apt-7.4.0-supermarket/metadata.json': '{"name": "apt", "version": "7.4.0"}',
  };

  it('brings its lock and the cookbooks in it, from their paths and by their cache keys', async () => {
    expect((await needsOf(step, files)).files).toEqual([
      'cookbooks/apt-7.4.0-supermarket/metadata.json',
      ...web.slice(2),
      ...bags,
      'policies/Policyfile.lock.json',
    ]);
  });

  it('is refused with a run list that it does not have, or that would stand in its place', async () => {
    const json = JSON.parse(files['policies/Policyfile.lock.json']) as object;
    const named = {
      ...files,
      'policies/Policyfile.lock.json': JSON.stringify({...json, named_run_lists: {small: ['recipe[web]']}}),
    };

    expect(await problemsOf({...step, named_run_list: 'smal'}, named)).toEqual([
      'named_run_list: policies/Policyfile.lock.json has no run list "smal" | Write `small`',
    ]);
    expect(await problemsOf({...step, named_run_list: 'small'}, named)).toEqual([]);
    expect(await problemsOf({...step, named_run_list: 'small'}, files)).toEqual([
      'named_run_list: policies/Policyfile.lock.json has no run list "small" | Its named run lists are: none',
    ]);
    expect(await problemsOf({...step, attributes: 'nodes/web.json'}, files)).toEqual([
      "attributes: nodes/web.json has a run list, which Chef would run in the place of the policy's | Take it out of the file; another one of the policy is chosen by `named_run_list`",
    ]);
  });

  it('is refused without a lock, and where the cookbooks are others', async () => {
    expect(await problemsOf(step, repository)).toEqual([
      'policyfile: There is no "policies/Policyfile.lock.json" in the project | Make it with `chef install`',
    ]);
    const others = {
      ...files,
      'policies/Policyfile.lock.json': lock({
        ...cookbookLock('web', {version: '2.0.0', source: '../cookbooks/web'}),
        ...cookbookLock('base', {version: '0.1.0', source: '../../base'}),
        ...cookbookLock('apt', {cache_key: 'apt-8'}),
      }),
      'cookbooks/apt-7.4.0-supermarket/metadata.json': '{"name": "old", "version": "7.4.0"}',
    };
    expect(await problemsOf(step, others)).toEqual([
      'policyfile: Cookbook apt of policies/Policyfile.lock.json is not in the project | Put it into a folder of `cookbooks`, by its name or the cache key of the lock',
      'policyfile: Cookbook base of policies/Policyfile.lock.json leaves the project: "../base" | Copy it into the project and run `chef install` again',
      'policyfile: Cookbook web is locked in version 2.0.0; cookbooks/web is 1.2.0 | Put that version there, or run `chef update`',
    ]);
  });
});
