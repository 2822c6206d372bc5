import {chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {compiled, repository} from './compiled.ts';
import {type Ended, Rig} from './rig.ts';
import {bothTargets, spec} from './specs.ts';

/** What a failing command must be: told on standard error, with this code, without a stack. */
function expectRefusal({code, stdout, stderr}: Ended, expected: {code: number; stderr: string}): void {
  expect({code, stderr}).toEqual(expected);
  expect(stdout).toBe('');
}

describe('fgimage', () => {
  it('prints its commands and options for --help', async () => {
    await using rig = new Rig();
    const {code, stdout, stderr} = await rig.run(['--help']);
    expect({code, stderr}).toEqual({code: 0, stderr: ''});
    for (const command of ['build', 'validate', 'config', 'schema', 'images', 'doctor'])
      expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('prints the options of a command for --help', async () => {
    await using rig = new Rig();
    const {code, stdout} = await rig.run(['build', '--help']);
    expect(code).toBe(0);
    for (const flag of [
      '--file',
      '--target',
      '--output',
      '--cache-dir',
      '--jobs',
      '--no-test',
      '--refresh',
      '--json',
    ])
      expect(stdout).toContain(flag);
  });

  it('prints its version', async () => {
    await using rig = new Rig();
    const {code, stdout} = await rig.run(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^fgimage\/\d+\.\d+\.\d+/);
  });

  it.runIf(process.getuid?.() === 0)('runs for a user without an entry in passwd(5)', async () => {
    await using rig = new Rig();
    // Nor does it have a folder for temporary files that it could write.
    chmodSync(rig.join(), 0o755);
    const by = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups', '--'];
    const {stdout, stderr} = await rig.run(['doctor', '--json'], {by});
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({user: '54321'});
  });

  it('prints the help and fails without a command', async () => {
    await using rig = new Rig();
    const {code, stdout} = await rig.run([]);
    expect(code).toBe(2);
    expect(stdout).toContain('Usage:');
  });

  it.each<[string, readonly string[], string]>([
    [
      'an unknown command',
      ['biuld'],
      'error: There is no command biuld\n  mend: Did you mean fgimage build?\n',
    ],
    [
      'a command unlike any',
      ['frobnicate'],
      'error: There is no command frobnicate\n  mend: See fgimage --help\n',
    ],
    [
      'an unknown option',
      ['build', '--frob'],
      'error: Unknown option `--frob`\n  mend: See fgimage --help\n',
    ],
    [
      'an option without its value',
      ['build', '-f'],
      'error: option `-f, --file <path>` value is missing\n  mend: See fgimage --help\n',
    ],
    [
      'words that a command does not want',
      ['validate', 'extra'],
      'error: Unused args: `extra`\n  mend: See fgimage --help\n',
    ],
    ['words after --', ['build', '--', 'x', 'y'], 'error: Unknown words: x y\n  mend: See fgimage --help\n'],
    [
      'a number of jobs of zero',
      ['build', '--jobs', '0'],
      'error: --jobs wants a whole number from 1, not 0\n',
    ],
    [
      'a number of jobs that is none',
      ['build', '-j', 'two'],
      'error: --jobs wants a whole number from 1, not two\n',
    ],
    [
      'a number of jobs with a fraction',
      ['build', '-j', '1.5'],
      'error: --jobs wants a whole number from 1, not 1.5\n',
    ],
  ])('refuses %s', async (_, words, stderr) => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    expectRefusal(await rig.run(words), {code: 2, stderr});
    expect(existsSync(rig.cache)).toBe(false);
  });

  it.each([
    ['build', '--host-tools'],
    ['build', '--verbose'],
    ['plan', '--detailed-exitcode'],
  ])('takes no word for the value of a flag that has none: %s %s', async (command, flag) => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    const {code, stderr} = await rig.run([command, flag, 'nope']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: There is no image nope in /);
  });

  it.each(['build', 'validate', 'config'])('says for %s that there is no spec', async (command) => {
    await using rig = new Rig();
    const {code, stdout, stderr} = await rig.run([command, '-f', 'absent.yaml']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: .*absent\.yaml/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe('fgimage validate', () => {
  it('says that a spec is valid, and that package names were not checked', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    const {code, stdout, stderr} = await rig.run(['validate']);
    expect({code, stderr}).toEqual({code: 0, stderr: ''});
    expect(stdout).toBe(
      'fgimage.yaml is valid: web (openstack, hpc)\nPackage names were not checked: no package lists are in the cache yet; a build reads them\n',
    );
    expect(existsSync(rig.cache)).toBe(false);
  });

  it('tells all errors at once, each with its place and line', async () => {
    await using rig = new Rig({
      'fgimage.yaml':
        'version: 1\nname: Web\nos: {distribution: debian, release: 12}\npackges: [curl]\ntargets: {openstak: }\n',
    });
    const {code, stdout, stderr} = await rig.run(['validate']);
    expect({code, stdout}).toEqual({code: 2, stdout: ''});
    const places = [...stderr.matchAll(/fgimage\.yaml:\d+:\d+/g)].map(([place]) => place);
    expect(places).toEqual([
      'fgimage.yaml:2:7',
      'fgimage.yaml:3:37',
      'fgimage.yaml:4:1',
      'fgimage.yaml:5:11',
    ]);
    expect(stderr).toContain('packges: [curl]');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('reads the spec that --file names, the last one when there are two', async () => {
    await using rig = new Rig({'fgimage.yaml': 'broken: [', 'other/spec.yaml': bothTargets});
    const {code, stdout} = await rig.run(['validate', '--file', 'absent.yaml', '--file', 'other/spec.yaml']);
    expect(code).toBe(0);
    expect(stdout).toContain('other/spec.yaml is valid');
  });

  it('reads a spec whose name looks like a number', async () => {
    await using rig = new Rig({'2024.10': bothTargets});
    expect(await rig.run(['validate', '--file', '2024.10'])).toMatchObject({code: 0});
  });

  it('prints no colours where it does not write to a terminal', async () => {
    await using rig = new Rig({'fgimage.yaml': 'version: 2\n'});
    const {stderr} = await rig.run(['validate']);
    expect(stderr).not.toContain('\u001b');
  });
});

describe('fgimage config', () => {
  it('prints the merged images, as YAML and as JSON', async () => {
    await using rig = new Rig({
      'fgimage.yaml': spec(
        'packages: [curl]\nimages:\n  a: {targets: {hpc: }}\n  b: {from: a, packages: [jq], targets: {openstack: }}\n',
      ),
    });
    const json = await rig.run(['config', '--json']);
    expect({code: json.code, stderr: json.stderr}).toEqual({code: 0, stderr: ''});
    const merged = JSON.parse(json.stdout) as {
      images: Record<string, {from?: string; targets: {name: string}[]}>;
    };
    expect(Object.keys(merged.images)).toEqual(['a', 'b']);
    expect(merged.images['b']).toMatchObject({from: 'a', targets: [{name: 'openstack', type: 'openstack'}]});
    const yaml = await rig.run(['config']);
    const {parse} = await import('yaml');
    expect(parse(yaml.stdout)).toEqual(merged);
  });
});

describe('fgimage schema', () => {
  it('prints a JSON Schema', async () => {
    await using rig = new Rig();
    const {code, stdout} = await rig.run(['schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({$schema: 'https://json-schema.org/draft/2020-12/schema'});
  });
});

describe('fgimage images', () => {
  it('lists nothing of a new cache', async () => {
    await using rig = new Rig();
    expect(await rig.run(['images'])).toMatchObject({code: 0, stdout: 'Nothing was built yet\n', stderr: ''});
    expect(await rig.run(['images', '--json'])).toMatchObject({code: 0, stdout: '[]\n'});
  });

  it('opens one new cache from many processes at once', async () => {
    await using rig = new Rig();
    const all = await Promise.all(Array.from({length: 6}, () => rig.run(['images'])));
    expect(all.map(({code, stderr}) => ({code, stderr}))).toEqual(all.map(() => ({code: 0, stderr: ''})));
  });
});

describe('the folder of the cache', () => {
  it.each<[string, readonly string[], Readonly<Record<string, string>>, string]>([
    ['--cache-dir before all', ['--cache-dir', '../flag'], {FGIMAGE_CACHE: '../variable'}, 'flag'],
    ['$FGIMAGE_CACHE', [], {FGIMAGE_CACHE: '../variable', XDG_CACHE_HOME: '/nonexistent'}, 'variable'],
    ['fgimage in $XDG_CACHE_HOME', [], {FGIMAGE_CACHE: '', XDG_CACHE_HOME: '@/xdg'}, 'xdg/fgimage'],
    ['.cache/fgimage in the home folder', [], {FGIMAGE_CACHE: ''}, 'home/.cache/fgimage'],
  ])('is %s', async (_, words, env, folder) => {
    await using rig = new Rig();
    const real = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replace('@', rig.join())]),
    );
    const {code} = await rig.run(['images', ...words], {env: real});
    expect(code).toBe(0);
    expect(existsSync(rig.join(folder, 'fgimage.db'))).toBe(true);
  });

  it('is refused when it is a file', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets, file: ''});
    for (const command of ['build', 'images']) {
      const {code, stderr} = await rig.run([command, '--cache-dir', 'file']);
      expect(code).toBe(3);
      expect(stderr).toMatch(/^error: Cannot use .*\/project\/file as the cache: /);
      expect(stderr).toContain('mend: Name a folder on a local file system that you can write');
    }
  });

  it('is refused when its database is none', async () => {
    await using rig = new Rig();
    mkdirSync(rig.cache);
    writeFileSync(
      rig.join('cache/fgimage.db'),
      'no database, and long enough to be read as one. '.repeat(40),
    );
    const {code, stderr} = await rig.run(['images']);
    expect(code).toBe(3);
    expect(stderr).toContain('file is not a database');
  });

  it('is refused when its files cannot be written', async () => {
    await using rig = new Rig();
    await rig.run(['images']);
    const {code, stderr} = await rig.run(['images'], {by: readOnly(rig)});
    expect(code).toBe(3);
    expect(stderr).toMatch(/^error: Cannot use .*\/cache as the cache: /);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  // Node's recursive mkdir says ENOENT of a file system that is read-only.
  it('is refused when nothing can be made in it', async () => {
    await using rig = new Rig();
    mkdirSync(rig.cache);
    expect(await rig.run(['images'], {by: readOnly(rig)})).toMatchObject({code: 3});
  });

  it('is not named by an empty --cache-dir', async () => {
    await using rig = new Rig();
    await rig.run(['images', '--cache-dir', '']);
    expect(existsSync(rig.join('project/0'))).toBe(false);
  });
});

/** Makes the cache read-only: by its modes, or for root, whom they do not hold, by its mount. */
function readOnly(rig: Rig): readonly string[] {
  if (process.getuid?.() !== 0) {
    for (const path of [rig.cache, ...readdirSync(rig.cache).map((name) => rig.join('cache', name))])
      chmodSync(path, statSync(path).mode & 0o7555);
    return [];
  }
  const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', script, 'sh', rig.cache];
}

describe('fgimage build', () => {
  it.each<[string, readonly string[], string]>([
    ['an image', ['wbe'], 'error: There is no image wbe in @/fgimage.yaml\n  mend: Its images are web\n'],
    [
      'a target',
      ['-t', 'ec2'],
      'error: There is no target ec2 in @/fgimage.yaml\n  mend: Its targets are openstack, hpc\n',
    ],
    [
      'one of several targets',
      ['-t', 'hpc', '-t', 'ec2'],
      'error: There is no target ec2 in @/fgimage.yaml\n  mend: Its targets are openstack, hpc\n',
    ],
  ])('refuses %s that is not in the spec', async (_, words, stderr) => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    expectRefusal(await rig.run(['build', ...words]), {code: 2, stderr: stderr.replace('@', rig.project)});
  });

  it('refuses a spec that is not valid, as validate does', async () => {
    await using rig = new Rig({'fgimage.yaml': 'version: 1\nname: web\n'});
    const build = await rig.run(['build']);
    const validate = await rig.run(['validate']);
    expect(build.code).toBe(2);
    expect(build.stderr).toBe(validate.stderr);
  });

  it('keeps nothing of an earlier reading when the spec has changed', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    expect((await rig.run(['build', 'other'])).stderr).toContain('Its images are web');
    rig.write({'fgimage.yaml': bothTargets.replace('name: web', 'name: site')});
    expect((await rig.run(['build', 'other'])).stderr).toContain('Its images are site');
  });
});

it('runs from the repository that is tested', () => {
  expect(compiled('src/cli/main.js').startsWith(repository)).toBe(true);
});
