import {createHash} from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import {Store} from '../../cache/store.ts';
import {pathsBelow} from './recorded.ts';
import {type Ended, eventsOf, Rig, type RigOptions, stagesOf} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

const text = spec(`packages:
  - curl
hostname: web
provision:
  - shell: setup.sh
targets:
  openstack:
    format: qcow2
  hpc:
    compression: zstd
`);

const files = {'fgimage.yaml': text, 'setup.sh': 'true\n'};

const below = [
  'archive:debian-bookworm',
  'base:debian-bookworm-amd64',
  'customize:web/kernel',
  'customize:web/platform',
];
const above = ['openstack', 'hpc'].flatMap((target) =>
  ['initramfs', 'adapt', 'pack', 'sbom'].map((kind) => `${kind}:web/${target}`),
);
const stages = [
  ...below,
  ...['packages', 'settings', 'provision-1'].map((part) => `customize:web/${part}`),
  ...above,
];

/** A rig whose spec was built, handed out and is in the history. */
async function built(): Promise<Rig> {
  const rig = new Rig(files);
  try {
    fakeAllTools(rig);
    await seedCache(rig, {packages: ['curl', 'jq', 'openssh-server'], test: false});
    expect(await rig.run(['build', '--no-test'])).toMatchObject({code: 0, stderr: ''});
    return rig;
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
}

/** For tests that only look; what they change beside the cache is taken back. */
let shared: Rig;

beforeAll(async () => {
  shared = await built();
});

afterEach(() => {
  shared.write(files);
  fakeAllTools(shared);
});

afterAll(() => shared[Symbol.asyncDispose]());

function edit(rig: Rig, from: string, to: string): void {
  expect(text).toContain(from);
  rig.write({'fgimage.yaml': text.replace(from, to)});
}

/** Everything below a folder but the times at which it was read. */
function snapshot(folder: string): readonly string[] {
  return pathsBelow(folder).map((path) => {
    const {mode, size, mtimeMs, ctimeMs, ino} = lstatSync(path);
    const bytes = lstatSync(path).isFile()
      ? createHash('sha256').update(readFileSync(path)).digest('hex')
      : '';
    return [path, mode, size, mtimeMs, ctimeMs, ino, bytes].join(' ');
  });
}

/** As after an upgrade of the host. */
function newMksquashfs(rig: Rig): void {
  rig.fakeTool('mksquashfs', `[ $# -eq 1 ] && echo 'mksquashfs 2.0' && exit\nexit 9`);
}

function emptied(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), {recursive: true});
}

/** Lets a test change what the cache remembers. */
function inStore(rig: Rig, change: (store: Store) => void): void {
  const store = Store.open(rig.cache);
  try {
    change(store);
  } finally {
    store.close();
  }
}

interface PlannedStage {
  readonly stage: string;
  readonly state: 'hit' | 'run' | 'blocked';
  readonly digest?: string;
  readonly reasons: readonly {readonly reason: string}[];
}

async function plan(rig: Rig, ...words: readonly string[]): Promise<readonly PlannedStage[]> {
  const {code, stdout, stderr} = await rig.run(['plan', '--no-test', '--json', ...words]);
  expect({code, stderr}).toEqual({code: 0, stderr: ''});
  const body = JSON.parse(stdout) as {version: number; stages: readonly PlannedStage[]};
  expect(body.version).toBe(1);
  return body.stages;
}

function digestOf(planned: readonly PlannedStage[], wanted: string): string {
  const digest = planned.find(({stage}) => stage === wanted)?.digest;
  if (digest === undefined) throw new Error(`Nobody knows what ${wanted} gives`);
  return digest;
}

/** The stages of a plan in one state. */
function inState(planned: readonly PlannedStage[], state: PlannedStage['state']): readonly string[] {
  return planned.flatMap((one) => (one.state === state ? [one.stage] : []));
}

