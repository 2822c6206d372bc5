import type {StepNeeds, StepProblem} from '../../../../src/spec/provision-kinds.ts';
import {chef} from '../../../../src/stages/provision/chef/schema.ts';
import {ProjectFolder} from '../../spec/helpers.ts';

/** A small repository of Chef's: web depends on base, base on nothing; other and its role are not used. */
export const repository = {
  'cookbooks/web/metadata.rb': "name 'web'\nversion '1.2.0'\ndepends 'base', '>= 0.1'\n",
  'cookbooks/web/recipes/default.rb': "package 'nginx'\n",
  'cookbooks/web/recipes/ssl.rb': "package 'openssl'\n",
  'cookbooks/web/templates/site.conf.erb': 'listen <%= @port %>\n',
  'cookbooks/web/.git/HEAD': 'ref: refs/heads/main\n',
  'cookbooks/base/metadata.json': '{"name": "base", "version": "0.1.0", "dependencies": {}}\n',
  'cookbooks/base/recipes/default.rb': "user 'deploy'\n",
  'cookbooks/base/spec/default_spec.rb': "describe 'base'\n",
  'cookbooks/other/metadata.rb': "name 'other'\nversion '9.9.9'\n",
  'cookbooks/other/recipes/default.rb': "file '/x'\n",
  'cookbooks/chefignore': 'spec/*\n*~\n',
  'roles/web.json':
    '{"name": "web", "run_list": ["role[site]"], "env_run_lists": {"test": ["recipe[base]"]}}\n',
  'roles/site.rb': "name 'site'\nrun_list 'recipe[web]'\n",
  'roles/idle.json': '{"name": "idle", "run_list": ["recipe[other]"]}\n',
  'environments/prod.json': '{"name": "prod"}\n',
  'environments/test.json': '{"name": "test"}\n',
  'data_bags/users/alice.json': '{"id": "alice"}\n',
  'nodes/web.json': '{"web": {"port": 8080, "names": ["a"]}, "run_list": ["recipe[web::ssl]"]}\n',
} as const;

/** What a step needs in a project with these files. */
export async function needsOf(
  step: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>> = repository,
): Promise<StepNeeds> {
  using project = new ProjectFolder(files);
  return await chef.needs(optionsOf(step), {dir: project.dir});
}

/** What is wrong with it, as `place: message | hint`. */
export async function problemsOf(
  step: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>> = repository,
): Promise<readonly string[]> {
  using project = new ProjectFolder(files);
  const problems = await chef.check?.(optionsOf(step), {dir: project.dir});
  return (problems ?? []).map(({at, message, hint}: StepProblem) => `${at.join('.')}: ${message} | ${hint}`);
}

export function optionsOf(step: Readonly<Record<string, unknown>>) {
  const {installed = step['package'] === undefined ? true : undefined, ...rest} = step;
  const given = installed === undefined ? rest : {...rest, installed};
  return chef.interpret(chef.schema.parse(given), () => true).options;
}
