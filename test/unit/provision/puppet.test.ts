import {describe, expect, it} from 'vitest';
import {PuppetRun, projectPlace} from '../../../src/stages/provision/puppet/events.ts';
import {appliedFiles} from '../../../src/stages/provision/puppet/inputs.ts';
import {configuration, notOfHost} from '../../../src/stages/provision/puppet/run.ts';
import {clientPackage, type PuppetOptions, puppet} from '../../../src/stages/provision/puppet/schema.ts';
import {complaints, head, image, load, ProjectFolder} from '../spec/helpers.ts';
import {RecordedStage} from './recorded-stage.ts';

const module = (name: string, text = `class ${name} {}\n`): Record<string, string> => ({
  [`modules/${name}/manifests/init.pp`]: text,
});

function optionsOf(value: object): PuppetOptions {
  return puppet.interpret(value, () => true).options as unknown as PuppetOptions;
}

function applied(
  files: Readonly<Record<string, string>>,
  value: object = {modules: 'modules'},
): ReturnType<typeof appliedFiles> {
  using project = new ProjectFolder(files);
  return appliedFiles(optionsOf({manifest: 'site.pp', ...value}), project.dir);
}

describe('the schema of puppet', () => {
  it('reads a whole step', async () => {
    const step = '{manifest: site.pp, modules: [modules], facts: {role: web}, tags: web, keep_client: true}';
    const spec = await load({
      'fgimage.yaml': `${head}provision: [{puppet: ${step}}]\ntargets: {tarball: {}}\n`,
      'site.pp': 'include web\n',
      ...module('web'),
    });
    expect(image(spec, 'web').provision[0]?.options).toEqual({
      manifest: 'site.pp',
      modules: ['modules'],
      facts: {role: 'web'},
      environment: 'production',
      certname: 'localhost',
      tags: ['web'],
      files: [],
      client: 'puppet',
      keep_client: true,
    });
  });

  it.each([
    ['{manifests: site.pp}', 'unknown key'],
    ['{manifest: site.pp, client: chef}', '"chef"'],
    ['{manifest: site.pp, environment: A-B}', 'is not the name of a Puppet environment'],
    ['{manifest: missing.pp}', 'There is no "missing.pp" in the project'],
  ])('refuses %s', async (step, why) => {
    const found = await complaints(`${head}provision: [{puppet: ${step}}]\ntargets: {tarball: {}}\n`);
    expect(found.join('\n').toLowerCase()).toContain(why.toLowerCase());
  });
});

describe('the client', () => {
  const os = (distribution: string, release: string) =>
    ({distribution, release, architecture: 'amd64'}) as unknown as Parameters<typeof clientPackage>[1];

  it.each([
    [{}, os('debian', 'bullseye'), 'puppet'],
    [{}, os('debian', 'bookworm'), 'puppet-agent'],
    [{}, os('ubuntu', 'jammy'), 'puppet'],
    [{}, os('rocky', '9'), 'puppet-agent'],
    [{client: 'openvox'}, os('debian', 'trixie'), 'openvox-agent'],
    [{package: 'puppet8'}, os('debian', 'trixie'), 'puppet8'],
  ])('of %j is a package of the distribution %#', (value, system, name) => {
    expect(clientPackage(optionsOf({manifest: 'site.pp', ...value}), system)).toBe(name);
  });

  it('is installed for the step, unless the image has it', async () => {
    using project = new ProjectFolder({'site.pp': ''});
    const needs = (value: object): ReturnType<typeof puppet.needs> =>
      puppet.needs(puppet.interpret({manifest: 'site.pp', ...value}, () => true).options, {
        dir: project.dir,
      });
    expect(await needs({})).toEqual({
      files: ['site.pp'],
      folders: [],
      install: ['puppet-agent'],
      keep: false,
    });
    expect(await needs({keep_client: true})).toMatchObject({keep: true});
    expect(await needs({client: 'image'})).toEqual({files: ['site.pp'], folders: []});
  });
});