describe('fgimage plan', () => {
  it('says that there is nothing to do', async () => {
    const rig = shared;
    expect(await rig.run(['plan', '--no-test', '--detailed-exitcode'])).toEqual({
      code: 0,
      signal: null,
      stdout: [
        rig.join('project/fgimage.yaml'),
        ...stages.map((stage) => `hit  ${stage}`),
        'Nothing to do: all 15 stages are in the cache',
        '',
      ].join('\n'),
      stderr: '',
    });
  });

  it('says what would run, why and for how long, and what waits for it', async () => {
    const rig = shared;
    edit(rig, '- curl', '- curl\n  - jq');
    const told = {
      signal: null,
      stdout: `${rig.join('project/fgimage.yaml')}
hit      archive:debian-bookworm
hit      base:debian-bookworm-amd64
hit      customize:web/kernel
hit      customize:web/platform
hit      customize:web/shared
run      customize:web/packages       ~10 s  package added: jq (fgimage.yaml:6:5) (and 1 other reason)
blocked  customize:web/settings      ~1.0 s  waits for customize:web/packages, which runs
blocked  customize:web/provision-1   ~5.0 s  waits for customize:web/packages, which runs
blocked  initramfs:web/openstack     ~5.0 s  waits for customize:web/packages, which runs
blocked  adapt:web/openstack          ~10 s  waits for customize:web/packages, which runs
blocked  pack:web/openstack          ~9.0 s  waits for customize:web/packages, which runs
blocked  sbom:web/openstack          ~2.0 s  waits for customize:web/packages, which runs
blocked  initramfs:web/hpc           ~5.0 s  waits for customize:web/packages, which runs
blocked  adapt:web/hpc                ~10 s  waits for customize:web/packages, which runs
blocked  pack:web/hpc                ~9.0 s  waits for customize:web/packages, which runs
blocked  sbom:web/hpc                ~2.0 s  waits for customize:web/packages, which runs
bases
  web  cloned  customize:web/packages has 1 of 2 packages on the same layers
1 stage to run, 5 in the cache, 10 blocked until those below them are done; about 35 s if everything that may run does
`,
      stderr: '',
    };
    expect(await rig.run(['plan', '--no-test'])).toEqual({code: 0, ...told});
    expect(await rig.run(['plan', '--no-test', '--detailed-exitcode'])).toEqual({code: 10, ...told});
  });

  it('tells the same as JSON', async () => {
    const rig = shared;
    edit(rig, '- curl', '- curl\n  - jq');
    const {code, stdout} = await rig.run(['plan', '--no-test', '--json', '--detailed-exitcode']);
    expect(code).toBe(10);
    const body = JSON.parse(stdout) as {stages: readonly object[]};
    expect(body).toMatchObject({version: 1, file: rig.join('project/fgimage.yaml'), expected_ms: 35_000});
    const hex = expect.stringMatching(/^[0-9a-f]{64}$/) as string;
    expect(body.stages[0]).toEqual({
      stage: 'archive:debian-bookworm',
      kind: 'archive',
      title: 'package lists debian-bookworm',
      depends_on: [],
      state: 'hit',
      key: hex,
      digest: hex,
      reasons: [],
      fetch: false,
    });
    expect(body.stages[5]).toEqual({
      stage: 'customize:web/packages',
      kind: 'packages',
      title: 'customize web: packages',
      image: 'web',
      depends_on: [...below, 'customize:web/shared'],
      state: 'run',
      key: hex,
      reasons: [
        {
          reason: 'package-added',
          package: 'jq',
          list: 'install',
          position: {file: 'fgimage.yaml', line: 6, column: 5},
        },
        {reason: 'upstream-added', stage: 'customize:web/shared', is: hex},
      ],
      estimate_ms: 10_000,
    });
    expect(body.stages[14]).toMatchObject({
      stage: 'pack:web/hpc',
      image: 'web',
      target: 'hpc',
      state: 'blocked',
      reasons: [{reason: 'upstream-runs', stage: 'customize:web/packages'}],
    });
  });

  it.each<[string, string[], string[]]>([
    ['an image that is not in the spec', ['wub'], ['There is no image wub', 'Its images are web']],
    ['a target', ['--target', 'hcp'], ['There is no target hcp', 'Its targets are openstack, hpc']],
    ['a stage', ['--force', 'pakages'], ['There is no stage pakages in the plan', 'Did you mean packages?']],
    ['a switch', ['--cache', 'local'], ['local', 'Write e.g. --cache local:rw,remote:r']],
  ])('refuses %s with what there is', async (_, words, parts) => {
    const rig = shared;
    const {code, stdout, stderr} = await rig.run(['plan', ...words]);
    expect({code, stdout}).toEqual({code: 2, stdout: ''});
    for (const part of parts) expect(stderr).toContain(part);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

/** A namespace in which a folder is read-only, for root and for an ordinary user. */
function readOnly(folder: string): RigOptions {
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return {by: ['unshare', '--mount', '--map-root-user', 'sh', '-c', script, folder]};
}

describe.each<[string, readonly string[]]>([
  ['plan', ['plan', '--no-test', '--json']],
  ['explain', ['explain', 'customize:web/packages', '--no-test']],
  ['why', ['why', 'web/hpc', 'setup.sh', '--no-test']],
  ['graph', ['graph', '--no-test']],
])('fgimage %s', (_, words) => {
  it('writes nothing', async () => {
    await using rig = await built();
    edit(rig, '- curl', '- curl\n  - jq');
    const before = snapshot(rig.join());
    const told = await rig.run(words);
    expect(told).toMatchObject({code: 0, stderr: ''});
    expect(snapshot(rig.join())).toEqual(before);
    expect(await rig.run(words, readOnly(rig.cache))).toEqual(told);
    expect(snapshot(rig.join())).toEqual(before);
  });

  it('makes no cache', async () => {
    await using rig = new Rig(files);
    fakeAllTools(rig);
    expect(await rig.run(words)).toMatchObject({code: 0, stderr: ''});
    expect(existsSync(rig.cache)).toBe(false);
    expect(readdirSync(rig.project).toSorted()).toEqual(['fgimage.yaml', 'setup.sh']);
    expect(readdirSync(rig.join('tmp'))).toEqual([]);
  });
});

describe('fgimage plan beside a build', () => {
  it('sees what another process has recorded, and leaves no file', async () => {
    await using rig = await built();
    const store = Store.open(rig.cache);
    try {
      store.setMemo('test', 'something that is still in the write-ahead log');
      const before = pathsBelow(rig.cache);
      expect(inState(await plan(rig), 'hit')).toEqual(stages);
      expect(pathsBelow(rig.cache)).toEqual(before);
    } finally {
      store.close();
    }
  });

  it('looks at what a process left that was killed', async () => {
    await using rig = await built();
    // What lies there after kill -9: the database, a log that nobody took into it, and SQLite's memory of that log.
    const names = ['fgimage.db', 'fgimage.db-wal', 'fgimage.db-shm'];
    const left: Buffer[] = [];
    inStore(rig, (store) => {
      store.setMemo('test', 'something');
      left.push(...names.map((name) => readFileSync(join(rig.cache, name))));
    });
    for (const [index, name] of names.entries()) writeFileSync(join(rig.cache, name), left[index] ?? '');
    const before = snapshot(rig.cache);
    const words = ['plan', '--no-test', '--detailed-exitcode'];
    expect(await rig.run(words, readOnly(rig.cache))).toMatchObject({code: 0, stderr: ''});
    expect(snapshot(rig.cache)).toEqual(before);
    expect(await rig.run(words)).toMatchObject({code: 0, stderr: ''});
    for (const [index, name] of names.slice(0, 2).entries())
      expect(readFileSync(join(rig.cache, name))).toEqual(left[index]);
  });
});

describe('build', () => {
  /** What is done, and the words of the command. */
  type Change = readonly [name: string, words: readonly string[], change: (rig: Rig) => void];
  const nothing = (): void => undefined;
  const changes: readonly Change[] = [
    ['of nothing', [], nothing],
    ['of a package', [], (rig) => edit(rig, '- curl', '- curl\n  - jq')],
    ['of a file', [], (rig) => rig.write({'setup.sh': 'false\n'})],
    ['of a target option', [], (rig) => edit(rig, 'format: qcow2', 'format: raw')],
    ['of a setting', [], (rig) => edit(rig, 'hostname: web', 'hostname: wub')],
    ['of a tool', [], newMksquashfs],
    ['of the salt', [], (rig) => edit(rig, 'hostname:', 'cache: {salt: once-more}\nhostname:')],
    [
      'of two things',
      [],
      (rig) => {
        edit(rig, 'qcow2', 'raw');
        newMksquashfs(rig);
      },
    ],
    ['by --force', ['--force', 'pack'], nothing],
    ['by --force of several', ['--force', 'kernel', '--force', 'hpc'], nothing],
    ['by --no-cache', ['--no-cache'], nothing],
    ['by --refresh', ['--refresh'], nothing],
    ['by --target', ['--target', 'openstack'], (rig) => edit(rig, 'qcow2', 'raw')],
    [
      'of the artifacts, which are gone',
      [],
      (rig) => rmSync(rig.join('project/artifacts'), {recursive: true}),
    ],
  ];

  it.each(changes)('after a change %s does what plan says', async (_, words, change) => {
    await using rig = await built();
    change(rig);
    const planned = await plan(rig, ...words);
    const {code, stdout} = await rig.run(['build', '--no-test', '--json', '--fail', 'continue', ...words]);
    const events = eventsOf(stdout);
    const [started, cached, skipped] = (['stage-started', 'stage-cached', 'stage-skipped'] as const).map(
      (type) => stagesOf(events, type).toSorted(),
    );
    const [hit, run, blocked] = (['hit', 'run', 'blocked'] as const).map((state) =>
      inState(planned, state).toSorted(),
    );
    expect({started, cached, skipped}).toEqual({started: run, cached: hit, skipped: blocked});
    expect(code).toBe(run?.length === 0 ? 0 : 1);
  });
});

describe('content that is gone', () => {
  it('is not needed where nothing runs and the artifacts are there', async () => {
    await using rig = await built();
    emptied(join(rig.cache, 'objects'));
    expect(inState(await plan(rig), 'hit')).toEqual(stages);
    const {code, stdout} = await rig.run(['build', '--no-test', '--json']);
    expect({code, started: stagesOf(eventsOf(stdout), 'stage-started')}).toEqual({code: 0, started: []});
    expect(rig.cached('objects')).toEqual([]);
  });

  it('is planned to be made again where an artifact is wanted', async () => {
    await using rig = await built();
    emptied(join(rig.cache, 'objects'));
    rmSync(rig.join('project/artifacts'), {recursive: true});
    const planned = await plan(rig);
    expect(inState(planned, 'run')).toEqual(stages);
    expect(new Set(planned.flatMap(({reasons}) => reasons.map(({reason}) => reason)))).toEqual(
      new Set(['content-missing']),
    );
    const {code, stdout} = await rig.run(['build', '--no-test', '--json']);
    // The fake apt fails: all that lies above it stays undone.
    expect({code, started: stagesOf(eventsOf(stdout), 'stage-started')}).toEqual({
      code: 1,
      started: ['archive:debian-bookworm'],
    });
    expect(existsSync(rig.join('project/artifacts/web'))).toBe(false);
  });

  it('of one artifact has that one made again, and what it is made of left alone', async () => {
    await using rig = await built();
    rmSync(join(rig.cache, 'objects', digestOf(await plan(rig), 'pack:web/hpc')), {recursive: true});
    rmSync(rig.join('project/artifacts/web/hpc'));
    const planned = await plan(rig);
    // Its documents were handed out with it.
    expect(inState(planned, 'run')).toEqual(['pack:web/hpc']);
    expect(inState(planned, 'blocked')).toEqual([]);
  });

  it('of documents has them made again, and the artifact taken over', async () => {
    await using rig = await built();
    const path = rig.join('project/artifacts/web/hpc');
    const manifest = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as object;
    // As it is when a newer fgimage has other documents: those that lie there are of another digest.
    const old = readlinkSync(path).replace(/-[0-9a-f]{16}$/, `-${'0'.repeat(16)}`);
    renameSync(join(path, '..', readlinkSync(path)), join(path, '..', old));
    rmSync(path);
    symlinkSync(old, path);
    expect(inState(await plan(rig), 'run')).toEqual([]);
    rmSync(join(rig.cache, 'objects', digestOf(await plan(rig), 'pack:web/hpc')), {recursive: true});
    expect(inState(await plan(rig), 'run')).toEqual([]);
    const {ino} = statSync(join(path, 'artifact'));
    expect((await rig.run(['build', '--no-test'])).code).toBe(0);
    expect(statSync(join(path, 'artifact'))).toMatchObject({ino, nlink: 1});
    expect(readlinkSync(path)).not.toBe(old);
    expect(JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))).toMatchObject(manifest);
    rmSync(join(rig.cache, 'objects', digestOf(await plan(rig), 'sbom:web/hpc')), {recursive: true});
    expect(inState(await plan(rig), 'run')).toEqual([]);
    rmSync(join(path, 'sbom.spdx.json'));
    // A set that is not whole counts for nothing: all of it is wanted.
    expect(inState(await plan(rig), 'run')).toEqual(['pack:web/hpc', 'sbom:web/hpc']);
  });
});

describe('fgimage explain', () => {
  async function explain(rig: Rig, ...words: readonly string[]): Promise<string> {
    const {code, stdout, stderr} = await rig.run(['explain', '--no-test', ...words]);
    expect({code, stderr}).toEqual({code: 0, stderr: ''});
    return stdout;
  }

  it('says that nothing has changed', async () => {
    const rig = shared;
    expect(await explain(rig, 'pack:web/hpc')).toBe(
      'pack:web/hpc is in the cache since 2026-01-01 00:00 UTC: nothing that it is made of has changed\n',
    );
  });

  it.each<[string, (rig: Rig) => void, string, RegExp]>([
    [
      'package',
      (rig) => edit(rig, '- curl', '- jq'),
      'web/packages',
      /^ {2}package added: jq \(fgimage\.yaml:5:5\)\n {2}package removed: curl \(fgimage\.yaml:5:3\)$/,
    ],
    [
      'file',
      (rig) => rig.write({'setup.sh': 'false\n'}),
      'provision-1',
      /^ {2}file changed: setup\.sh \([0-9a-f]{8}… → [0-9a-f]{8}…\)$/,
    ],
    [
      'target option',
      (rig) => edit(rig, 'format: qcow2', 'format: raw'),
      'pack:web/openstack',
      /^ {2}targets\.openstack\.format: qcow2 → raw \(fgimage\.yaml:11:13\)$/,
    ],
    [
      'setting',
      (rig) => edit(rig, 'hostname: web', 'hostname: wub'),
      'settings',
      /^ {2}hostname: web → wub \(fgimage\.yaml:6:11\)$/,
    ],
    [
      'tool',
      newMksquashfs,
      'pack:web/hpc',
      /^ {2}tool changed: mksquashfs \(mksquashfs 1\.0 → mksquashfs 2\.0\)$/,
    ],
    [
      'tool of the same version',
      (rig) => rig.fakeTool('mksquashfs', `[ $# -eq 1 ] && echo 'mksquashfs 1.0' && exit\nexit 8`),
      'pack:web/hpc',
      /^ {2}tool changed: mksquashfs \(mksquashfs 1\.0, sha256 [0-9a-f]{8}… → [0-9a-f]{8}…\)$/,
    ],
    [
      'salt',
      (rig) => edit(rig, 'hostname:', 'cache: {salt: "2"}\nhostname:'),
      'archive',
      /^ {2}cache\.salt: added 2$/,
    ],
    [
      'stage below',
      (rig) => rig.write({'setup.sh': 'false\n'}),
      'adapt:web/hpc',
      /^ {2}waits for customize:web\/provision-1, which runs$/,
    ],
  ])('names the %s that changed', async (_, change, stage, lines) => {
    const rig = shared;
    change(rig);
    const [head = '', ...rest] = (await explain(rig, stage)).trimEnd().split('\n');
    expect(head).toMatch(/ (?:would run|is blocked):$/);
    expect(rest.join('\n')).toMatch(lines);
  });

  /** As if the last run had used another key for a stage, made of these parts (by json_set(1)'s paths). */
  function remember(rig: Rig, stage: string, parts: Readonly<Record<string, string | number>>): void {
    inStore(rig, ({database}) => {
      const last = database
        .prepare('SELECT key FROM run_stages WHERE stage = ?')
        .pluck()
        .get(stage) as string;
      const was = JSON.parse(
        database.prepare('SELECT parts FROM keys WHERE key = ?').pluck().get(last) as string,
      ) as Record<string, unknown>;
      database
        .prepare('INSERT INTO keys (key, parts) VALUES (?, ?)')
        .run('another', JSON.stringify({...was, ...parts}));
      database.prepare(`UPDATE run_stages SET key = 'another' WHERE stage = ?`).run(stage);
      database.prepare('DELETE FROM actions WHERE key = ?').run(last);
    });
  }

  it.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    ['implementation', {version: 0}, /^ {2}version of the stage's code: 0 → 1$/],
    ['kind', {kind: 'files'}, /^ {2}kind of stage: files → settings$/],
    ['environment', {environment: {LANG: 'de_DE'}}, /^ {2}environment LANG: removed de_DE$/m],
  ])('names another %s', async (_, parts, line) => {
    await using rig = await built();
    remember(rig, 'customize:web/settings', parts as Record<string, string>);
    expect((await explain(rig, 'settings')).split('\n').slice(1).join('\n').trimEnd()).toMatch(line);
  });

  it('says that a run began it and did not finish', async () => {
    await using rig = await built();
    rig.write({'setup.sh': 'false\n'});
    const {stdout} = await rig.run(['build', '--no-test', '--json']);
    const [first] = eventsOf(stdout);
    const run = first?.type === 'run-started' ? first.runId : '';
    expect(await explain(rig, 'provision-1')).toBe(
      `customize:web/provision-1 would run:\n  run ${run} began it and did not finish\n`,
    );
  });

  it('says that a stage is new', async () => {
    await using rig = await built();
    edit(rig, '  hpc:', '  other: {type: hpc}\n  hpc:');
    expect(await explain(rig, 'initramfs:web/other')).toMatch(/^initramfs:web\/other /);
    edit(rig, '- shell: setup.sh', '- shell: setup.sh\n  - shell: setup.sh');
    expect(await explain(rig, 'provision-2')).toBe('customize:web/provision-2 would run:\n  never built\n');
  });

  it('says that gc took it, and by which rule', async () => {
    await using rig = await built();
    rmSync(rig.join('project/artifacts'), {recursive: true});
    const gone = await rig.run(['cache', 'gc', '--max-size', '0']);
    expect(gone).toMatchObject({code: 0, stderr: ''});
    expect(rig.cached('objects')).toEqual([]);
    expect(await explain(rig, 'base')).toMatch(
      /^base:debian-bookworm-amd64 would run:\n {2}evicted by gc on \d{4}-\d\d-\d\d \d\d:\d\d UTC: max-size\n$/,
    );
    const base = (await plan(rig)).find(({stage}) => stage === 'base:debian-bookworm-amd64');
    expect(base).toMatchObject({
      state: 'run',
      reasons: [{reason: 'evicted', why: 'max-size', at: expect.any(Number) as number}],
    });
  });

  it('says that the machine stopped too early', async () => {
    await using rig = await built();
    inStore(rig, ({database}) => database.exec(`UPDATE actions SET durable = 0, boot_id = 'an earlier one'`));
    expect(await explain(rig, 'archive')).toBe(
      'archive:debian-bookworm would run:\n  the machine stopped before its content was safely on the disk\n',
    );
  });

  it('says that it was told to run, or not to look', async () => {
    const rig = shared;
    expect(await explain(rig, 'pack:web/hpc', '--force', 'pack')).toBe('pack:web/hpc would run:\n  forced\n');
    expect(await explain(rig, 'archive', '--no-cache')).toBe(
      'archive:debian-bookworm would run:\n  the cache is off\n',
    );
  });

  it('compares with a run of long ago', async () => {
    await using rig = await built();
    edit(rig, 'hostname: web', 'hostname: second');
    await rig.run(['build', '--no-test']);
    edit(rig, 'hostname: web', 'hostname: third');
    const last = await explain(rig, 'settings');
    expect(last).toContain('  hostname: second → third (fgimage.yaml:6:11)\n');
    const runs = JSON.parse((await rig.run(['stats', '--json'])).stdout) as {
      lastRuns: readonly {id: string}[];
    };
    const first = runs.lastRuns[1]?.id.slice(0, 8) ?? '';
    expect(await explain(rig, 'settings', '--against', first)).toMatch(
      new RegExp(
        `^customize:web/settings against run ${first} of .* UTC:\n {2}hostname: web → third \\(fgimage\\.yaml:6:11\\)\n$`,
      ),
    );
    const unknown = await rig.run(['explain', 'settings', '--no-test', '--against', 'ffffffff']);
    expect(unknown).toMatchObject({code: 2, stdout: ''});
    expect(unknown.stderr).toMatch(/^error: .*ffffffff/);
  });

  it('tells the same as JSON', async () => {
    const rig = shared;
    rig.write({'setup.sh': 'false\n'});
    expect(JSON.parse(await explain(rig, 'provision-1', '--json'))).toEqual({
      version: 1,
      stage: 'customize:web/provision-1',
      state: 'run',
      reasons: [
        {
          reason: 'file-changed',
          path: 'setup.sh',
          was: createHash('sha256').update('true\n').digest('hex'),
          is: createHash('sha256').update('false\n').digest('hex'),
        },
      ],
    });
  });

  it.each<[string, string]>([
    ['pakages', 'error: There is no stage pakages\n  mend: Did you mean packages?\n'],
    [
      'pack',
      'error: pack is a part of the names of several stages\n  mend: Name one of pack:web/openstack, pack:web/hpc\n',
    ],
  ])('refuses %s with the nearest', async (name, stderr) => {
    const rig = shared;
    expect(await rig.run(['explain', name, '--no-test'])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr,
    });
  });
});

