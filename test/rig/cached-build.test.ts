import {existsSync, readFileSync, rmSync, statSync, symlinkSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../cache/tree.ts';
import {eventsOf, Rig, stagesOf} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {bothTargets, spec} from './specs.ts';

const archive = ['curl', 'jq', 'openssh-server'];

/** A rig whose spec was built, as far as its cache tells. */
async function built(
  text: string,
  {test = false, files = {}}: {test?: boolean; files?: Readonly<Record<string, string>>} = {},
): Promise<Rig> {
  const rig = new Rig({'fgimage.yaml': text, ...files});
  fakeAllTools(rig);
  await seedCache(rig, {packages: archive, test});
  return rig;
}

/** Builds and tells what became of the stages. */
async function build(
  rig: Rig,
  ...words: readonly string[]
): Promise<{
  code: number | null;
  started: readonly string[];
  cached: readonly string[];
  skipped: readonly string[];
}> {
  const {code, stdout} = await rig.run(['build', '--json', ...words]);
  const events = eventsOf(stdout);
  return {
    code,
    started: stagesOf(events, 'stage-started'),
    cached: stagesOf(events, 'stage-cached'),
    skipped: stagesOf(events, 'stage-skipped'),
  };
}

const stages = [
  'archive:debian-bookworm',
  'base:debian-bookworm-amd64',
  'customize:web/kernel',
  'customize:web/platform',
  'customize:web/packages',
  'customize:web/settings',
  ...['initramfs', 'adapt', 'pack', 'sbom'].flatMap((kind) => [`${kind}:web/openstack`, `${kind}:web/hpc`]),
];

describe('fgimage build of what was built', () => {
  it('takes everything from the cache and hands out the artifacts', async () => {
    await using rig = await built(bothTargets);
    const {code, started, cached} = await build(rig, '--no-test');
    expect({code, started, cached: cached.toSorted()}).toEqual({
      code: 0,
      started: [],
      cached: stages.toSorted(),
    });
    for (const target of ['openstack', 'hpc']) {
      expect(readFileSync(rig.join('project/artifacts/web', target, 'artifact'), 'utf8')).toBe(
        `content of pack:web/${target}`,
      );
      const manifest = JSON.parse(
        readFileSync(rig.join('project/artifacts/web', target, 'manifest.json'), 'utf8'),
      ) as object;
      expect(manifest).toMatchObject({
        version: 1,
        image: 'web',
        target,
        type: target,
        artifact: 'artifact',
        built_at: '2026-01-01T00:00:00.000Z',
        tested: 'not tested',
        spec: {sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string},
        kernels: ['6.1'],
        files: [{path: 'artifact', sha256: sha256(`content of pack:web/${target}`)}],
        documents: expect.arrayContaining([
          expect.objectContaining({
            path: 'inventory.json',
            sha256: sha256(`content of sbom:web/${target}`),
          }),
        ]) as unknown,
      });
      expect(readFileSync(rig.join('project/artifacts/web', target, 'inventory.json'), 'utf8')).toBe(
        `content of sbom:web/${target}`,
      );
    }
    expect(rig.cached('tmp')).toEqual([]);
  });

  it('does nothing the second time', async () => {
    await using rig = await built(bothTargets);
    await build(rig, '--no-test');
    const artifact = rig.join('project/artifacts/web/hpc/artifact');
    const before = statSync(artifact);
    expect(await build(rig, '--no-test')).toMatchObject({code: 0, started: []});
    expect(statSync(artifact)).toEqual(before);
  });

  it('tells plainly where the artifacts are', async () => {
    await using rig = await built(bothTargets);
    const {code, stdout, stderr} = await rig.run(['build', '--no-test']);
    expect({code, stderr}).toEqual({code: 0, stderr: ''});
    expect(stdout).toContain('[pack:web/hpc] cached (1.0 s saved)');
    expect(stdout).toMatch(
      /^web +openstack +cached +100 B +not tested .*\/artifacts\/web\/openstack\/artifact$/m,
    );
    expect(stdout).toMatch(/^done in .*: 0 stages run, 14 of 14 cached \(14 s saved\)$/m);
    const quiet = await rig.run(['build', '--no-test', '--quiet']);
    expect(quiet.stdout).toBe(
      ['openstack', 'hpc']
        .map((target) => `${rig.join('project/artifacts/web', target, 'artifact')}\n`)
        .join(''),
    );
  });

  it('prints one event a line for --json', async () => {
    await using rig = await built(bothTargets);
    const events = eventsOf((await rig.run(['build', '--no-test', '--json'])).stdout);
    expect(events[0]).toMatchObject({type: 'run-started', version: 2, images: ['web']});
    expect(stagesOf(events, 'stage-planned').toSorted()).toEqual(stages.toSorted());
    expect(events.at(-1)).toMatchObject({
      type: 'run-finished',
      outcome: 'done',
      stages: {run: 0, cached: 14, failed: 0, skipped: 0},
      outputs: [
        {image: 'web', target: 'openstack', state: 'cached'},
        {image: 'web', target: 'hpc', state: 'cached'},
      ],
    });
  });

  it('puts artifacts where --output says and lists them in the catalog', async () => {
    await using rig = await built(bothTargets);
    await build(rig, '--no-test', '--target', 'hpc', '--output', '../out');
    expect(existsSync(rig.join('out/web/hpc/artifact'))).toBe(true);
    expect(existsSync(rig.join('out/web/openstack'))).toBe(false);
    const listed = JSON.parse((await rig.run(['images', '--json'])).stdout) as object[];
    expect(listed).toMatchObject([
      {
        image: 'web',
        target: 'hpc',
        path: rig.join('out/web/hpc'),
        file: 'artifact',
        tested: 'not tested',
        present: true,
      },
    ]);
    const {stdout} = await rig.run(['images']);
    expect(stdout).toContain('2026-01-01 00:00');
  });

  it('says that the output cannot be written', async () => {
    await using rig = await built(bothTargets);
    rig.write({out: 'a file'});
    const {code, stderr} = await rig.run(['build', '--no-test', '--output', 'out']);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^error: Cannot write the artifact to .*\/project\/out\/web\/openstack: /);
    expect(stderr).toContain('mend: Name a folder that you can write with --output');
  });

  it('counts a boot test that passed', async () => {
    await using rig = await built(bothTargets, {test: true});
    expect(await build(rig)).toMatchObject({code: 0, started: []});
    expect(
      JSON.parse(readFileSync(rig.join('project/artifacts/web/hpc/manifest.json'), 'utf8')),
    ).toMatchObject({tested: 'passed'});
  });
});

