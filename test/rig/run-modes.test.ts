import {readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../src/run/events.ts';
import {repository} from './compiled.ts';
import {type Ended, eventsOf, Rig, type RunningFgimage, stagesOf} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {bothTargets, fakeApt, spec} from './specs.ts';
import {until} from './until.ts';

const archive = ['curl', 'jq', 'openssh-server'];
const stageCount = 14;

/** A rig whose spec was built and handed out. */
async function built(): Promise<Rig> {
  const rig = new Rig({'fgimage.yaml': bothTargets});
  try {
    fakeAllTools(rig);
    await seedCache(rig, {packages: archive, test: false});
    expect(await rig.run(['build', '--no-test'])).toMatchObject({code: 0});
    return rig;
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
}

interface Run {
  readonly code: number | null;
  readonly events: readonly RunEvent[];
  readonly started: readonly string[];
  readonly finished: readonly string[];
  readonly cached: readonly string[];
  readonly skipped: readonly string[];
}

async function build(rig: Rig, ...words: readonly string[]): Promise<Run> {
  return runOf(await rig.run(['build', '--no-test', '--json', ...words]));
}

function runOf({code, stdout}: Ended): Run {
  const events = eventsOf(stdout);
  return {
    code,
    events,
    started: stagesOf(events, 'stage-started').toSorted(),
    finished: stagesOf(events, 'stage-finished').toSorted(),
    cached: stagesOf(events, 'stage-cached').toSorted(),
    skipped: stagesOf(events, 'stage-skipped').toSorted(),
  };
}

function reasonOf({events}: Run, stage: string): readonly unknown[] {
  return events.flatMap((event) =>
    event.type === 'stage-started' && event.stage === stage ? (event.reasons ?? []) : [],
  );
}

describe('--force', () => {
  it('runs the stages that a word names, and leaves what they gave before where they fail', async () => {
    await using rig = await built();
    const run = await build(rig, '--force', 'pack');
    expect(run).toMatchObject({code: 1, started: ['pack:web/hpc', 'pack:web/openstack']});
    expect(run.cached).toHaveLength(stageCount - 2);
    expect(reasonOf(run, 'pack:web/hpc')).toEqual([{reason: 'forced'}]);
    expect(readFileSync(rig.join('project/artifacts/web/hpc/artifact'), 'utf8')).toBe(
      'content of pack:web/hpc',
    );
    expect(await build(rig)).toMatchObject({code: 0, started: []});
  });

  it('names the nearest for a word that names no stage', async () => {
    await using rig = await built();
    expect(await rig.run(['build', '--force', 'pak'])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: 'error: There is no stage pak in the plan\n  mend: Did you mean pack?\n',
    });
  });
});

describe('--no-cache and cache.salt', () => {
  it('make everything anew, and what is made is kept', async () => {
    await using rig = await built();
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: archive}));
    const off = await build(rig, '--no-cache');
    // The fake mmdebstrap fails.
    expect(off).toMatchObject({
      code: 1,
      started: ['archive:debian-bookworm', 'base:debian-bookworm-amd64'],
      finished: ['archive:debian-bookworm'],
      cached: [],
    });
    expect(reasonOf(off, 'base:debian-bookworm-amd64')).toEqual([{reason: 'cache-off'}]);
    const on = await build(rig);
    expect(on.cached).toContain('archive:debian-bookworm');
    expect(on.started).not.toContain('archive:debian-bookworm');
  });

  it('tell each salt apart', async () => {
    await using rig = await built();
    const salted = (salt: string): void =>
      rig.write({'fgimage.yaml': `${bothTargets}cache: {salt: ${salt}}\n`});
    salted('one');
    const first = await build(rig);
    expect(first.started).toEqual(['archive:debian-bookworm']);
    expect(reasonOf(first, 'archive:debian-bookworm')).toEqual([{reason: 'salt', is: 'one'}]);
    salted('two');
    expect(reasonOf(await build(rig), 'archive:debian-bookworm')).toEqual([
      {reason: 'salt', was: 'one', is: 'two'},
    ]);
    rig.write({'fgimage.yaml': bothTargets});
    expect(await build(rig)).toMatchObject({code: 0, started: []});
  });
});