describe('fgimage why', () => {
  const why = (rig: Rig, ...words: readonly string[]): Promise<Ended> =>
    rig.run(['why', ...words, '--no-test']);
  const sha = createHash('sha256').update('true\n').digest('hex');

  it.each<[string, string, string]>([
    [
      'web/openstack',
      'setup.sh',
      `pack:web/openstack\n  └ customize:web/provision-1\n    └ file setup.sh (SHA-256 ${sha})\n`,
    ],
    ['web/hpc', 'curl', 'pack:web/hpc\n  └ customize:web/packages\n    └ package curl\n'],
    ['web', 'mksquashfs', 'pack:web/hpc\n  └ tool mksquashfs\n'],
    [
      'adapt:web/hpc',
      'provision[0]',
      'adapt:web/hpc\n  └ customize:web/provision-1\n    └ option provision[0]\n',
    ],
    ['web/hpc', 'targets.hpc.compression', 'pack:web/hpc\n  └ option targets.hpc.compression\n'],
  ])('shows how %s comes to hold %s', async (artifact, input, stdout) => {
    const rig = shared;
    expect(await why(rig, artifact, input)).toEqual({code: 0, signal: null, stdout, stderr: ''});
  });

  it.each<[string, string, string]>([
    ['web/openstack', 'mksquashfs', 'web/openstack is not made of mksquashfs'],
    ['web/openstack', 'setup.s', 'Did you mean setup.sh?'],
    ['web/openstak', 'setup.sh', 'Did you mean web/openstack?'],
  ])('refuses %s %s with the nearest', async (artifact, input, part) => {
    const rig = shared;
    const {code, stdout, stderr} = await why(rig, artifact, input);
    expect({code, stdout}).toEqual({code: 2, stdout: ''});
    expect(stderr).toContain(part);
  });
});

