import {expect, it} from 'vitest';
import {chef} from '../../../../src/stages/provision/chef/schema.ts';
import {complaints, head, load} from '../../spec/helpers.ts';
import {needsOf} from './project.ts';

const step = (text: string): string => `${head}provision:\n  - chef:\n${text.replaceAll(/^/gm, '      ')}\n`;

it.each([
  ['run_list: [web]', 'The step does not say where the client comes from'],
  ['package: chef\ninstalled: true', 'The client comes from `package` as well as `installed`'],
  ['deb: chef.deb', 'The .deb has no `sha256`'],
  [`package: chef\nsha256: ${'a'.repeat(64)}`, '`sha256` is that of a .deb'],
  ['installed: true\nkeep_client: true', 'A client that is in the image already stays there'],
  ['installed: true\nnamed_run_list: x', '`named_run_list` is one of a policy'],
  ['installed: true\npolicyfile: P.rb\nrun_list: [web]', 'A policy has no `run_list` beside it'],
  ['installed: true\npolicyfile: P.rb\nenvironment: prod', 'A policy has no `environment` beside it'],
  ['installed: true\nrun_list: ["Recipe[web]"]', '"Recipe[web]" is not an item of a run list'],
  ['installed: true\nrun_list: [web]\nversion: latest', '"latest" is not a version of Chef'],
])('refuses %j', async (text, message) => {
  expect((await complaints(step(text))).join('\n')).toContain(message);
});

it('tells of a missing cookbook at its item of the run list', async () => {
  expect(await complaints(step('installed: true\nrun_list:\n  - web'))).toEqual([
    '8: There is no cookbook "web": the step has no folder of cookbooks',
  ]);
});

it('tells of a .deb with another digest at the digest', async () => {
  const text = `run_list: [web]\ndeb: chef.deb\nsha256: "${'0'.repeat(64)}"`;
  const files = {'fgimage.yaml': step(text), 'chef.deb': 'x', 'cookbooks/web/recipes/default.rb': ''};

  await expect(load(files)).rejects.toThrow(
    /fgimage\.yaml:8:15: error: chef\.deb has another digest: 2d711642b7/,
  );
});

it('fills in what is left out', () => {
  const given = {
    run_list: ['web'],
    package: 'cinc',
    client: 'cinc',
    attributes: {a: 1},
    cookbooks: './site//x/',
  };

  expect(chef.interpret(chef.schema.parse(given), () => false)).toEqual({
    options: {
      run_list: ['web'],
      attributes: [{values: {a: 1}}],
      cookbooks: ['site/x'],
      client: 'cinc',
      from: {kind: 'package', name: 'cinc', keep: false},
      log_level: 'warn',
      minimal_ohai: false,
    },
    files: [{at: ['cookbooks'], path: './site//x/', folder: true}],
  });
});

it('names the folders in which another file could count', async () => {
  expect((await needsOf({run_list: ['web']})).folders).toEqual([
    'cookbooks',
    'roles',
    'environments',
    'data_bags',
    'chefignore',
  ]);
});
