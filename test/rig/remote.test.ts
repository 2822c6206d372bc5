import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {ActionRecord} from '../../cache/record.ts';
import {openBackend} from '../../cache/remote/open.ts';
import {RemoteCache} from '../../cache/remote/remote-cache.ts';
import {generateKeyPair, parseSigningKey} from '../../cache/remote/signature.ts';
import {Store} from '../../cache/store.ts';
import type {RunEvent} from '../../src/run/events.ts';
import {pathsBelow} from './recorded.ts';
import {eventsOf, Rig, type RigOptions, stagesOf} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {bothTargets, fakeApt, spec} from './specs.ts';
import {TemporaryFolder} from './temporary-folder.ts';

const archive = ['curl', 'jq', 'openssh-server'];
const pair = generateKeyPair();
const trusting = {env: {FGIMAGE_CACHE_TRUSTED_KEYS: pair.publicKey}};
/** What is handed out. */
const outputs = ['pack:web/hpc', 'pack:web/openstack', 'sbom:web/hpc', 'sbom:web/openstack'];

/** A remote cache in a folder that has everything of the spec, as another machine put it there. */
async function warm(
  share: TemporaryFolder,
  {text = bothTargets, signedBy = pair}: {text?: string; signedBy?: typeof pair} = {},
): Promise<ReadonlyMap<string, ActionRecord>> {
  await using other = new Rig({'fgimage.yaml': text});
  fakeAllTools(other);
  await seedCache(other, {packages: archive, test: false});
  const store = Store.open(other.cache);
  const records = new Map<string, ActionRecord>();
  try {
    const warnings: string[] = [];
    const remote = new RemoteCache({
      backend: openBackend(share.path, {env: {}}),
      mode: 'rw',
      trustedKeys: [],
      signingKey: parseSigningKey(signedBy.privatePem),
      workFolder: other.join('tmp'),
      warn: (message) => warnings.push(message),
    });
    for (const key of store.database.prepare('SELECT key FROM actions').pluck().all() as string[]) {
      const action = store.lookup(key);
      if (action === undefined) throw new Error('The seed has no content');
      const record: ActionRecord = {...action, parts: store.keyParts(key)};
      records.set(record.stage, record);
      remote.upload(record, {treeFolder: store.treePath(record.digest)});
    }
    await remote.finish();
    expect(warnings).toEqual([]);
  } finally {
    store.close();
  }
  return records;
}

/** Another machine, with the same programs and an empty cache. */
function machine(text = bothTargets): Rig {
  const rig = new Rig({'fgimage.yaml': text});
  fakeAllTools(rig);
  return rig;
}

interface Run {
  readonly code: number | null;
  readonly events: readonly RunEvent[];
  readonly started: readonly string[];
  readonly fetched: readonly string[];
  readonly warnings: readonly string[];
}

async function build(rig: Rig, share: TemporaryFolder, options: RigOptions = trusting): Promise<Run> {
  const words = ['build', '--no-test', '--json', '--remote-cache', share.path];
  const {code, stdout} = await rig.run(words, options);
  const events = eventsOf(stdout);
  return {
    code,
    events,
    started: stagesOf(events, 'stage-started').toSorted(),
    fetched: stagesOf(events, 'stage-fetched').toSorted(),
    warnings: events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
  };
}

function artifact(rig: Rig, target: string): string {
  return readFileSync(rig.join('project/artifacts/web', target, 'artifact'), 'utf8');
}

