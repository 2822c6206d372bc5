import {existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {cacheLayout} from '../../cache/layout.ts';
import {listRecipes} from '../../cache/recipes.ts';
import {sha256} from '../../cache/tree.ts';
import {lockAndSeed} from './locked.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

const webSpec = spec(`packages: [curl]
copy: [{source: files, path: /srv/}]
provision: [{shell: setup.sh}]
targets:
  openstack: {format: qcow2}
  hpc: {compression: zstd}
`);

const files = {'fgimage.yaml': webSpec, 'setup.sh': '#!/bin/sh\ntrue\n', 'files/motd': 'hello\n'};

/** A project that was built, with a lock or without. */
async function built({locked}: {readonly locked: boolean}): Promise<Rig> {
  const rig = new Rig(files);
  symlinkSync('motd', rig.join('project/files/link'));
  fakeAllTools(rig);
  if (locked) await lockAndSeed(rig);
  else await seedCache(rig, {packages: ['curl'], test: false});
  const build = await rig.run(['build', '--no-test', '--quiet']);
  expect(build).toMatchObject({code: 0, stderr: ''});
  return rig;
}

function digestOf(rig: Rig, target: string): string {
  const recipe = listRecipes(cacheLayout(rig.cache)).find((one) => one.target === target);
  return recipe?.digest ?? '';
}

describe('fgimage purge and regenerate', () => {
  it('free an image and make it again, without its project', async () => {
    await using rig = await built({locked: true});
    const digest = digestOf(rig, 'openstack');
    const objects = rig.cached('objects');
    expect(objects).toContain(digest);

    const dry = await rig.run(['purge', 'web', '--dry-run']);
    expect(dry).toMatchObject({code: 0, stderr: ''});
    expect(dry.stdout).toMatch(
      /^web\/\w+, web\/\w+: .* of \d+ stages and what was handed out would be freed\n/,
    );
    expect(rig.cached('objects')).toEqual(objects);

    const purged = await rig.run(['purge', 'web']);

    expect(purged).toMatchObject({code: 0, stderr: ''});
    expect(purged.stdout).toMatch(/freed\nMake it again with "fgimage regenerate web"\n$/);
    expect(rig.cached('objects')).toEqual([]);
    expect(readdirSync(rig.join('project/artifacts'))).toEqual([]);
    expect((await rig.run(['images'])).stdout).toContain('(gone)');

    // Seeded stages cannot run: what they made comes back as from another machine.
    await lockAndSeed(rig);
    for (const name of readdirSync(rig.project)) rmSync(rig.join('project', name), {recursive: true});
    const again = await rig.run(['regenerate', 'web', '--quiet'], {cwd: 'tmp'});

    expect(again).toMatchObject({code: 0, stderr: ''});
    const place = rig.join('project/artifacts/web/openstack');
    expect(again.stdout).toContain(`web/openstack: the same, byte for byte, as before: ${place}\n`);
    expect(readFileSync(`${place}/artifact`, 'utf8')).toBe('content of pack:web/openstack');
    expect(readdirSync(rig.join('tmp'))).toEqual([]);
  });
});

describe('fgimage purge', () => {
  it('leaves what is pinned, and what another image needs', async () => {
    await using rig = await built({locked: true});
    expect(await rig.run(['cache', 'pin', 'web/openstack'])).toMatchObject({code: 0, stderr: ''});
    const [openstack, hpc] = [digestOf(rig, 'openstack'), digestOf(rig, 'hpc')];

    const purged = await rig.run(['purge', hpc.slice(0, 12), '--json']);

    expect(purged).toMatchObject({code: 0, stderr: ''});
    const {stages, kept} = JSON.parse(purged.stdout) as Record<'stages' | 'kept', readonly string[]>;
    expect(stages).toContain('pack:web/hpc');
    expect(stages.filter((stage) => !stage.endsWith('web/hpc'))).toEqual([]);
    expect(kept).toContain('customize:web/packages');
    expect(rig.cached('objects')).not.toContain(hpc);
    expect(existsSync(rig.join('project/artifacts/web/hpc'))).toBe(false);
    // What lies in the output folder goes; the content that somebody pinned does not.
    await rig.run(['purge', 'web/openstack']);
    expect(rig.cached('objects')).toEqual([openstack]);
  });
});

describe('what cannot be made again', () => {
  it('is said: never built, spoilt, or lost', async () => {
    await using rig = await built({locked: false});
    expect(await rig.run(['regenerate', 'wbe'])).toMatchObject({
      code: 2,
      stderr: 'error: No image wbe was built here\n  mend: Did you mean web?\n',
    });
    expect(await rig.run(['purge', '0123456789ab'])).toMatchObject({
      code: 2,
      stderr: 'error: No image 0123456789ab was built here\n  mend: There are web/hpc, web/openstack\n',
    });
    const layout = cacheLayout(rig.cache);
    const kept = `${layout.recipes}/files/${sha256(files['setup.sh'])}`;
    expect(readFileSync(kept, 'utf8')).toBe(files['setup.sh']);
    writeFileSync(kept, 'other\n');
    const spoilt = await rig.run(['regenerate', 'web/hpc']);
    expect(spoilt.code).toBe(2);
    expect(spoilt.stderr).toContain(
      'error: setup.sh, which web/hpc was made from, is not in the cache as it was\n',
    );
    rmSync(layout.recipes, {recursive: true});
    const lost = await rig.run(['purge', 'web/hpc']);
    expect(lost).toMatchObject({code: 2, stdout: ''});
    expect(lost.stderr).toMatch(
      /^error: What web\/hpc \([0-9a-f]{12}\) was made from is not in the cache any more\n/,
    );
    expect(existsSync(rig.join('project/artifacts/web/hpc/artifact'))).toBe(true);
  });

  it('is warned of where a locked build ran programs of the host, which run again', async () => {
    await using rig = new Rig(files);
    fakeAllTools(rig);
    await lockAndSeed(rig, {hostTools: true});
    const build = await rig.run(['build', '--no-test', '--quiet', '--host-tools']);
    expect(build).toMatchObject({code: 0, stderr: ''});
    const again = await rig.run(['regenerate', 'web/openstack', '--quiet']);
    expect(again).toMatchObject({
      code: 0,
      stderr:
        'warning: web/openstack was built with programs of this host, which may be newer now\n' +
        '  mend: Leave --host-tools out of the next build\n',
    });
  });

  it('is warned of where a build had no lock', async () => {
    await using rig = await built({locked: false});
    const again = await rig.run(['regenerate', 'web/openstack', '--quiet', '-o', 'elsewhere']);
    expect(again).toMatchObject({
      code: 0,
      stderr:
        'warning: web/openstack was built without a lock: packages, and programs of this host, may be newer now\n' +
        '  mend: Lock the project before the next build (fgimage lock)\n',
    });
    expect(existsSync(rig.join('project/elsewhere/web/openstack/artifact'))).toBe(true);
  });
});