describe('the files of a manifest', () => {
  it('are the modules that it uses and those that these use, and not the others', () => {
    const {files, problems} = applied({
      'site.pp': 'include web\n',
      ...module('web', 'class web { file_line { "a": } }\n'),
      'modules/web/metadata.json': '{"dependencies": [{"name": "lab/base"}]}',
      'modules/web/spec/web_spec.rb': 'left out\n',
      ...module('base'),
      'modules/stdlib/lib/puppet/type/file_line.rb': '',
      ...module('unused'),
      'modules/unused/lib/facter/other.rb': '',
    });
    expect(problems).toEqual([]);
    expect(files).toEqual([
      'modules/base/manifests/init.pp',
      'modules/stdlib/lib/puppet/type/file_line.rb',
      'modules/web/manifests/init.pp',
      'modules/web/metadata.json',
      'site.pp',
    ]);
  });

  it('are the data of Hiera, and the modules that these name', () => {
    const {files, folders} = applied(
      {
        'site.pp': "lookup('classes').include\n",
        'hiera.yaml':
          'version: 5\ndefaults: {datadir: data}\nhierarchy: [{name: a, path: a.yaml}, {name: b, datadir: "more/%{env}", path: b}]\n',
        'data/a.yaml': 'classes: [web]\n',
        'more/x/b.yaml': 'a: 1\n',
        ...module('web'),
        ...module('unused'),
      },
      {modules: 'modules', hiera: 'hiera.yaml'},
    );
    expect(files).toEqual([
      'data/a.yaml',
      'hiera.yaml',
      'modules/web/manifests/init.pp',
      'more/x/b.yaml',
      'site.pp',
    ]);
    expect(folders).toEqual(['modules', 'data', 'more']);
  });

  it('are all modules where a variable names the class', () => {
    const {files} = applied({'site.pp': 'include $which\n', ...module('one'), ...module('two')});
    expect(files).toEqual(['modules/one/manifests/init.pp', 'modules/two/manifests/init.pp', 'site.pp']);
  });

  it('are all modules, too, where a module names the class by a variable', () => {
    const {files} = applied({
      'site.pp': 'include role\n',
      ...module('role', 'class role {\n  $which.each |$x| { include $x }\n}\n'),
      ...module('one'),
    });
    expect(files).toContain('modules/one/manifests/init.pp');
  });

  it.each([
    ['a type alias', 'class own(Stdlib::Port $port) {}', {'types/port.pp': 'type Stdlib::Port = Integer\n'}],
    ['a provider', "package { 'a': provider => npm }", {'lib/puppet/provider/package/npm.rb': ''}],
    [
      'a fact',
      "notice($facts['rank'])",
      {'lib/facter/site.rb': "Facter.add(:rank) do\nend\nFacter.add('x') {}\n"},
    ],
    ['an external fact', "notice($facts['rank'])", {'facts.d/site.yaml': 'rank: first\n'}],
    ['facts that only a run tells', '', {'facts.d/site.sh': 'echo rank=first\n'}],
    ['facts of which the code makes the names', '', {'lib/facter/site.rb': 'Facter.add(name) {}\n'}],
  ])('are those of a module that gives %s', (_, text, given) => {
    const names = Object.keys(given);
    const {files} = applied({
      'site.pp': text,
      ...Object.fromEntries(Object.entries(given).map(([name, one]) => [`modules/stdlib/${name}`, one])),
      ...module('unused'),
      'modules/unused/lib/facter/other.rb': "Facter.add('other') {}\n",
      'modules/unused/facts.d/other.txt': 'another=1\n',
      'modules/unused/lib/puppet/provider/own/a.rb': '',
    });
    expect(files).toEqual([...names.map((name) => `modules/stdlib/${name}`), 'site.pp']);
  });

  it('are the data of the environment, and those to which a path leads out of their folder', () => {
    const {files, problems} = applied(
      {
        'site.pp': '',
        'hiera.yaml':
          'version: 5\ndefaults: {datadir: "env/%{environment}"}\nhierarchy: [{name: a, path: a.yaml}, {name: b, paths: ["../shared/%{os.name}.yaml"]}]\n',
        'env/lab/a.yaml': 'a: 1\n',
        'env/production/a.yaml': 'a: 1\n',
        'env/shared/Debian.yaml': 'a: 1\n',
      },
      {hiera: 'hiera.yaml', environment: 'lab'},
    );
    expect(problems).toEqual([]);
    expect(files).toEqual(['env/lab/a.yaml', 'env/shared/Debian.yaml', 'hiera.yaml', 'site.pp']);
  });

  it('are all manifests of a folder', () => {
    const {files} = applied({'m/a.pp': '', 'm/b/c.pp': '', 'm/README': ''}, {manifest: 'm'});
    expect(files).toEqual(['m/a.pp', 'm/b/c.pp']);
  });
});

describe('check', () => {
  const messages = (files: Readonly<Record<string, string>>, value?: object): string[] =>
    applied(files, value).problems.map(({message, hint}) => `${message}; ${hint}`);

  it('names a module that is not there with its place, and the nearest that is', () => {
    expect(messages({'site.pp': "node default {\n  include 'wbe::server'\n}\n", ...module('web')})).toEqual([
      'site.pp:2 names the module wbe, which is not there; Write `web`',
    ]);
    expect(messages({'site.pp': 'class own {}\ninclude own\n'})).toEqual([]);
  });

  it('takes no line of a text for a class', () => {
    const nginx = `file { '/etc/nginx/site':
  content => @("END"/L),
    include mime
    server { include fastcgi_params; }
    | END
}
file { '/etc/x': content => "
include snippets;
" }
include wbe
`;
    expect(messages({'site.pp': nginx, ...module('web')})).toEqual([
      'site.pp:10 names the module wbe, which is not there; Write `web`',
    ]);
  });

  it('tells what is wrong with hiera.yaml', () => {
    const files = {
      'site.pp': '',
      'hiera.yaml': 'version: 5\n',
      'bad.yaml': 'a: [\n',
      'old.yaml': ':backends: [yaml]\n',
    };
    expect(messages(files, {hiera: 'hiera.yaml'})).toEqual([
      'hiera.yaml has its data in data, which is no folder of the project; Make the folder, or name it in `datadir`, relative to hiera.yaml',
    ]);
    expect(messages(files, {hiera: 'old.yaml'})).toEqual([
      'old.yaml is of version 3; Write it as version 5: `version: 5`, `hierarchy: [{name: …, path: …}]`',
    ]);
    expect(messages(files, {hiera: 'bad.yaml'})[0]).toMatch(/^bad\.yaml:\d+:\d+: .*; Mend the YAML$/);
  });

  it('tells of a folder without manifests', () => {
    expect(messages({'m/README': ''}, {manifest: 'm'})).toEqual([
      'There is no manifest in m; Name a file or a folder with files that end in .pp',
    ]);
  });
});

