import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, readlinkSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {secretValues, steps} from './provision-project.ts';
import type {BuildResult} from './real-build.ts';
import {Project} from './real-build.ts';

const project = new Project('provision');
const withToken = ['env', `PROBE_TOKEN=${secretValues.token}`];
let built: BuildResult;

beforeAll(async () => {
  project.sharePackages();
  project.write({'fgimage.yaml': steps, 'probe-key': secretValues.key});
  built = await project.build([], {by: withToken});
  project.keepPackages();
});

/** Lines of a step's log. */
function log(result: BuildResult, step: number): readonly string[] {
  const stage = `customize:web/provision-${String(step)}`;
  return result.events.flatMap((event) =>
    event.type === 'stage-log' && event.stage === stage ? [event.line] : [],
  );
}

/** Everything but folders that a step put into its layer, by path in the image. */
function layer(result: BuildResult, step: number): readonly string[] {
  const digest = result.digests()[`customize:web/provision-${String(step)}`] ?? '';
  const tree = join(project.cache, 'objects', digest, 'tree');
  return execFileSync('find', [tree, '!', '-type', 'd', '-printf', '/%P\n'], {encoding: 'utf8'})
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

/** Files below the project that hold a text. */
function holding(text: string): readonly string[] {
  const {stdout} = spawnSync('grep', ['-rlaF', '--', text, project.folder], {encoding: 'utf8'});
  return stdout.split('\n').filter((line) => line !== '');
}

describe('services in a step', () => {
  it('are answered for as if they ran', () => {
    expect(built.code, built.told).toBe(0);
    expect(log(built, 1).filter((line) => line.startsWith('seen: '))).toEqual([
      'seen: systemd',
      'seen: inactive',
      'seen: active disabled',
      'seen: ActiveState=active UnitFileState=enabled LoadState=loaded ',
      'seen: absent 5',
      'seen: status 3',
    ]);
  });

  it('are enabled for having been started, unless the step disabled or masked them', () => {
    expect(log(built, 1).filter((line) => line.startsWith('fgimage: probe-'))).toEqual([
      'fgimage: probe-enabled.service was started by this step: it is enabled already',
      'fgimage: probe-masked.service was stopped by this step: it stays masked',
      'fgimage: probe-started.service was started by this step: it is enabled, so that it starts at boot',
      'fgimage: probe-static.service was started by this step: it cannot be enabled by itself: other units start it',
      'fgimage: probe-stopped.service was stopped by this step: it stays disabled',
    ]);
    const record = readdirSync(join(project.cache, 'records'))
      .map((name) => readFileSync(join(project.cache, 'records', name), 'utf8'))
      .find((text) => text.includes('"stage":"customize:web/provision-1"'));
    expect(JSON.parse(record ?? '{}')).toMatchObject({
      result: {
        services: expect.arrayContaining([
          {unit: 'probe-started.service', last: 'start', enablement: 'enabled'},
        ]) as unknown,
      },
    });
  });

  it('leave what the step wrote and nothing of the shims', () => {
    const own = '/etc/systemd/system';
    expect(layer(built, 1)).toEqual(
      [
        `${own}/multi-user.target.wants/probe-enabled.service`,
        `${own}/multi-user.target.wants/probe-started.service`,
        `${own}/probe-masked.service`,
        ...['enabled', 'masked', 'started', 'static', 'stopped'].map(
          (name) => `/usr/lib/systemd/system/probe-${name}.service`,
        ),
      ].sort(),
    );
  });
});

describe('secrets of a step', () => {
  it('are files for it alone, and hidden in what it prints', () => {
    const lines = log(built, 2);
    expect(lines).toContain('mode 400 /run/secrets/token');
    expect(lines).toContain('mode 400 /run/secrets/key');
    expect(lines.filter((line) => /^core [01]$/.test(line))).toHaveLength(1);
    expect(lines.join('\n')).toContain('***');
    expect(layer(built, 2)).toEqual(['/etc/token.sha256']);
    const digest = execFileSync('sha256sum', {input: secretValues.token, encoding: 'utf8'});
    const tree = join(project.cache, 'objects', built.digests()['customize:web/provision-2'] ?? '', 'tree');
    expect(readFileSync(join(tree, 'etc/token.sha256'), 'utf8')).toBe(digest);
  });

  it('are in no layer, log, event, manifest, record, database or artifact', () => {
    expect(built.events.length).toBeGreaterThan(10);
    expect(existsSync(join(project.folder, 'artifacts/web/tarball/root.tar'))).toBe(true);
    const key = secretValues.key.split('\n')[1] ?? '';
    const encoded = Buffer.from(secretValues.token).toString('base64').slice(0, -4);
    expect(holding(key)).toEqual([join(project.folder, 'probe-key')]);
    for (const text of [secretValues.token, encoded]) {
      expect(holding(text)).toEqual([]);
      expect(JSON.stringify(built.events) + built.stderr).not.toContain(text);
    }
    expect(JSON.stringify(built.events)).not.toContain(key);
  });

  it('are asked for only by a step that runs, and before anything is built', async () => {
    const again = await project.build();
    expect(again.code, again.told).toBe(0);
    expect(again.stages('stage-finished')).toEqual([]);

    const forced = await project.build(['--force', 'provision-1']);
    expect(forced.code).toBe(1);
    expect(forced.stages('stage-finished')).toEqual([]);
    expect(forced.told).toContain('PROBE_TOKEN, which is not set');
    expect(forced.told).toMatch(/fgimage\.yaml:\d+:\d+: error: customize:web\/provision-2/);
  });
});

describe('what else a step may have', () => {
  it('are folders that persist and are in no layer', async () => {
    expect(log(built, 2).at(-1)).toBe('1');
    const again = await project.build(['--force', 'provision-2'], {by: withToken});
    expect(again.code, again.told).toBe(0);
    expect(log(again, 2).at(-1)).toBe('2');
    expect(again.stages('stage-finished')).toEqual(['customize:web/provision-2']);
  });

  it('are packages of which nothing is left', () => {
    expect(log(built, 3).join('\n')).toMatch(/munge-0\.[\s\S]*uid=\d+\(munge\)/);
    expect(layer(built, 3)).toEqual(['/etc/probe']);
  });

  it('is user data for the first boot', () => {
    expect(layer(built, 4)).toEqual(['/etc/cloud/cloud.cfg.d/95-fgimage-01.cfg']);
  });

  it('is a network with the packages of the host, of which only those stay', () => {
    const found = layer(built, 5);
    expect(found).toContain('/usr/bin/hello');
    expect(found.filter((path) => /\/apt\/(?!extended_states)|resolv|\.log$|aux-cache/.test(path))).toEqual(
      [],
    );
  });

  it('is what sets a booted system, and not the machine that builds', () => {
    const tree = join(project.cache, 'objects', built.digests()['customize:web/provision-5'] ?? '', 'tree');
    expect(readlinkSync(join(tree, 'etc/localtime'))).toBe('/usr/share/zoneinfo/Etc/GMT-3');
    expect(readFileSync(join(tree, 'etc/hostname'), 'utf8')).toBe('probe.example.org\n');
    expect(layer(built, 5)).not.toContain('/usr/bin/timedatectl');
    expect(log(built, 5)).not.toContain('the kernel was set');
  });
});

describe('a step that goes wrong', () => {
  function failing(step: string): Promise<BuildResult> {
    const [head = ''] = steps.split('provision:');
    project.write({'fgimage.yaml': `${head}provision:\n${step}\ntargets: {tarball: {compression: none}}\n`});
    return project.build(['--keep-work', 'on-failure'], {by: withToken});
  }

  it('is refused where it leaves a secret behind, and that is kept nowhere', async () => {
    const result = await failing(
      '  - {shell: "mkdir /srv/a; base64 /run/secrets/t > /srv/a/b\\n", secrets: [{name: t, env: PROBE_TOKEN}]}',
    );
    expect(result.code).toBe(1);
    expect(result.told).toContain('The step left the secret t in /srv/a/b');
    expect(holding(Buffer.from(secretValues.token).toString('base64').slice(0, -4))).toEqual([]);
  });

  it('is ended at its limit with all that it started', async () => {
    const result = await failing('  - {shell: "sleep 1000 & sleep 1000\\n", timeout: 1s}');
    expect(result.code).toBe(1);
    expect(result.told).toContain('"reason":"timed-out","what":"The step","timeoutMs":1000');
    expect(result.told).toContain('Raise `timeout`');
  });

  it('can be run again with its secret, by whoever has it', async () => {
    rmSync(join(project.cache, 'kept'), {recursive: true, force: true});
    const result = await failing(
      '  - {shell: "wc -c < /run/secrets/t\\nexit 3\\n", secrets: [{name: t, env: PROBE_TOKEN}]}',
    );
    expect(result.code).toBe(1);
    const [name = ''] = readdirSync(join(project.cache, 'kept'));
    const script = join(project.cache, 'kept', name, 'rerun.sh');
    const env = {PATH: process.env['PATH'] ?? ''};
    const without = spawnSync(script, {env, encoding: 'utf8'});
    expect([without.status, without.stderr]).toEqual([
      125,
      'rerun.sh: set PROBE_TOKEN, the secret t of this step, and export it\n',
    ]);
    const again = spawnSync(script, {env: {...env, PROBE_TOKEN: secretValues.token}, encoding: 'utf8'});
    expect([again.status, again.stdout]).toEqual([3, `${String(secretValues.token.length)}\n`]);
    expect(holding(secretValues.token)).toEqual([]);
  });

  it('says what it lacks without a network', async () => {
    const missing = await failing('  - {shell: "apt-get install -y hello\\n"}');
    expect(missing.told).toContain('Add hello to `packages` of the image, or give the step `network: true`');
  });

  it('is refused offline where it has a network', async () => {
    project.write({
      'fgimage.yaml': steps.replace('apt-get install -y hello', 'apt-get install -y -q hello'),
    });
    const result = await project.build(['--offline'], {by: withToken});
    expect(result.code).toBe(1);
    expect(result.told).toContain('customize:web/provision-5 has a network, which is off limits');
    expect(result.stages('stage-finished')).toEqual([]);
  });
});
