import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {clientRb, dnaJson} from '../../../../src/stages/provision/chef/client-config.ts';
import {chefInputs} from '../../../../src/stages/provision/chef/inputs.ts';
import type {ChefOptions} from '../../../../src/stages/provision/chef/options.ts';
import {makeRepository} from '../../../../src/stages/provision/chef/repository.ts';
import {ProjectFolder} from '../../spec/helpers.ts';
import {optionsOf, repository} from './project.ts';

interface Made {
  readonly files: readonly string[];
  readonly read: (path: string) => string;
  readonly clientRb: string;
  readonly dna: unknown;
}

function made<T>(
  step: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>>,
  look: (made: Made) => T,
): T {
  using project = new ProjectFolder(files);
  const options = optionsOf(step) as unknown as ChefOptions;
  const inputs = chefInputs(options, project.dir);
  const folder = join(project.dir, 'made');
  makeRepository(project.dir, inputs, folder);
  const entries = readdirSync(folder, {recursive: true, withFileTypes: true});
  return look({
    files: entries
      .flatMap((entry) =>
        entry.isFile() ? [join(entry.parentPath, entry.name).slice(folder.length + 1)] : [],
      )
      .sort(),
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    clientRb: clientRb(options, inputs),
    dna: JSON.parse(dnaJson(inputs)),
  });
}

it('has what the key names, in the folders of Chef, cookbooks by their own names', () => {
  const files = {
    ...repository,
    'site/my-web/metadata.rb': "name 'front'\n",
    'site/my-web/recipes/default.rb': '',
  };
  const step = {run_list: ['role[web]', 'front'], environment: 'prod', cookbooks: ['cookbooks', 'site']};

  made(step, files, (one) =>
    expect(one.files).toEqual([
      'cookbooks/base/metadata.json',
      'cookbooks/base/recipes/default.rb',
      'cookbooks/front/metadata.rb',
      'cookbooks/front/recipes/default.rb',
      'cookbooks/web/metadata.rb',
      'cookbooks/web/recipes/default.rb',
      'cookbooks/web/recipes/ssl.rb',
      'cookbooks/web/templates/site.conf.erb',
      'data_bags/users/alice.json',
      'environments/prod.json',
      'roles/site.rb',
      'roles/web.json',
    ]),
  );
});

it('merges attributes in their order, and puts the run list with them', () => {
  const attributes = ['nodes/web.json', {web: {names: ['b'], tls: true}}];

  made({attributes}, repository, ({dna}) =>
    expect(dna).toEqual({
      web: {port: 8080, names: ['b'], tls: true},
      run_list: ['recipe[web::ssl]'],
    }),
  );
  made({attributes, run_list: ['base']}, repository, ({dna}) =>
    expect(dna).toMatchObject({run_list: ['base']}),
  );
});

it('lays a policy out as chef export does', () => {
  const lock = JSON.stringify({
    name: 'site',
    revision_id: 'f00',
    run_list: ['recipe[base::default]'],
    cookbook_locks: {base: {version: '0.1.0', identifier: 'abc4', source: 'cookbooks/base'}},
  });
  const files = {...repository, 'Policyfile.rb': '', 'Policyfile.lock.json': lock};

  made({policyfile: 'Policyfile.rb', named_run_list: 'small'}, files, (one) => {
    expect(one.files).toEqual([
      'cookbook_artifacts/base-abc4/metadata.json',
      'cookbook_artifacts/base-abc4/recipes/default.rb',
      'data_bags/users/alice.json',
      'policies/site-f00.json',
      'policy_groups/local.json',
    ]);
    expect(one.read('policies/site-f00.json')).toBe(lock);
    expect(JSON.parse(one.read('policy_groups/local.json'))).toEqual({
      name: 'local',
      policies: {site: {revision_id: 'f00'}},
    });
    expect(one.dna).toEqual({});
    expect(one.clientRb.split('\n').filter((line) => /polic|named/.test(line))).toEqual([
      "policy_path '/run/fgimage/chef/repository/policies'",
      "policy_group_path '/run/fgimage/chef/repository/policy_groups'",
      "policy_name 'site'",
      "policy_group 'local'",
      'use_policyfile true',
      'policy_document_native_api true',
      "named_run_list 'small'",
    ]);
  });
});

it('has the client write nothing of its own anywhere but in /run', () => {
  made(
    {run_list: ['base'], environment: 'prod', data_bag_secret: 'bags', version: '18'},
    repository,
    (one) => {
      const lines = one.clientRb.split('\n');
      const paths = [...one.clientRb.matchAll(/'(\/[^']*)'/g)].map((found) => found[1]);
      expect(paths.filter((path) => path?.startsWith('/run/') !== true)).toEqual([]);
      expect(lines).toEqual(
        expect.arrayContaining([
          "Fgimage.check_version('18')",
          "node_name 'fgimage'",
          "environment 'prod'",
          "encrypted_data_bag_secret '/run/secrets/bags'",
          'diff_disabled true',
          'listen false',
          'log_level :warn',
        ]),
      );
    },
  );
});