describe('--cache', () => {
  it.each(['local:off', 'local:r'])('refuses %s with what to do instead', async (switches) => {
    await using rig = await built();
    expect(await rig.run(['build', '--no-test', '--cache', switches])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr:
        'error: The local cache cannot do without writing: it is where stages hand on what they make\n' +
        '  mend: Use local:w to make everything anew, or --cache-dir with a folder that is removed afterwards\n',
    });
  });

  it('local:w is what --no-cache is', async () => {
    await using rig = await built();
    expect((await build(rig, '--cache', 'local:w')).started).toEqual(['archive:debian-bookworm']);
    expect(await build(rig, '--cache', 'local:rw,remote:off')).toMatchObject({code: 0, started: []});
  });
});

/** Two images with an archive each: that of bookworm and that of trixie. */
const twoArchives = spec(`images:
  old: {targets: {hpc: }}
  new: {os: {release: trixie}, targets: {hpc: }}
`);

/** Shell text that runs only for the archive of one release; the rig's folder is $rig. */
function only(rig: Rig, release: string, script: string): string {
  return `rig='${rig.join()}'
for word; do case $word in Dir::Etc::SourceList=*) sources=\${word#*=};; esac; done
if grep -q ${release} "$sources"; then
${script}
fi`;
}

describe('--fail', () => {
  /** trixie's archive fails while bookworm's is being read, which goes on when the test has seen that. */
  async function failing(rig: Rig, mode: string): Promise<Run> {
    rig.write({'fgimage.yaml': twoArchives});
    fakeAllTools(rig);
    const wait = (name: string): string =>
      `i=0; while [ ! -e "$rig/${name}" ] && [ $i -lt 600 ]; do sleep 0.05; i=$((i+1)); done`;
    const before = [
      only(rig, 'bookworm', `: > "$rig/reading"\n${wait('go-on')}`),
      only(rig, 'trixie', `${wait('reading')}\nexit 100`),
    ].join('\n');
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: archive, before}));
    const running: RunningFgimage = rig.start(['build', '--no-test', '--json', '--fail', mode]);
    await until(() => running.stdout.includes('"stage-failed"'), {what: running.stdout});
    if (mode !== 'fast') writeFileSync(rig.join('go-on'), '');
    return runOf(await running.ended);
  }

  it('continue goes on with what does not depend on it', async () => {
    await using rig = new Rig();
    const run = await failing(rig, 'continue');
    expect(run).toMatchObject({
      code: 1,
      started: ['archive:debian-bookworm', 'archive:debian-trixie', 'base:debian-bookworm-amd64'],
      finished: ['archive:debian-bookworm'],
    });
    expect(stagesOf(run.events, 'stage-failed')).toEqual([
      'archive:debian-trixie',
      'base:debian-bookworm-amd64',
    ]);
  });

  it('finish lets what runs end, and starts nothing more', async () => {
    await using rig = new Rig();
    const run = await failing(rig, 'finish');
    expect(run).toMatchObject({
      code: 1,
      started: ['archive:debian-bookworm', 'archive:debian-trixie'],
      finished: ['archive:debian-bookworm'],
    });
    expect(stagesOf(run.events, 'stage-failed')).toEqual(['archive:debian-trixie']);
    expect(run.skipped).toContain('base:debian-bookworm-amd64');
  });

  it('fast ends what runs', async () => {
    await using rig = new Rig();
    const run = await failing(rig, 'fast');
    expect(run).toMatchObject({
      code: 1,
      started: ['archive:debian-bookworm', 'archive:debian-trixie'],
      finished: [],
    });
    expect(stagesOf(run.events, 'stage-failed')).toEqual(['archive:debian-trixie']);
    expect(run.skipped).toContain('archive:debian-bookworm');
    expect(rig.cached('tmp')).toEqual([]);
    expect(rig.cached('objects')).toEqual([]);
  });

  it('refuses another word', async () => {
    await using rig = await built();
    expect(await rig.run(['build', '--fail', 'slow'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'error: --fail wants one of continue, finish, fast, not slow\n',
    });
  });
});