describe('a run of puppet apply', () => {
  function follow(lines: readonly string[]): {stage: RecordedStage; run: PuppetRun} {
    const stage = new RecordedStage();
    const run = new PuppetRun(stage, {network: false, id: 'customize:web/provision-1'});
    for (const line of lines) if (run.line(line)) stage.log.write(line);
    return {stage, run};
  }

  it('shows resources, and leaves what is idle out of the log', () => {
    const {stage, run} = follow([
      'Error: Facter: No such file or directory @ dir_initialize - /sys/block',
      'Error: Facter: Permission denied @ rb_sysopen - /proc/1/environ',
      'Info: Class[Web]: Starting to evaluate the resource (2 of 8)',
      'Info: Class[Web]: Evaluated in 0.00 seconds',
      'Info: /Stage[main]/Web/File[/etc/nginx/site]: Starting to evaluate the resource (3 of 8)',
      "Notice: /Stage[main]/Web/File[/etc/nginx/site]/ensure: defined content as '{sha256}0'",
      'Info: /Stage[main]/Web/Web::Vhost[a/b]/User[x]: Starting to evaluate the resource',
    ]);
    expect(stage.told).toEqual(['File[/etc/nginx/site]', 'User[x]']);
    expect(stage.lines).toEqual([
      "Notice: /Stage[main]/Web/File[/etc/nginx/site]/ensure: defined content as '{sha256}0'",
    ]);
    expect(run.failure(true)).toBeUndefined();
  });

  it('tells resource, class, place and reason of a failure', () => {
    const told = {
      resource: 'Package[nope]',
      containment: ['Stage[main]', 'Web', 'Package[nope]'],
      file: `${projectPlace}/modules/web/manifests/init.pp`,
      line: 3,
      messages: ['Could not install: E: Unable to locate package nope'],
    };
    const other = {
      ...told,
      resource: 'File[/x]',
      containment: ['Stage[main]', 'Main', 'File[/x]'],
      messages: [`Could not write\nNo space (file: ${projectPlace}/modules/web/manifests/init.pp, line: 3)`],
    };
    const {run} = follow([told, other].map((one) => `fgimage-puppet: ${JSON.stringify(one)}`));
    expect(run.failure(false)).toEqual({
      reason: 'refused',
      message:
        'Package[nope] of Web (modules/web/manifests/init.pp:3) failed: Could not install: E: Unable to locate package nope',
      hint: 'The step has no network: add the packages to `packages`, or write `network: true` beside `puppet`',
      details: [
        'File[/x] (modules/web/manifests/init.pp:3) failed too: No space',
        'log: fgimage logs customize:web/provision-1',
      ],
    });
  });

  it('tells where a manifest is wrong', () => {
    const {stage, run} = follow([
      `Error: Evaluation Error: Unknown variable: 'x'. (file: ${projectPlace}/site.pp, line: 3, column: 5) on node localhost`,
    ]);
    expect(run.failure(false)).toMatchObject({
      message: "site.pp:3: Evaluation Error: Unknown variable: 'x'.",
    });
    expect(stage.lines).toEqual([
      "Error: Evaluation Error: Unknown variable: 'x'. (file: site.pp, line: 3, column: 5) on node localhost",
    ]);
  });

  it('tells that the image has no puppet', () => {
    expect(follow(['fgimage-puppet: {"missing": true}']).run.failure(false)).toMatchObject({
      message: 'The image has no puppet',
    });
  });
});

describe('what Puppet is told', () => {
  it('keeps everything of its own in /tmp', () => {
    const text = configuration(optionsOf({manifest: 'site.pp', hiera: 'h/hiera.yaml'}));
    expect(text).toContain(`hiera_config = ${projectPlace}/h/hiera.yaml\n`);
    const folders = text.split('\n').filter((line) => /^\w+(dir|path) = /.test(line));
    expect(folders).toHaveLength(5);
    for (const line of folders) expect(line).toContain(' = /tmp/fgimage-puppet/');
  });

  it('has no fact of the machine that builds', () => {
    expect(notOfHost()).toMatchObject({processors: {}, memory: {}, kernelrelease: '', hostname: 'localhost'});
  });
});
