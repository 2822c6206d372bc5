import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import {eventsOf, Rig, stagesOf} from './rig.ts';
import {fakeAllTools} from './seed.ts';
import {bothTargets, fakeApt, spec, unreachableApt} from './specs.ts';
import {isAlive, until} from './until.ts';

/** A rig in which every program fails but an apt-get with this archive. */
function withArchive(
  text: string,
  {packages = ['curl', 'jq'], before = ''}: {packages?: readonly string[]; before?: string} = {},
): Rig {
  const rig = new Rig({'fgimage.yaml': text});
  fakeAllTools(rig);
  rig.fakeTool('apt-get', fakeApt(rig.join(), {packages, before}));
  return rig;
}

const misspelt = spec('packages:\n  - curl\n  - jqq\ntargets: {hpc: }\n');

describe('fgimage build with a mirror that does not answer', () => {
  it('shows the command, the end of its log, the log and what to check, and names what was not run', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    fakeAllTools(rig);
    rig.fakeTool('apt-get', unreachableApt);
    const {code, stdout, stderr} = await rig.run(['build', '--no-test']);
    expect({code, stderr}).toEqual({code: 1, stderr: ''});
    const summary = stdout.slice(stdout.indexOf('archive:debian-bookworm failed after'));
    expect(summary).toMatch(
      /^archive:debian-bookworm failed after .*: apt-get exited with 100\n {2}command: apt-get update\n/,
    );
    expect(summary).toContain(
      '  | E: Failed to fetch http://mirror.example.org/debian/dists/bookworm/InRelease',
    );
    expect(summary).toMatch(/^ {2}log: .*\/cache\/logs\/[0-9a-f]{64}\.log$/m);
    expect(summary).toContain(
      'hint: Check that http://mirror.example.org/debian, http://mirror.example.org/debian-security can be reached',
    );
    expect(summary).toContain(
      'not run because of it: base:debian-bookworm-amd64, customize:web/kernel, customize:web/platform, customize:web/packages',
    );
    expect(summary).toMatch(/^failed in .*: 0 stages run, 0 of 14 cached, 1 failed, 13 not run$/m);
    expect(rig.cached('tmp')).toEqual([]);
    expect(rig.cached('objects')).toEqual([]);
  });

  it('tells the same as events', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    fakeAllTools(rig);
    rig.fakeTool('apt-get', unreachableApt);
    const events = eventsOf((await rig.run(['build', '--no-test', '--json'])).stdout);
    expect(events.find(({type}) => type === 'stage-failed')).toMatchObject({
      stage: 'archive:debian-bookworm',
      failure: {reason: 'command-failed', command: ['apt-get', 'update'], exitCode: 100, signal: null},
    });
    expect(events.filter(({type}) => type === 'stage-skipped')).toHaveLength(13);
    expect(
      events
        .filter(({type}) => type === 'stage-skipped')
        .every((event) => 'because' in event && event.because === 'archive:debian-bookworm'),
    ).toBe(true);
    expect(events.at(-1)).toMatchObject({
      type: 'run-finished',
      outcome: 'failed',
      stages: {run: 0, cached: 0, failed: 1, skipped: 13},
    });
  });

  it('asks again the next time', async () => {
    await using rig = new Rig({'fgimage.yaml': misspelt});
    fakeAllTools(rig);
    rig.fakeTool('apt-get', unreachableApt);
    expect(await rig.run(['build'])).toMatchObject({code: 1});
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: ['curl', 'jq']}));
    expect(await rig.run(['build'])).toMatchObject({code: 2});
  });

  it('names the key when the signature was not accepted', async () => {
    await using rig = new Rig({'fgimage.yaml': misspelt});
    fakeAllTools(rig);
    rig.fakeTool(
      'apt-get',
      `[ "$1" = --version ] && echo apt 2 && exit\necho 'W: GPG error: NO_PUBKEY 0123456789ABCDEF'\nexit 100`,
    );
    const {code, stdout} = await rig.run(['build']);
    expect(code).toBe(1);
    expect(stdout).toContain(
      "The archive's signature was not accepted: W: GPG error: NO_PUBKEY 0123456789ABCDEF. Name the right key in signed_by",
    );
  });
});

describe('fgimage build of a spec with an unknown package', () => {
  it('points at it before anything else is built', async () => {
    await using rig = withArchive(misspelt);
    const {code, stdout} = await rig.run(['build']);
    expect(code).toBe(2);
    expect(stdout).toContain('fgimage.yaml:6:5');
    expect(stdout).toContain('  - jqq');
    expect(stdout).toContain('There is no package jqq in the archives of debian bookworm');
    expect(stdout).toContain('Write jq, or add the archive that has jqq under repositories');
    expect(stdout).not.toContain('[base:debian-bookworm-amd64] started');
  });

  it('takes virtual packages and architectures for known', async () => {
    const packages = ['curl', 'jq\nProvides: jqq (= 1), other'];
    await using rig = withArchive(spec('packages: [jqq, "other"]\ntargets: {hpc: }\n'), {packages});
    expect((await rig.run(['build'])).code).toBe(1);
  });

  it('reads the package lists once', async () => {
    await using rig = withArchive(misspelt);
    for (const expected of [1, 1]) {
      expect((await rig.run(['build'])).code).toBe(2);
      expect(rig.lines('apt-calls')).toHaveLength(expected);
    }
    expect((await rig.run(['build', '--refresh'])).code).toBe(2);
    expect(rig.lines('apt-calls')).toHaveLength(2);
  });
});