describe('--pool', () => {
  /** Each reading of an archive notes whether another one goes on, and waits for `meet` others at most. */
  function meetingApt(rig: Rig, script: string): void {
    rig.write({'fgimage.yaml': twoArchives});
    fakeAllTools(rig);
    rig.fakeTool(
      'apt-get',
      fakeApt(rig.join(), {packages: archive, before: `rig='${rig.join()}'\n${script}`}),
    );
  }

  it('keeps stages apart that would take more than there is', async () => {
    await using rig = new Rig();
    meetingApt(
      rig,
      'mkdir "$rig/reading" || echo met >> "$rig/meetings"\nsleep 0.2\nrmdir "$rig/reading" 2> /dev/null',
    );
    const run = await build(rig, '--pool', 'transfers=1');
    expect(run.finished).toEqual(['archive:debian-bookworm', 'archive:debian-trixie']);
    expect(rig.lines('meetings')).toEqual([]);
  });

  it('lets as many run side by side as there is room for', async () => {
    await using rig = new Rig();
    meetingApt(
      rig,
      ': > "$rig/reader-$$"\ni=0\n' +
        'while [ "$(ls "$rig" | grep -c "^reader-")" -lt 2 ]; do sleep 0.05; i=$((i+1)); [ $i -lt 600 ] || exit 100; done',
    );
    const run = await build(rig, '--pool', 'transfers=2', '--pool', 'boots=1');
    expect(run.finished).toEqual(['archive:debian-bookworm', 'archive:debian-trixie']);
  });

  it('refuses what is no pool', async () => {
    await using rig = await built();
    expect(await rig.run(['build', '--pool', 'disks=2'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr:
        'error: --pool wants a name and a whole number from 1, not disks=2\n' +
        '  mend: The pools are cpu, memory, boots, transfers: --pool boots=2\n',
    });
  });
});

describe('fgimage logs', () => {
  /** A rig in which package lists were read, and nothing more. */
  async function read(): Promise<Rig> {
    const rig = new Rig({'fgimage.yaml': spec('targets: {hpc: }\n')});
    fakeAllTools(rig);
    rig.fakeTool(
      'apt-get',
      fakeApt(rig.join(), {packages: archive, before: "printf 'one\\n\\033[31mtwo\\033[0m\\n'"}),
    );
    await build(rig);
    return rig;
  }

  const log = 'one\n\u001B[31mtwo\u001B[0m\nReading package lists...\n';

  it('gives what a stage printed, in a run that ran it and in one that did not', async () => {
    await using rig = await read();
    expect(await rig.run(['logs', 'archive'])).toEqual({code: 0, signal: null, stdout: log, stderr: ''});
    await build(rig);
    expect(await rig.run(['logs', 'archive:debian-bookworm'])).toMatchObject({code: 0, stdout: log});
    expect(rig.lines('apt-calls')).toHaveLength(1);
  });

  it('gives that of another run', async () => {
    await using rig = await read();
    const [first] = (await build(rig)).events;
    const run = first?.type === 'run-started' ? first.runId : '';
    expect(await rig.run(['logs', 'archive', '--run', run.slice(0, 8)])).toMatchObject({stdout: log});
    const unknown = await rig.run(['logs', 'archive', '--run', 'ffffffff']);
    expect(unknown).toMatchObject({code: 2, stdout: ''});
    expect(unknown.stderr).toContain('ffffffff');
  });

  it('lists what has one', async () => {
    await using rig = await read();
    const {code, stdout} = await rig.run(['logs']);
    expect(code).toBe(0);
    const [title = '', , ...rows] = stdout.trimEnd().split('\n');
    expect(title).toMatch(/^run [0-9a-f]{8} of .* UTC: fgimage build --no-test --json, failed in /);
    expect(rows.map((row) => row.split(/ {2,}/).slice(0, 2))).toEqual([
      ['stage', 'state'],
      ['archive:debian-bookworm', 'run'],
      ['base:debian-bookworm-amd64', 'failed'],
      ['customize:web/kernel', 'not run'],
      ['customize:web/platform', 'not run'],
      ['initramfs:web/hpc', 'not run'],
      ['adapt:web/hpc', 'not run'],
      ['pack:web/hpc', 'not run'],
      ['sbom:web/hpc', 'not run'],
    ]);
  });

  it('refuses what has none, and names the nearest', async () => {
    await using rig = await read();
    expect(await rig.run(['logs', 'archiv'])).toMatchObject({code: 2, stdout: ''});
    expect(await rig.run(['logs', 'kernel'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: customize:web\/kernel has no log: it was not run in run /,
      ) as string,
    });
    rmSync(join(rig.cache, 'logs'), {recursive: true});
    expect((await rig.run(['logs', 'archive'])).stderr).toMatch(
      /^error: The log of archive:debian-bookworm is gone: .* is not there\n {2}mend: "fgimage build --force archive:debian-bookworm" runs it again\n$/,
    );
  });

  it('says that there was no run, and makes no cache', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    expect(await rig.run(['logs'])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr: `error: There is no run of ${rig.join('project/fgimage.yaml')} in the cache\n  mend: Name its spec with -f and its cache with --cache-dir, or build it: "fgimage build"\n`,
    });
    expect(readdirSync(rig.join()).toSorted()).toEqual(['bin', 'home', 'project', 'tmp']);
  });

  it('are printed with --replay where stages are cached', async () => {
    await using rig = await read();
    const replayed = await rig.run(['build', '--no-test', '--replay']);
    expect(replayed.stdout).toContain(
      [
        ...['one', 'two', 'Reading package lists...'].map((line) => `[archive:debian-bookworm] | ${line}\n`),
      ].join(''),
    );
    expect((await rig.run(['build', '--no-test'])).stdout).not.toContain('| Reading package lists...');
    const {events} = await build(rig, '--replay');
    expect(
      events.flatMap((event) =>
        event.type === 'stage-log' && event.stage === 'archive:debian-bookworm' ? [event.line] : [],
      ),
    ).toHaveLength(3);
  });
});