describe('a machine with an empty cache and a warm remote', () => {
  it('makes the artifacts without running a stage, and fetches nothing but them', async () => {
    using share = new TemporaryFolder();
    const records = await warm(share);
    await using rig = machine();
    const run = await build(rig, share);
    expect(run).toMatchObject({code: 0, started: [], fetched: outputs, warnings: []});
    for (const target of ['hpc', 'openstack'])
      expect(artifact(rig, target)).toBe(`content of pack:web/${target}`);
    expect(rig.cached('objects')).toEqual(outputs.map((stage) => records.get(stage)?.digest).toSorted());
    expect(run.events.flatMap((event) => (event.type === 'stage-cached' ? [event.from] : []))).toEqual(
      Array.from({length: 14}, () => 'remote'),
    );
    expect(run.events.at(-1)).toMatchObject({
      type: 'run-finished',
      stages: {run: 0, cached: 14, failed: 0, skipped: 0},
      savedMs: 14_000,
      remote: expect.stringMatching(
        /^remote: read-only, 14 of 14 hit, .* fetched, 0 uploads \(no signing key\)$/,
      ) as string,
    });
    expect(rig.cached('tmp')).toEqual([]);
    expect(readdirSync(share.path).toSorted()).toEqual(['ac', 'cas', 'tmp']);
  });

  it('does without the remote the next time, as long as the key is trusted', async () => {
    using share = new TemporaryFolder();
    await warm(share);
    await using rig = machine();
    await build(rig, share);
    const words = ['build', '--no-test', '--json', '--cache', 'remote:off'];
    const again = await rig.run(words, trusting);
    expect(again.code).toBe(0);
    expect(stagesOf(eventsOf(again.stdout), 'stage-started')).toEqual([]);
    expect(stagesOf(eventsOf(again.stdout), 'stage-fetched')).toEqual([]);
    const other = {env: {FGIMAGE_CACHE_TRUSTED_KEYS: generateKeyPair().publicKey}};
    const revoked = await rig.run(words, other);
    expect(revoked.code).toBe(1);
    expect(stagesOf(eventsOf(revoked.stdout), 'stage-started')).toEqual(['archive:debian-bookworm']);
  });

  it('fetches what a stage that must run needs', async () => {
    using share = new TemporaryFolder();
    await warm(share);
    await using rig = machine(bothTargets.replace('- curl', '- curl\n  - jq'));
    const run = await build(rig, share);
    expect(run.started).toEqual(['customize:web/packages']);
    expect(run.fetched).toEqual([
      'archive:debian-bookworm',
      'base:debian-bookworm-amd64',
      'customize:web/kernel',
      'customize:web/platform',
    ]);
  });

  it('is told so by plan, which fetches nothing', async () => {
    using share = new TemporaryFolder();
    await warm(share);
    await using rig = machine();
    const words = ['plan', '--no-test', '--remote-cache', share.path, '--detailed-exitcode'];
    const {code, stdout, stderr} = await rig.run(words, trusting);
    expect({code, stderr}).toEqual({code: 10, stderr: ''});
    const rows = stdout.trimEnd().split('\n').slice(1, -1);
    expect(rows).toHaveLength(14);
    for (const row of rows) {
      const isOutput = outputs.some((stage) => row.includes(stage));
      expect(row).toMatch(isOutput ? /^hit .* content comes from the remote cache$/ : /^hit {2}\S+$/);
    }
    expect(existsSync(rig.cache)).toBe(false);
  });

  it('takes the URL and the keys from the spec too', async () => {
    using share = new TemporaryFolder();
    const text = `${bothTargets}cache: {remote: {url: "file://${share.path}", trusted_keys: ["${pair.publicKey}"]}}\n`;
    await warm(share, {text});
    await using rig = machine(text);
    const {code, stdout} = await rig.run(['build', '--no-test', '--json']);
    expect({code, started: stagesOf(eventsOf(stdout), 'stage-started')}).toEqual({code: 0, started: []});
  });
});