describe('fgimage build with a base that cannot be made', () => {
  it('fails with what mmdebstrap said last', async () => {
    await using rig = withArchive(bothTargets);
    rig.fakeTool(
      'mmdebstrap',
      `[ $# -eq 1 ] && echo mmdebstrap 1 && exit\necho 'E: something broke' >&2\nexit 25`,
    );
    const {code, stdout} = await rig.run(['build']);
    expect(code).toBe(1);
    expect(stdout).toContain('mmdebstrap exited with 25');
    expect(stdout).toContain('| E: something broke');
    expect(rig.cached('tmp')).toEqual([]);
  });

  it('keeps what was done before it', async () => {
    await using rig = withArchive(bothTargets);
    await rig.run(['build']);
    const events = eventsOf((await rig.run(['build', '--json'])).stdout);
    expect(stagesOf(events, 'stage-cached')).toEqual(['archive:debian-bookworm']);
    expect(stagesOf(events, 'stage-failed')).toEqual(['base:debian-bookworm-amd64']);
    expect(rig.lines('apt-calls')).toHaveLength(1);
  });
});

/** A mmdebstrap that says that it runs and then runs for ever, with a child that does the same. */
const endless = `[ $# -eq 1 ] && echo mmdebstrap 1 && exit\necho 'I: running'\ntrap '' TERM INT HUP\nsleep 6000 &\nwait`;
const hasStarted = ({stdout}: {stdout: string}): boolean => stdout.includes('"message":"running"');

describe('fgimage build that is cancelled', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'ends with 130 by %s, with all that it had started',
    async (signal) => {
      await using rig = withArchive(bothTargets);
      rig.fakeTool('mmdebstrap', endless);
      const running = rig.start(['build', '--json']);
      await until(() => hasStarted(running));
      running.kill(signal);
      const {code, stdout, stderr} = await running.ended;
      expect({code, stderr}).toEqual({code: 130, stderr: ''});
      await until(() => rig.processes().length === 0);
      expect(rig.cached('tmp')).toEqual([]);
      expect(rig.cached('locks')).toEqual([]);
      const events = eventsOf(stdout);
      expect(events.at(-1)).toMatchObject({
        type: 'run-finished',
        outcome: 'cancelled',
        stages: {run: 1, failed: 0},
      });
      expect(stagesOf(events, 'stage-failed')).toEqual([]);
    },
  );

  it('ends at once by a second signal', async () => {
    await using rig = withArchive(bothTargets);
    rig.fakeTool('mmdebstrap', endless);
    const running = rig.start(['build', '--json']);
    await until(() => hasStarted(running));
    running.kill('SIGINT');
    running.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    await until(() => rig.processes().length === 0);
  });

  it('ends while it reads package lists', async () => {
    await using rig = withArchive(bothTargets, {before: 'exec sleep 6000'});
    const running = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    running.kill('SIGINT');
    expect((await running.ended).code).toBe(130);
    await until(() => rig.processes().length === 0);
    expect(rig.cached('objects')).toEqual([]);
  });

  it('leaves the cache whole for the next run', async () => {
    await using rig = withArchive(misspelt, {before: 'exec sleep 6000'});
    const running = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    running.kill('SIGINT');
    await running.ended;
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: ['curl', 'jq']}));
    expect((await rig.run(['build'])).code).toBe(2);
  });
});

describe('fgimage build that is killed', () => {
  it('takes the sandbox and all that runs in it along, and the next run sweeps', async () => {
    await using rig = withArchive(bothTargets);
    rig.fakeTool('mmdebstrap', endless);
    const running = rig.start(['build', '--json']);
    await until(() => hasStarted(running));
    expect(rig.processes().length).toBeGreaterThan(1);
    running.kill('SIGKILL');
    await running.ended;
    await until(() => rig.processes().length === 0, {what: 'the end of the sandbox'});
    expect(rig.cached('tmp')).toHaveLength(1);
    rig.fakeTool('mmdebstrap', `[ $# -eq 1 ] && echo mmdebstrap 1 && exit\nexit 25`);
    expect((await rig.run(['build'])).code).toBe(1);
    expect(rig.cached('tmp')).toEqual([]);
    expect(rig.lines('apt-calls')).toHaveLength(1);
  });

  it('takes a program of the host along', async () => {
    await using rig = withArchive(bothTargets, {before: 'exec sleep 6000'});
    const running = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    const pid = Number(rig.lines('apt-calls')[0]);
    running.kill('SIGKILL');
    await running.ended;
    await until(() => !isAlive(pid), {what: 'the end of apt-get'});
  });
});