describe('fgimage graph', () => {
  async function graph(rig: Rig, format: string): Promise<string> {
    const {code, stdout, stderr} = await rig.run(['graph', '--no-test', '--format', format]);
    expect({code, stderr}).toEqual({code: 0, stderr: ''});
    return stdout;
  }

  it('draws every stage in its state, in each format', async () => {
    const rig = shared;
    edit(rig, '- curl', '- curl\n  - jq');
    expect((await rig.run(['graph', '--no-test'])).stdout).toBe(await graph(rig, 'mermaid'));
    const mermaid = await graph(rig, 'mermaid');
    expect(mermaid).toMatch(/^flowchart /);
    const dot = await graph(rig, 'dot');
    expect(dot).toMatch(/^digraph /);
    const svg = await graph(rig, 'svg');
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    for (const [state, list] of [
      ['hit', below],
      ['run', ['customize:web/packages']],
      ['blocked', ['customize:web/settings', 'customize:web/provision-1', ...above]],
    ] as const) {
      for (const stage of list) {
        expect(mermaid).toContain(`["${stage}"]:::${state}\n`);
        expect(dot).toMatch(new RegExp(`^ {2}"${stage}" \\[.*: ${state}"\\];$`, 'm'));
        expect(svg).toMatch(new RegExp(`<title>${stage}\n[^<]*: ${state}</title>`));
      }
    }
    const json = JSON.parse(await graph(rig, 'json')) as {
      stages: readonly {id: string; state: string; dependsOn: readonly string[]}[];
    };
    expect(json.stages.map(({id, state}) => ({stage: id, state}))).toEqual(
      (await plan(rig)).map(({stage, state}) => ({stage, state})),
    );
  });

  it('refuses another format', async () => {
    const rig = shared;
    expect(await rig.run(['graph', '--format', 'png'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: --format wants one of mermaid, dot, json, svg, not png\n/,
      ) as string,
    });
  });
});