describe('a record of the remote that cannot be believed', () => {
  /** What somebody did to the record of the package lists, and what is said of it. */
  const poisons: readonly (readonly [string, (path: string, records: string) => void, string])[] = [
    [
      'a bit of it is turned over',
      (path) => {
        const text = readFileSync(path, 'utf8');
        const changed = text.replace('"durationMs":1000', '"durationMs":1001');
        expect(changed).not.toBe(text);
        writeFileSync(path, changed);
      },
      'not what its signature is for',
    ],
    [
      'it is not signed',
      (path) => {
        const record = JSON.parse(readFileSync(path, 'utf8')) as object;
        writeFileSync(path, JSON.stringify({...record, signature: undefined}));
      },
      'not signed',
    ],
    [
      'it is that of another stage',
      (path, records) => {
        const other = readdirSync(records).find((name) => !path.endsWith(name)) ?? '';
        copyFileSync(join(records, other), path);
      },
      'the record of another stage',
    ],
    ['it is no record', (path) => writeFileSync(path, '<html>'), 'not a record of fgimage'],
    ['it is empty', (path) => truncateSync(path), 'not a record of fgimage'],
  ];

  it.each(poisons)('is ignored with one line where %s, and the stage runs', async (_, poison, words) => {
    using share = new TemporaryFolder();
    const records = await warm(share);
    const key = records.get('archive:debian-bookworm')?.key ?? '';
    poison(share.join('ac', key), share.join('ac'));
    await using rig = machine();
    const run = await build(rig, share);
    expect(run).toMatchObject({
      code: 1,
      started: ['archive:debian-bookworm'],
      warnings: [`A record of the remote cache ${share.path} is ignored: it is ${words}`],
    });
    expect(run.events.at(-1)).toMatchObject({
      remote: expect.stringContaining('0 of 1 hit') as string,
      outputs: [{state: 'skipped'}, {state: 'skipped'}],
    });
  });

  it('is ignored where a key signed it that nobody trusts, all of them with one line', async () => {
    using share = new TemporaryFolder();
    const stranger = generateKeyPair();
    await warm(share, {signedBy: stranger});
    await using rig = machine();
    rig.fakeTool('apt-get', fakeApt(rig.join(), {packages: archive}));
    const run = await build(rig, share);
    expect(run.started).toEqual(['archive:debian-bookworm', 'base:debian-bookworm-amd64']);
    expect(run.warnings).toEqual([]);
    // The other apt made other keys; with the same programs the records are found, and not believed.
    await using same = machine();
    const refused = await build(same, share);
    expect(refused.started).toEqual(['archive:debian-bookworm']);
    expect(refused.warnings).toEqual([
      `A record of the remote cache ${share.path} is ignored: it is signed by a key that is not trusted, ${stranger.id}`,
    ]);
  });
});

describe('content of the remote that is not what its record says', () => {
  it.each<[string, (path: string) => void]>([
    ['truncated', (path) => truncateSync(path, Math.floor(statSync(path).size / 2))],
    [
      'another',
      (path) => {
        const bytes = readFileSync(path);
        bytes[20] = (bytes[20] ?? 0) ^ 1;
        writeFileSync(path, bytes);
      },
    ],
  ])('%s is not taken: the stage runs on what the remote has of the stages below it', async (_, spoil) => {
    using share = new TemporaryFolder();
    const records = await warm(share);
    const record = JSON.parse(
      readFileSync(share.join('ac', records.get('pack:web/hpc')?.key ?? ''), 'utf8'),
    ) as {object: {sha256: string}};
    spoil(share.join('cas', record.object.sha256));
    await using rig = machine();
    const run = await build(rig, share);
    expect(run).toMatchObject({code: 1, started: ['pack:web/hpc']});
    expect(run.warnings.length).toBeGreaterThan(0);
    expect(run.fetched).toContain('base:debian-bookworm-amd64');
    expect(artifact(rig, 'openstack')).toBe('content of pack:web/openstack');
    expect(existsSync(rig.join('project/artifacts/web/hpc'))).toBe(false);
    expect(rig.cached('objects')).not.toContain(records.get('pack:web/hpc')?.digest);
  });
});

