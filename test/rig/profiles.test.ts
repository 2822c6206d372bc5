import {existsSync, readFileSync} from 'node:fs';
import {expect, it} from 'vitest';
import {cacheLayout} from '../../cache/layout.ts';
import {listRecipes} from '../../cache/recipes.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

const project = spec(`packages: [curl]
targets: [tarball]
profiles:
  debug: {hostname: debug}
  lab: {hostname: lab, default: true}
`);

it('a profile is part of what is planned, remembered, locked, recorded and made again', async () => {
  await using rig = new Rig({'fgimage.yaml': project});
  fakeAllTools(rig);
  // Of the spec's own choice, which is lab.
  await seedCache(rig, {packages: ['curl'], test: false});
  const build = ['build', '--no-test', '--quiet'];
  const hostname = async (...words: readonly string[]): Promise<string | undefined> => {
    const {stdout} = await rig.run(['config', ...words]);
    return /hostname: (\w+)/.exec(stdout)?.[1];
  };
  expect(await hostname()).toBe('lab');
  expect(await hostname('--profile', 'debug')).toBe('debug');
  expect(await hostname('--profile', 'debug', '--profile=lab')).toBe('lab');
  expect(await hostname('--no-profiles')).toBeUndefined();
  const named = await rig.run(['config'], {env: {FGIMAGE_PROFILE: 'lab,debug'}});
  expect(named.stdout).toContain('hostname: debug');

  expect(await rig.run(build)).toMatchObject({code: 0, stderr: ''});
  expect(await rig.run(build)).toMatchObject({code: 0, stderr: ''});
  // The note of a build with nothing to do is of its profiles.
  const [lab, debug] = [await rig.run(['plan']), await rig.run(['plan', '--profile', 'debug'])];
  expect(lab.stdout).toContain('hit  pack:web/tarball');
  expect(debug.stdout).toMatch(/^run +customize:web\/settings/m);

  expect(listRecipes(cacheLayout(rig.cache))[0]?.profiles).toEqual(['lab']);
  const again = await rig.run(['regenerate', 'web', '--quiet', '-o', 'again'], {
    env: {FGIMAGE_PROFILE: 'debug'},
  });
  expect(again).toMatchObject({code: 0});
  expect(again.stdout).toContain('web/tarball: the same, byte for byte, as before');
  expect(readFileSync(rig.join('project/again/web/tarball/artifact'), 'utf8')).toBe(
    'content of pack:web/tarball',
  );

  for (const [words, name] of [
    [[], 'fgimage+lab.lock'],
    [['--no-profiles'], 'fgimage.lock'],
    [['--profile', 'debug', '--profile', 'lab'], 'fgimage+debug+lab.lock'],
  ] as const) {
    const locked = await rig.run([...build, '--locked', ...words]);
    expect(locked.code).toBe(5);
    expect(locked.stderr).toContain(`error: There is no ${name} beside the spec\n`);
  }
  expect(existsSync(rig.join('project/fgimage.lock'))).toBe(false);
  expect(await rig.run(['plan', '--profile', 'debgu'])).toMatchObject({
    code: 2,
    stderr: 'error: There is no profile "debgu" in fgimage.yaml\n  mend: Did you mean debug?\n',
  });
});
