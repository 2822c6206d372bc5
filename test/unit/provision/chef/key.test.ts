import {expect, it} from 'vitest';
import {fingerprint} from '../../../../src/plan/fingerprint.ts';
import {canonicalDigest} from '../../../../src/plan/key.ts';
import {chef} from '../../../../src/stages/provision/chef/schema.ts';
import {ProjectFolder} from '../../spec/helpers.ts';
import {optionsOf, repository} from './project.ts';

const step = {run_list: ['role[web]'], environment: 'prod', attributes: ['nodes/web.json']};
type Files = Readonly<Record<string, string>>;

/** What of a step's key the project decides. */
async function keyOf(files: Files, given: Readonly<Record<string, unknown>> = step): Promise<string> {
  using project = new ProjectFolder(files);
  const options = optionsOf(given);
  const needs = await chef.needs(options, {dir: project.dir});
  const digests = needs.files.map((path): [string, string] => [path, fingerprint(project.dir, path)]);
  return canonicalDigest({options, files: Object.fromEntries(digests), params: needs.params ?? {}});
}

/** Files that a run of `step` never sees. */
const unused = new Set([
  'cookbooks/web/.git/HEAD',
  'cookbooks/base/spec/default_spec.rb',
  'cookbooks/other/metadata.rb',
  'cookbooks/other/recipes/default.rb',
  'cookbooks/chefignore',
  'roles/idle.json',
  'environments/test.json',
]);

it('changes with each file that is used, and with no other', async () => {
  const before = await keyOf(repository);
  const changing: string[] = [];
  for (const [path, text] of Object.entries(repository)) {
    // Whitespace at its end changes what no file means.
    if ((await keyOf({...repository, [path]: `${text}\n`})) !== before) changing.push(path);
  }

  expect(changing).toEqual(Object.keys(repository).filter((path) => !unused.has(path)));
});

it('changes with a file more in a cookbook that is used', async () => {
  const before = await keyOf(repository);

  expect(await keyOf({...repository, 'cookbooks/base/files/motd': 'hello'})).not.toBe(before);
  expect(await keyOf({...repository, 'cookbooks/web/libraries/a.rb': ''})).not.toBe(before);
  expect(await keyOf({...repository, 'cookbooks/other/files/motd': 'hello'})).toBe(before);
  expect(await keyOf({...repository, 'cookbooks/web/recipes/default.rb~': 'old'})).toBe(before);
  expect(await keyOf({...repository, 'cookbooks/new/recipes/default.rb': ''})).toBe(before);
  expect(await keyOf({...repository, 'README.md': 'hello'})).toBe(before);
});

it('changes with what the step says', async () => {
  const before = await keyOf(repository);

  for (const more of [
    {attributes: ['nodes/web.json', {web: {port: 1}}]},
    {version: '18.4'},
    {client: 'cinc'},
    {environment: 'test'},
    {run_list: ['role[web]', 'recipe[base]']},
    {minimal_ohai: true},
    {data_bag_secret: 'bags'},
  ])
    expect(await keyOf(repository, {...step, ...more})).not.toBe(before);
});