describe('uploads', () => {
  const text = spec('targets: {hpc: }\n');

  /** A machine whose package lists can be read, and nothing more. */
  function reading(): Rig {
    const rig = machine(text);
    rig.fakeTool('apt-get', fakeApt('/nowhere', {packages: archive}).replace(/^echo .*\/nowhere.*$/m, ''));
    return rig;
  }

  /** A key pair as the command makes it. */
  async function keygen(rig: Rig): Promise<{file: string; publicKey: string}> {
    const {code, stdout} = await rig.run(['cache', 'keygen', 'key.pem']);
    expect(code).toBe(0);
    expect(statSync(rig.join('project/key.pem')).mode & 0o777).toBe(0o600);
    return {file: rig.join('project/key.pem'), publicKey: /ed25519:[\w+/=]+/.exec(stdout)?.[0] ?? ''};
  }

  it('bring what a machine makes to all others that trust its key', async () => {
    using share = new TemporaryFolder();
    await using first = reading();
    const {file, publicKey} = await keygen(first);
    const made = await build(first, share, {env: {FGIMAGE_CACHE_SIGNING_KEY: file}});
    expect(made).toMatchObject({code: 1, warnings: []});
    expect(made.events.at(-1)).toMatchObject({
      remote: expect.stringMatching(/^remote: read-write, 0 of 2 hit, 0 B fetched, 1 upload \(/) as string,
    });
    expect(readdirSync(share.join('ac'))).toHaveLength(1);

    await using second = reading();
    const taken = await build(second, share, {env: {FGIMAGE_CACHE_TRUSTED_KEYS: publicKey}});
    expect(taken).toMatchObject({
      started: ['base:debian-bookworm-amd64'],
      fetched: ['archive:debian-bookworm'],
      warnings: [],
    });
    expect((await second.run(['logs', 'archive'])).stdout).toBe('Reading package lists...\n');
  });

  it('are not made for a change that is not merged yet, nor without a key', async () => {
    using share = new TemporaryFolder();
    await using rig = reading();
    const {file, publicKey} = await keygen(rig);
    for (const env of [
      {FGIMAGE_CACHE_SIGNING_KEY: file, GITHUB_EVENT_NAME: 'pull_request'},
      {FGIMAGE_CACHE_TRUSTED_KEYS: publicKey, FGIMAGE_CACHE_SIGNING_KEY: ''},
    ]) {
      const run = await build(rig, share, {env});
      expect(run.warnings).toEqual([]);
      expect(run.events.at(-1)).toMatchObject({
        remote: expect.stringMatching(/^remote: read-only, .* 0 uploads/) as string,
      });
      expect(pathsBelow(share.path)).toEqual([]);
    }
  });

  it('that fail are one warning', async () => {
    using share = new TemporaryFolder();
    await using rig = reading();
    const {file} = await keygen(rig);
    const gone = share.join('gone');
    const {code, stdout} = await rig.run(['build', '--no-test', '--json', '--remote-cache', gone], {
      env: {FGIMAGE_CACHE_SIGNING_KEY: file},
    });
    const events = eventsOf(stdout);
    expect(code).toBe(1);
    expect(stagesOf(events, 'stage-finished')).toEqual(['archive:debian-bookworm']);
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event] : []));
    expect(warnings).toMatchObject([
      {
        message: expect.stringMatching(/^Remote cache: The folder .*\/gone cannot be used: ENOENT/) as string,
        hint: `Check that ${gone} is there and mounted, that its disk has room, and that you may use it.`,
      },
    ]);
    mkdirSync(gone);
    expect(pathsBelow(gone)).toEqual([]);
  });
});

describe('a remote cache without anybody to trust', () => {
  it('is refused with what to do', async () => {
    await using rig = machine();
    expect(await rig.run(['build', '--no-test', '--remote-cache', '/srv/cache'])).toEqual({
      code: 2,
      signal: null,
      stdout: '',
      stderr:
        'error: The remote cache has nobody whose records count\n' +
        '  mend: Name public keys under cache.remote.trusted_keys or in $FGIMAGE_CACHE_TRUSTED_KEYS; "fgimage cache keygen" makes a pair\n',
    });
  });
});