describe('two builds over one cache', () => {
  it('run a key once: the other waits and takes the result', async () => {
    await using rig = new Rig({'fgimage.yaml': misspelt});
    fakeAllTools(rig);
    execFileSync('mkfifo', [rig.join('go')]);
    rig.fakeTool(
      'apt-get',
      fakeApt(rig.join(), {packages: ['curl', 'jq'], before: `read answer < '${rig.join('go')}'`}),
    );
    const first = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    const second = rig.start(['build', '--json', '--output', '../second']);
    await until(() => stagesOf(second.events, 'stage-waiting').length === 1);
    await writeFile(rig.join('go'), 'go\n');
    expect([(await first.ended).code, (await second.ended).code]).toEqual([2, 2]);
    expect(rig.lines('apt-calls')).toHaveLength(1);
    expect(stagesOf(first.events, 'stage-finished')).toEqual(['archive:debian-bookworm']);
    expect(stagesOf(second.events, 'stage-cached')).toEqual(['archive:debian-bookworm']);
    expect(second.events.find(({type}) => type === 'stage-waiting')).toMatchObject({
      owner: {pid: expect.any(Number) as number},
    });
  });

  it('go on when the one that held the key was killed', async () => {
    await using rig = new Rig({'fgimage.yaml': misspelt});
    fakeAllTools(rig);
    const once = `[ -e '${rig.join('again')}' ] || { touch '${rig.join('again')}'; exec sleep 6000; }`;
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: ['curl', 'jq'], before: once}));
    const first = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    const second = rig.start(['build', '--json']);
    await until(() => stagesOf(second.events, 'stage-waiting').length === 1);
    first.kill('SIGKILL');
    expect((await second.ended).code).toBe(2);
    expect(rig.lines('apt-calls')).toHaveLength(2);
    expect(stagesOf(second.events, 'stage-finished')).toEqual(['archive:debian-bookworm']);
  });

  it('can be cancelled while it waits', async () => {
    await using rig = withArchive(misspelt, {before: 'exec sleep 6000'});
    const first = rig.start(['build', '--json']);
    await until(() => rig.lines('apt-calls').length === 1);
    const second = rig.start(['build', '--json']);
    await until(() => stagesOf(second.events, 'stage-waiting').length === 1);
    second.kill('SIGINT');
    expect((await second.ended).code).toBe(130);
    expect(rig.cached('tmp')).toHaveLength(1);
    first.kill('SIGINT');
    expect((await first.ended).code).toBe(130);
    expect(rig.cached('tmp')).toEqual([]);
  });
});

describe('fgimage build while the project changes', () => {
  it('refuses what it made from files that changed meanwhile', async () => {
    await using rig = new Rig({
      'fgimage.yaml': spec(
        'repositories:\n  - {name: extra, uri: "http://extra.example.org", suites: [stable], components: [main], signed_by: key.asc}\ntargets: {hpc: }\n',
      ),
      'key.asc': '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n',
    });
    fakeAllTools(rig);
    const change = `echo more >> '${rig.join('project/key.asc')}'`;
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: ['curl'], before: change}));
    const {stdout} = await rig.run(['build', '--json']);
    const failed = eventsOf(stdout).filter(({type}) => type === 'stage-failed');
    expect(failed).toContainEqual(
      expect.objectContaining({
        stage: 'archive:debian-bookworm/web',
        failure: {reason: 'input-changed', paths: ['key.asc']},
      }),
    );
  });
});

describe('fgimage build in a project with odd names', () => {
  it('builds from a folder whose name has spaces and quotes', async () => {
    await using rig = withArchive(misspelt);
    const folder = `my "odd' $project`;
    rig.write({[`${folder}/fgimage.yaml`]: misspelt});
    const {code, stdout} = await rig.run(['build'], {
      cwd: `project/${folder}`,
      env: {FGIMAGE_CACHE: rig.join('odd, cache:1')},
    });
    expect(code).toBe(2);
    expect(stdout).toContain('There is no package jqq');
    writeFileSync(rig.join('project', folder, 'fgimage.yaml'), bothTargets);
    rig.fakeTool('mmdebstrap', `[ $# -eq 1 ] && echo mmdebstrap 1 && exit\necho 'E: reached' >&2\nexit 25`);
    const again = await rig.run(['build'], {
      cwd: `project/${folder}`,
      env: {FGIMAGE_CACHE: rig.join('odd, cache:1')},
    });
    expect(again.stdout).toContain('| E: reached');
  });
});
