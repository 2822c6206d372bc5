import {readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {parseLock} from '../../src/lock/file.ts';
import type {Lock} from '../../src/lock/lock.ts';
import {LocalArchive} from './local-archive.ts';
import {type BuildResult, Project} from './real-build.ts';

/** One project whose archive moves on, is tampered with, and goes away. */
describe('a locked build', () => {
  const project = new Project('lock');
  const archive = new LocalArchive(join(project.folder, 'archive'));
  const store = join(project.cache, 'packages');
  const stage = 'customize:lock/packages';
  const old = 'fg-tool_1.0_all.deb';
  let first: Readonly<Record<string, string>> = {};

  const command = async (...words: readonly string[]) => {
    const running = project.start(words);
    const code = await running.end;
    return {code, stdout: running.stdout, stderr: running.stderr};
  };
  const lock = (): Lock => parseLock(project.read('fgimage.lock'), 'fgimage.lock');
  const versionsOf = (name: string): readonly string[] =>
    Object.values(lock().archives).flatMap(({packages}) =>
      packages.filter((one) => one.name === name).map(({version}) => version),
    );
  /** Runs the stage that installs the package again, with the store as it is. */
  const again = (...words: readonly string[]): Promise<BuildResult> =>
    project.build(['--locked', '--host-tools', '--no-test', '--force', stage, ...words]);

  beforeAll(async () => {
    project.sharePackages();
    archive.add('fg-lib', '1.0');
    archive.add('fg-other', '1.0');
    archive.add('fg-tool', '1.0', {depends: 'fg-lib'});
    archive.publish();
    await archive.start();
    project.write({
      'archive.asc': archive.key,
      'fgimage.yaml': spec(['fg-tool', 'fg-other'], archive.uri),
    });
  }, 60_000);

  afterAll(() => archive.close());

  it('names every package by digest, and no host', async () => {
    const {code, stdout, stderr} = await command('lock');
    expect(stderr).not.toContain('error');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^fgimage\.lock: \d+ packages of debian-trixie, \d+ packages of debian-bookworm/);
    const text = project.read('fgimage.lock');
    expect(text).not.toMatch(/https?:|127\.0\.0\.1|debian\.org/);
    expect(versionsOf('fg-tool')).toEqual(['1.0']);
    const {stages} = lock();
    expect(stages[stage]?.packages).toEqual(['fg-lib', 'fg-other', 'fg-tool']);
    expect(Object.keys(stages)).toContain('tools');
    expect((await command('lock', '--check')).code).toBe(0);
  }, 240_000);

  it('installs those and no others, and says by what it is locked', async () => {
    const result = await project.build(['--host-tools', '--no-test']);
    expect(result.code, result.told).toBe(0);
    expect(result.events[0]).toMatchObject({type: 'run-started', lock: join(project.folder, 'fgimage.lock')});
    first = result.digests();
    const {packages} = project.json('artifacts/lock/tarball/manifest.json') as {
      packages: {name: string; version: string}[];
    };
    const taken = new Set(
      ['base:debian-bookworm-amd64', 'kernel', 'packages'].flatMap((name) => {
        const id = name.includes(':') ? name : `customize:lock/${name}`;
        return lock().stages[id]?.packages ?? [];
      }),
    );
    expect(packages.map(({name}) => name).toSorted()).toEqual([...taken].toSorted());
    expect(packages.find(({name}) => name === 'fg-tool')?.version).toBe('1.0');
    project.keepPackages();
  }, 600_000);

  it('takes the locked version while the archive has a newer one', async () => {
    archive.add('fg-tool', '2.0', {depends: 'fg-lib'});
    archive.publish([`pool/${old}`]);
    rmSync(join(store, old));
    const result = await again();
    expect(result.code, result.told).toBe(0);
    expect(result.digests()[stage]).toBe(first[stage]);
    expect(archive.asked).toContain(`pool/${old}`);
  }, 240_000);

  it('refuses a package that was tampered with, by its digest', async () => {
    const path = archive.path(`pool/${old}`);
    const good = readFileSync(path);
    const bad = Buffer.from(good);
    bad[bad.length - 40] = (bad[bad.length - 40] ?? 0) ^ 1;
    writeFileSync(path, bad);
    rmSync(join(store, old));
    const result = await again();
    writeFileSync(path, good);
    expect(result.code).toBe(1);
    const told = JSON.stringify(result.events.filter(({type}) => type === 'stage-failed'));
    expect(told).toContain('fg-tool 1.0');
    expect(told).toMatch(/digest|SHA-256/);
  }, 240_000);

  it('names a version that is gone, and where it was looked for', async () => {
    const path = archive.path(`pool/${old}`);
    renameSync(path, `${path}.away`);
    const result = await again();
    expect(result.code).toBe(1);
    const told = JSON.stringify(result.events.filter(({type}) => type === 'stage-failed'));
    expect(told).toContain('fg-tool 1.0');
    expect(told).toContain(`${archive.uri}/pool/${old}`);
    expect(told).toContain('fgimage update fg-tool');
    renameSync(`${path}.away`, path);
  }, 240_000);

  it('is served from the store while the archive is down', async () => {
    expect((await again()).code).toBe(0);
    await archive.stop();
    const result = await again();
    await archive.start();
    expect(result.code, result.told).toBe(0);
    expect(result.digests()[stage]).toBe(first[stage]);
  }, 240_000);

  it('gives the same content as a build that asks the archive', async () => {
    archive.publish(['pool/fg-tool_2.0_all.deb']);
    const result = await project.build(['--no-lock', '--no-test', '--refresh']);
    archive.publish([`pool/${old}`]);
    expect(result.code, result.told).toBe(0);
    for (const id of ['base:debian-bookworm-amd64', 'customize:lock/kernel', stage, 'adapt:lock/tarball'])
      expect([id, result.digests()[id]]).toEqual([id, first[id]]);
  }, 600_000);

  it('fails with --locked where the spec has moved on, naming what', async () => {
    project.write({'fgimage.yaml': spec(['fg-tool'], archive.uri)});
    const {code, stderr} = await command('build', '--locked', '--no-test');
    expect(code).toBe(5);
    expect(stderr).toContain(`${stage}: - fg-other`);
    expect(stderr).toContain('mend: Run "fgimage lock"');
    const plan = await command('plan');
    expect(plan.code).toBe(5);
    expect((await command('lock', '--check')).code).toBe(5);
    project.write({'fgimage.yaml': spec(['fg-tool', 'fg-other'], archive.uri)});
    expect((await command('lock', '--check')).code).toBe(0);
  }, 60_000);

  it('renews one package and what it needs, and keeps the rest', async () => {
    archive.add('fg-lib', '2.0');
    archive.add('fg-other', '2.0');
    archive.add('fg-tool', '2.1', {depends: 'fg-lib (>= 2.0)'});
    archive.publish([
      'pool/fg-lib_1.0_all.deb',
      'pool/fg-other_1.0_all.deb',
      `pool/${old}`,
      'pool/fg-tool_2.0_all.deb',
    ]);
    const dry = await command('update', '--dry-run', 'fg-tool');
    expect(dry.code, dry.stderr).toBe(0);
    expect(versionsOf('fg-tool')).toEqual(['1.0']);
    const {code, stdout, stderr} = await command('update', 'fg-tool');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/fg-tool 1\.0 → 2\.1/);
    expect(stdout).toMatch(/fg-lib 1\.0 → 2\.0/);
    expect(stdout).not.toContain('fg-other');
    expect(versionsOf('fg-other')).toEqual(['1.0']);
    expect(versionsOf('fg-lib')).toEqual(['2.0']);
  }, 240_000);

  it('keeps what is locked when a package is added, by a build too', async () => {
    project.write({'fgimage.yaml': spec(['fg-tool', 'fg-other', 'tree'], archive.uri)});
    const result = await project.build(['--host-tools', '--no-test']);
    expect(result.code, result.told).toBe(0);
    const warnings = result.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(warnings).toContainEqual(expect.stringContaining('fgimage.lock was renewed'));
    expect(versionsOf('tree')).toHaveLength(1);
    expect(versionsOf('fg-other')).toEqual(['1.0']);
  }, 600_000);
});

function spec(packages: readonly string[], uri: string): string {
  return `version: 1
name: lock
os: {distribution: debian, release: bookworm}
repositories:
  - name: local
    uri: ${uri}
    suites: [stable]
    components: [main]
    signed_by: archive.asc
packages: [${packages.join(', ')}]
targets: {tarball: {compression_level: 1}}
`;
}
