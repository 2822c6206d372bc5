import {describe, expect, it} from 'vitest';
import {ignoredBy} from '../../../../src/stages/provision/chef/chefignore.ts';
import {jsonMetadata, rubyMetadata} from '../../../../src/stages/provision/chef/metadata.ts';
import {jsonRole, rubyRole} from '../../../../src/stages/provision/chef/roles.ts';
import {rubyCalls} from '../../../../src/stages/provision/chef/ruby-literals.ts';
import {fits, runListItem, sameVersion} from '../../../../src/stages/provision/chef/run-list.ts';

describe('runListItem()', () => {
  it.each([
    ['recipe[web]', {kind: 'recipe', cookbook: 'web', recipe: 'default'}],
    ['recipe[web::ssl]', {kind: 'recipe', cookbook: 'web', recipe: 'ssl'}],
    ['recipe[web::ssl@1.2.0]', {kind: 'recipe', cookbook: 'web', recipe: 'ssl', version: '1.2.0'}],
    ['web::ssl', {kind: 'recipe', cookbook: 'web', recipe: 'ssl'}],
    ['web@1.2', {kind: 'recipe', cookbook: 'web', recipe: 'default', version: '1.2'}],
    ['role[base]', {kind: 'role', name: 'base'}],
    ['Recipe[web]', undefined],
    ['role[]', undefined],
    ['recipe[../etc]', undefined],
  ])('reads %s', (text, item) => {
    expect(runListItem(text)).toEqual(item);
  });

  it('takes 1.2 and 1.2.0 for the same version', () => {
    expect(sameVersion('1.2', '1.2.0')).toBe(true);
    expect(sameVersion('1.2', '1.2.1')).toBe(false);
  });
});

describe('fits()', () => {
  it.each([
    ['1.2.0', '= 1.2', true],
    ['1.2.0', '1.2.0', true],
    ['1.2.1', '= 1.2.0', false],
    ['1.10.0', '> 1.9', true],
    ['1.2', '< 1.2.0', false],
    ['1.2', '<= 1.2.0', true],
    ['0.9.9', '>= 1.0', false],
    ['1.9.0', '~> 1.2', true],
    ['2.0.0', '~> 1.2', false],
    ['1.1.0', '~> 1.2', false],
    ['1.2.9', '~> 1.2.3', true],
    ['1.3.0', '~> 1.2.3', false],
    ['1.3.0.pre', '>= 1.2', undefined],
    ['1.3.0', '>= one', undefined],
  ])('%s %s: %s', (version, constraint, expected) => {
    expect(fits(version, constraint)).toBe(expected);
  });
});

describe('rubyCalls()', () => {
  it('reads literals of every form', () => {
    const source = `
      # run_list 'recipe[comment]'
      run_list('role[base]', "recipe[web]",
               %w(recipe[a] recipe[b]), ['recipe[c]', :d])
      env_run_lists 'prod' => ['recipe[p]'], test: []
=begin
run_list 'recipe[block]'
=end
      description <<~TEXT
        run_list 'recipe[text]'
      TEXT
    `;

    expect(rubyCalls(source, ['run_list', 'env_run_lists'])).toEqual([
      {
        method: 'run_list',
        given: ['role[base]', 'recipe[web]', ['recipe[a]', 'recipe[b]'], ['recipe[c]', 'd']],
      },
      {
        method: 'env_run_lists',
        given: [
          new Map<string, unknown>([
            ['prod', ['recipe[p]']],
            ['test', []],
          ]),
        ],
      },
    ]);
  });

  it.each([
    'run_list list',
    `run_list "recipe[#{name}]"`,
    `run_list 'a' + 'b'`,
    `run_list 'a' if node['x']`,
    'run_list %W(a b)',
    `run_list(*items)`,
    `run_list 'a', File.read('b')`,
    `run_list "a\\x62"`,
    `run_list 'a'.upcase`,
  ])('does not guess what %s is given', (source) => {
    expect(rubyCalls(source, ['run_list'])).toEqual([{method: 'run_list', given: undefined}]);
  });

  it('takes a << that ends nowhere for none', () => {
    expect(rubyCalls(`# see <<THERE\ndepends 'apt'`, ['depends'])).toEqual([
      {method: 'depends', given: ['apt']},
    ]);
  });
});