describe('fgimage build after a change', () => {
  it.each<[string, string]>([
    ['a comment', `# A comment\n${bothTargets.replace('hostname: web', 'hostname: web # another')}`],
    [
      'the order of keys',
      bothTargets
        .split('\n')
        .toSpliced(0, 0, 'description: same')
        .filter((line) => line !== 'hostname: web')
        .concat('hostname: web')
        .join('\n'),
    ],
    [
      'quotes',
      bothTargets
        .replace('- curl', '- "curl"')
        .replace('{distribution: debian,', '{"distribution": "debian",'),
    ],
    [
      'the version instead of the name of a release',
      bothTargets.replace('release: bookworm', 'release: "12"'),
    ],
    [
      'an option that is the default anyway',
      bothTargets.replace('format: qcow2', 'format: qcow2\n    firmware: both'),
    ],
  ])('of %s runs nothing', async (_, after) => {
    await using rig = await built(bothTargets);
    rig.write({'fgimage.yaml': after});
    expect(await build(rig, '--no-test')).toMatchObject({code: 0, started: []});
  });

  it('of an option of one target runs that target only, and keeps the other', async () => {
    await using rig = await built(bothTargets);
    rig.write({'fgimage.yaml': bothTargets.replace('format: qcow2', 'format: raw')});
    const {code, started, cached, skipped} = await build(rig, '--no-test');
    expect({code, started, skipped}).toEqual({code: 1, started: ['pack:web/openstack'], skipped: []});
    expect(cached).toContain('pack:web/hpc');
    expect(existsSync(rig.join('project/artifacts/web/hpc/artifact'))).toBe(true);
    expect(existsSync(rig.join('project/artifacts/web/openstack'))).toBe(false);
  });

  it('of a package runs customize, and not the base', async () => {
    await using rig = await built(bothTargets);
    rig.write({'fgimage.yaml': bothTargets.replace('- curl', '- curl\n  - jq')});
    const {code, started, cached, skipped} = await build(rig, '--no-test');
    expect({code, started, cached}).toEqual({
      code: 1,
      started: ['customize:web/packages'],
      cached: [
        'archive:debian-bookworm',
        'base:debian-bookworm-amd64',
        'customize:web/kernel',
        'customize:web/platform',
        'customize:web/shared',
      ],
    });
    expect(skipped.toSorted()).toEqual(
      stages.filter((stage) => !['customize:web/packages', ...cached].includes(stage)).toSorted(),
    );
  });

  it('of the tests runs the boots only', async () => {
    await using rig = await built(bothTargets, {test: true});
    rig.write({'fgimage.yaml': `${bothTargets}tests:\n  - {port: 22, listening: true}\n`});
    const {started} = await build(rig);
    expect(started.toSorted()).toEqual(['test:web/hpc', 'test:web/openstack']);
  });

  it('of a script runs it and what follows', async () => {
    const text = spec('provision:\n  - shell: one.sh\n  - shell: two.sh\ntargets: {hpc: }\n');
    await using rig = await built(text, {files: {'one.sh': 'true\n', 'two.sh': 'true\n'}});
    expect(await build(rig, '--no-test')).toMatchObject({code: 0, started: []});
    rig.write({'two.sh': 'false\n'});
    const {started, cached} = await build(rig, '--no-test');
    expect(started).toEqual(['customize:web/provision-2']);
    expect(cached).toContain('customize:web/provision-1');
  });

  it('of a program of the host runs what it is used for', async () => {
    await using rig = await built(bothTargets);
    rig.fakeTool('mksquashfs', `[ $# -eq 1 ] && echo 'mksquashfs 2.0' && exit\nexit 9`);
    expect((await build(rig, '--no-test')).started).toEqual(['pack:web/hpc']);
  });

  it('of apt-get asks the archive again', async () => {
    await using rig = await built(bothTargets);
    rig.fakeTool('apt-get', 'exit 9');
    const {code, started, cached} = await build(rig, '--no-test');
    expect({code, started, cached}).toEqual({code: 1, started: ['archive:debian-bookworm'], cached: []});
  });

  it('of one script of two images runs that image only', async () => {
    const text = spec(
      'images:\n  a: {provision: [{shell: a.sh}], targets: {hpc: }}\n  b: {provision: [{shell: b.sh}], targets: {hpc: }}\n',
    );
    await using rig = await built(text, {files: {'a.sh': 'true\n', 'b.sh': 'echo b\n'}});
    rig.write({'a.sh': 'false\n'});
    expect((await build(rig, '--no-test')).started).toEqual(['customize:a/provision-1']);
    expect(await build(rig, '--no-test', 'b')).toMatchObject({code: 0, started: []});
  });

  // The fingerprint of a link is where it leads, not what is there.
  it('of the file that a script is a link to runs it', async () => {
    await using rig = new Rig({
      'fgimage.yaml': spec('provision:\n  - shell: run.sh\ntargets: {hpc: }\n'),
      'real.sh': 'true\n',
    });
    symlinkSync('real.sh', rig.join('project/run.sh'));
    fakeAllTools(rig);
    await seedCache(rig, {packages: archive, test: false});
    rig.write({'real.sh': 'false\n'});
    expect((await build(rig, '--no-test')).started).toEqual(['customize:web/provision-1']);
  });

  it('says that a script has gone', async () => {
    await using rig = await built(spec('provision:\n  - shell: one.sh\ntargets: {hpc: }\n'), {
      files: {'one.sh': 'true\n'},
    });
    expect(await build(rig, '--no-test')).toMatchObject({code: 0});
    rmSync(rig.join('project/one.sh'));
    const {code, stderr} = await rig.run(['build', '--no-test']);
    expect(code).toBe(2);
    expect(stderr).toContain('one.sh');
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe('fgimage validate with package lists in the cache', () => {
  it('holds package names against them, without network', async () => {
    await using rig = await built(bothTargets);
    expect(await rig.run(['validate'])).toMatchObject({
      code: 0,
      stdout: 'fgimage.yaml is valid: web (openstack, hpc)\n',
    });
    rig.write({'fgimage.yaml': bothTargets.replace('- curl', '- crul')});
    const {code, stdout, stderr} = await rig.run(['validate']);
    expect({code, stdout}).toEqual({code: 2, stdout: ''});
    expect(stderr).toContain('fgimage.yaml:5:5');
    expect(stderr).toContain('There is no package crul in the archives of debian bookworm');
    expect(stderr).toContain('Write curl, or add the archive that has crul under repositories');
  });
});