describe('fgimage stats', () => {
  it('adds up what the runs did and saved', async () => {
    await using rig = await built();
    await build(rig, '--force', 'pack:web/hpc');
    const {code, stdout} = await rig.run(['stats']);
    expect(code).toBe(0);
    const [runs, stages, time, , ...tables] = stdout.split('\n');
    expect(runs).toMatch(/^2 runs since .* UTC: 1 done, 1 failed$/);
    expect(stages).toBe('stages: 27 of 28 cached (96 %), 0 run, 1 failed');
    expect(time).toMatch(/^time: .* spent, 27 s saved$/);
    expect(tables.join('\n')).toMatch(/^web +23 +0 +1 +0 /m);
    const json = JSON.parse((await rig.run(['stats', '--json', '-f', 'fgimage.yaml'])).stdout) as object;
    expect(json).toMatchObject({
      runs: {done: 1, failed: 1, cancelled: 0},
      stages: {run: 0, cached: 27, failed: 1, skipped: 0},
      savedMs: 27_000,
      lastRuns: [{outcome: 'failed'}, {outcome: 'done', command: 'fgimage build --no-test'}],
    });
  });

  it('says that nothing was run, and makes no cache', async () => {
    await using rig = new Rig({'fgimage.yaml': bothTargets});
    expect(await rig.run(['stats'])).toMatchObject({code: 0, stdout: 'Nothing was run yet\n', stderr: ''});
    expect(readdirSync(rig.join()).toSorted()).toEqual(['bin', 'home', 'project', 'tmp']);
  });
});