describe('metadata', () => {
  it('is read from metadata.json', () => {
    const text = '{"name": "web", "version": "1.2.0", "dependencies": {"b": ">= 0.0.0", "a": "~> 1.0"}}';

    expect(jsonMetadata(text)).toEqual({
      name: 'web',
      version: '1.2.0',
      depends: ['a', 'b'],
      wanted: new Map([
        ['b', '>= 0.0.0'],
        ['a', '~> 1.0'],
      ]),
      complete: true,
    });
  });

  it('is read from metadata.rb', () => {
    const text = `name 'web'
      version "1.2.0"
      long_description IO.read(File.join(File.dirname(__FILE__), 'README.md'))
      depends 'yum', '>= 3.0' # pinned
      depends "apt"
      supports 'ubuntu'
    `;

    expect(rubyMetadata(text)).toEqual({
      name: 'web',
      version: '1.2.0',
      depends: ['apt', 'yum'],
      wanted: new Map([['yum', '>= 3.0']]),
      complete: true,
    });
    expect(rubyMetadata("if x\ndepends 'apt', '< 1'\nend\n").wanted).toBeUndefined();
  });

  it.each([
    '%w(apt yum).each { |name| depends name }',
    `%w[apt yum].each do |name|\n  depends name\nend`,
    `instance_eval File.read('common.rb')`,
    `send(:depends, 'apt')`,
    `require_relative 'shared'`,
    'depends "#{prefix}-apt"',
  ])('is not complete where only running it would tell: %s', (line) => {
    expect(rubyMetadata(`name 'web'\ndepends 'yum'\n${line}`)).toEqual({
      name: 'web',
      depends: ['yum'],
      complete: false,
    });
  });

  it('keeps a dependency that stands under a condition', () => {
    expect(rubyMetadata(`depends 'apt' if ENV['APT']\n`).complete).toBe(false);
    expect(rubyMetadata(`if ENV['APT']\n  depends 'apt'\nend\n`)).toEqual({depends: ['apt'], complete: true});
  });
});

describe('roles', () => {
  it('have a run list for an environment of their own', () => {
    const role = jsonRole('{"run_list": ["recipe[a]"], "env_run_lists": {"prod": ["recipe[b]"]}}');

    expect(role('_default')).toEqual(['recipe[a]']);
    expect(role('prod')).toEqual(['recipe[b]']);
    const both = jsonRole('{"run_list": ["recipe[a]"], "env_run_lists": {"_default": ["recipe[d]"]}}');
    expect([both('_default'), both('prod')]).toEqual([['recipe[d]'], ['recipe[d]']]);
  });

  it('are read from Ruby where they say what they say as it stands', () => {
    const role = rubyRole(`name 'web'
      description "Servers of the web"
      run_list 'role[base]', 'recipe[web]'
      env_run_lists 'prod' => %w(recipe[p]), '_default' => ['recipe[d]']
      default_attributes 'web' => {'port' => 80, :tls => true, ratio: 1.5}
    `);

    expect(role('prod')).toEqual(['recipe[p]']);
    expect(role('_default')).toEqual(['recipe[d]']);
  });

  it.each([
    `run_list(*shared)`,
    `if ENV['X'] then run_list 'recipe[a]' end`,
    `items = ['recipe[a]']\nrun_list items`,
    `require 'common'\nrun_list 'recipe[a]'`,
    `eval 'run_list "recipe[a]"'`,
    `default_attributes 'a' => File.read('b')`,
  ])('are not guessed at: %s', (text) => {
    expect(rubyRole(`name 'web'\n${text}\n`)('_default')).toBeUndefined();
  });

  it('of JSON that is none are not guessed at either', () => {
    expect(jsonRole('[]')('_default')).toBeUndefined();
  });
});

describe('chefignore', () => {
  it('has the patterns of Ruby, in which * matches slashes but no dot at the beginning', () => {
    const ignored = ignoredBy('# comment\n\n*~\nspec/*\n*.sw[a-z]\nRakefile\n?ifs\n\\*x\n[!a-y]one\n');

    expect(
      ['recipes/a.rb~', 'spec/unit/a.rb', 'x/.a.swp', 'Rakefile', 'gifs', '*x', 'zone'].filter(ignored),
    ).toEqual(['recipes/a.rb~', 'spec/unit/a.rb', 'x/.a.swp', 'Rakefile', 'gifs', '*x', 'zone']);
    expect(['.a~', 'recipes/a.rb', 'my/Rakefile', 'xx', 'bone', '.ifs'].filter(ignored)).toEqual([]);
  });
});
