import {mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import {cacheLayout} from '../../cache/layout.ts';
import {Store} from '../../cache/store.ts';
import {lastRuns} from '../../src/run/history.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

const text = spec(`packages: [curl]
copy: [{source: site, path: /srv/site/}]
provision: [{shell: setup.sh}]
targets: {openstack: {}, hpc: {}}
`);
const files = {'fgimage.yaml': text, 'site/a/index.html': 'hello', 'setup.sh': 'true\n'};

/** How many builds planned: one that sees at a glance that nothing has changed leaves no row. */
function plannedRuns(rig: Rig): number {
  const store = Store.openToRead(rig.cache);
  try {
    return lastRuns(store.database, undefined, 1000).length;
  } finally {
    store.close();
  }
}

function remembered(rig: Rig): readonly string[] {
  return readdirSync(cacheLayout(rig.cache).unchanged);
}

/** A rig whose last build left word that nothing has changed: not before its files are old enough for that. */
async function settled(): Promise<Rig> {
  const rig = new Rig(files);
  fakeAllTools(rig);
  await seedCache(rig, {packages: ['curl'], test: false});
  mkdirSync(cacheLayout(rig.cache).unchanged, {recursive: true});
  const end = Date.now() + 45_000;
  while (remembered(rig).length === 0) {
    if (Date.now() > end) throw new Error('No build left word that nothing has changed');
    expect((await rig.run(['build', '--no-test'])).code).toBe(0);
    await sleep(300);
  }
  return rig;
}

describe('a build that was over before', () => {
  it('is told at a glance, in the words of a build that plans', async () => {
    await using rig = await settled();
    const planned = plannedRuns(rig);
    const quick = await rig.run(['build', '--no-test']);
    const words = await rig.run(['build', '--no-test', '--quiet']);
    const plan = await rig.run(['plan', '--no-test']);
    const planJson = JSON.parse((await rig.run(['plan', '--no-test', '--json'])).stdout) as unknown;
    const events = (await rig.run(['build', '--no-test', '--json'])).stdout;
    expect(plannedRuns(rig)).toBe(planned);

    rmSync(cacheLayout(rig.cache).unchanged, {recursive: true});
    const told = (stdout: string): string => stdout.replace(/^done in .*?:/m, 'done:');
    expect(told(quick.stdout)).toBe(told((await rig.run(['build', '--no-test'])).stdout));
    expect(words.stdout).toBe((await rig.run(['build', '--no-test', '--quiet'])).stdout);
    rmSync(cacheLayout(rig.cache).unchanged, {recursive: true, force: true});
    expect(plan.stdout).toBe((await rig.run(['plan', '--no-test'])).stdout);
    expect(planJson).toEqual(JSON.parse((await rig.run(['plan', '--no-test', '--json'])).stdout));
    const shape = (stdout: string): unknown[] =>
      stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => ({...(JSON.parse(line) as object), time: 0, runId: '', durationMs: 0}));
    rmSync(cacheLayout(rig.cache).unchanged, {recursive: true, force: true});
    expect(shape(events)).toEqual(shape((await rig.run(['build', '--no-test', '--json'])).stdout));
  });

  const changes: readonly (readonly [string, (rig: Rig) => void])[] = [
    ['the spec', (rig) => rig.write({'fgimage.yaml': `${text}# a comment\n`})],
    ['a script, in its bytes alone', (rig) => rig.write({'setup.sh': 'fals\n'})],
    ['a file in a copied folder', (rig) => rig.write({'site/a/index.html': 'hallo'})],
    ['a new file in a copied folder', (rig) => rig.write({'site/a/b.html': 'new'})],
    ['a new folder in a copied folder', (rig) => rig.write({'site/b/c.html': 'new'})],
    ['a copied file that is gone', (rig) => rmSync(rig.join('project/site/a/index.html'))],
    ['the times of a script', (rig) => utimesSync(rig.join('project/setup.sh'), 5, 5)],
    ['a program', (rig) => rig.fakeTool('mksquashfs', 'echo mksquashfs 2.0')],
    ['an artifact that is gone', (rig) => rmSync(rig.join('project/artifacts/web/hpc'))],
    [
      'an artifact that is shorter',
      (rig) => writeFileSync(rig.join('project/artifacts/web/hpc/artifact'), 'x'),
    ],
    [
      'what was written down',
      (rig) => {
        for (const name of remembered(rig))
          writeFileSync(`${cacheLayout(rig.cache).unchanged}/${name}`, '{"x":');
      },
    ],
  ];

  it.each(changes)('is planned again after a change of %s', async (_, change) => {
    await using rig = await settled();
    const before = plannedRuns(rig);
    change(rig);
    await rig.run(['build', '--no-test', '--json']);
    expect(plannedRuns(rig)).toBe(before + 1);
  });

  it('is planned again with other words, or in another environment', async () => {
    await using rig = await settled();
    let before = plannedRuns(rig);
    for (const words of [
      ['--target', 'hpc'],
      ['--output', 'elsewhere'],
      ['--force', 'pack'],
      ['--refresh'],
      [],
    ]) {
      const env = words.length === 0 ? {env: {FGIMAGE_ANYTHING: '1'}} : {};
      await rig.run(['build', '--no-test', ...words], env);
      expect(plannedRuns(rig)).toBe(before + 1);
      before += 1;
    }
  });
});