describe('an artifact in the cache that is not what was made', () => {
  /** Turns over a bit of it, as a bad disk does: no time and no size tells. */
  async function spoil(rig: Rig): Promise<string> {
    const {events} = await build(rig);
    const pack = events.find((event) => event.type === 'stage-cached' && event.stage === 'pack:web/hpc');
    const digest = pack?.type === 'stage-cached' ? pack.digest : '';
    const path = join(rig.cache, 'objects', digest, 'tree/artifact');
    const {atime, mtime} = statSync(path);
    const bytes = readFileSync(path);
    bytes[3] = (bytes[3] ?? 0) ^ 4;
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
    rmSync(rig.join('project/artifacts'), {recursive: true});
    return digest;
  }

  it('is never handed out: it is set aside with a warning, and made again', async () => {
    await using rig = await built();
    const digest = await spoil(rig);
    const run = await build(rig);
    expect(run).toMatchObject({code: 1, started: ['pack:web/hpc']});
    const found = run.events.filter((event) => event.type === 'content-corrupt');
    expect(found).toMatchObject([{stage: 'pack:web/hpc', digest, problem: 'artifact is not what it was'}]);
    expect(readdirSync(join(rig.cache, 'corrupt'))).toEqual([
      expect.stringMatching(new RegExp(`^${digest}-\\d+$`)) as string,
    ]);
    expect(found[0]?.place).toBe(
      join(rig.cache, 'corrupt', readdirSync(join(rig.cache, 'corrupt'))[0] ?? ''),
    );
    expect(rig.cached('objects')).not.toContain(digest);
    expect(readdirSync(rig.join('project/artifacts/web'))).toEqual(['openstack']);
    expect(run.events.at(-1)).toMatchObject({
      type: 'run-finished',
      outcome: 'failed',
      outputs: [
        {target: 'openstack', state: 'cached'},
        {target: 'hpc', state: 'failed'},
      ],
    });
    const why = await rig.run(['explain', 'pack:web/hpc', '--no-test']);
    expect(why.stdout).toMatch(
      /^pack:web\/hpc would run:\n {2}its content was damaged, and put aside on .* UTC\n$/,
    );
  });

  it('is told to people with where it lies', async () => {
    await using rig = await built();
    const digest = await spoil(rig);
    const {code, stdout, stderr} = await rig.run(['build', '--no-test']);
    expect({code, stderr}).toEqual({code: 1, stderr: ''});
    expect(stdout).toContain('artifact is not what it was');
    expect(stdout).toContain(join(rig.cache, 'corrupt', digest));
    expect(stdout).toContain('[pack:web/hpc] started: its content was damaged, and put aside on');
    expect(stdout).not.toMatch(/^web +hpc +(?:cached|built)/m);
  });
});

describe('docs/reference/cli.md', () => {
  const words = (text: string, pattern: RegExp): readonly string[] => [
    ...new Set([...text.matchAll(pattern)].map(([, word = '']) => word)),
  ];

  it('has every command and every option that --help tells, and no other', async () => {
    await using rig = new Rig();
    const doc = readFileSync(join(repository, 'docs/reference/cli.md'), 'utf8');
    const {stdout} = await rig.run(['--help']);
    const commands = words(stdout.slice(stdout.indexOf('Commands:')), /^ {2}([a-z-]+) /gm);
    expect(words(doc, /^## ([a-z-]+)$/gm)).toEqual(commands);
    const [table = ''] = doc.split('`--help`');
    expect(words(table, /^\| \[`([a-z-]+)[ `]/gm)).toEqual(commands);
    const options = new Set<string>();
    for (const command of commands) {
      const help = await rig.run([command, '--help']);
      for (const option of words(help.stdout, /^ .*?(--[a-z][a-z-]+)/gm)) options.add(option);
    }
    const told = words(doc, /(--[a-z][a-z-]+)/g).filter((option) => option !== '--version');
    expect(told.toSorted()).toEqual([...options].toSorted());
  });
});
