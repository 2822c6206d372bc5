import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {otherEnvironment} from '../../../src/compare/fresh-place.ts';
import {likelyCause} from '../../../src/compare/likely.ts';
import {diffRuns, isSameOutcome, type RunFacts} from '../../../src/compare/runs.ts';
import {actualFiles, compareObjects, judgeArtifacts, judgeStages} from '../../../src/compare/verdict.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

describe('judgeStages()', () => {
  const fresh = [
    {stage: 'base', dependsOn: [], key: 'k1', digest: 'd1'},
    {stage: 'provision', dependsOn: ['base'], key: 'k2', digest: 'd2b'},
    {stage: 'initramfs', dependsOn: ['base'], key: 'k3', digest: 'd3'},
    {stage: 'pack', dependsOn: ['provision', 'initramfs'], key: 'k4b', digest: 'd4b'},
    {stage: 'test', dependsOn: ['pack'], key: 'k5b', digest: 'd5b'},
  ];

  const keys = new Map([
    ['k1', 'd1'],
    ['k2', 'd2'],
    ['k3', 'd3'],
    ['k4', 'd4'],
  ]);
  const ofKey = (key: string): string | undefined => keys.get(key);

  it('tells the stage that differs from those that follow', () => {
    const digests = new Map([['pack', 'd4']]);
    const verdicts = judgeStages(fresh, {ofKey, ofStage: (stage) => digests.get(stage)});
    expect(verdicts.map(({verdict}) => verdict)).toEqual(['same', 'differs', 'same', 'follows', 'follows']);
    expect(verdicts.map(({was}) => was)).toEqual(['d1', 'd2', 'd3', 'd4', undefined]);
  });

  it('takes a stage for the same that is made of something else, and what follows it', () => {
    const digests = new Map([
      ['pack', 'd4b'],
      ['test', 'd5b'],
    ]);
    keys.set('k5b', 'd5b');
    const verdicts = judgeStages(fresh, {ofKey, ofStage: (stage) => digests.get(stage)});
    expect(verdicts.map(({verdict}) => verdict)).toEqual(['same', 'differs', 'same', 'same', 'same']);
  });

  it('tells a key that nothing is recorded of', () => {
    const onlyBase = (key: string): string | undefined => (key === 'k1' ? 'd1' : undefined);
    const verdicts = judgeStages(fresh.slice(0, 2), {ofKey: onlyBase, ofStage: () => 'd2'});
    expect(verdicts.map(({verdict}) => verdict)).toEqual(['same', 'unrecorded']);
  });
});

describe('judgeArtifacts()', () => {
  it('pairs files by path', () => {
    const files = [
      {path: 'b', sha256: '2'},
      {path: 'a', sha256: '1'},
    ];
    expect(
      judgeArtifacts(files, [
        {path: 'b', sha256: '3'},
        {path: 'c', sha256: '4'},
      ]),
    ).toEqual([
      {path: 'a', was: '1'},
      {path: 'b', was: '2', is: '3'},
      {path: 'c', is: '4'},
    ]);
  });

  it('takes the bytes as they are, not as they are listed', () => {
    using folder = new TemporaryFolder({disk: 'changed\n'});
    const listed = [
      {path: 'disk', sha256: 'aa'},
      {path: 'gone', sha256: 'bb'},
    ];
    expect(actualFiles(folder.path, listed)).toEqual([{path: 'disk', sha256: sha256('changed\n')}]);
  });
});

describe('compareObjects()', () => {
  it('names the file of a layer, and where it differs', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const was = await publishFiles(store, {'etc/stamp': 'one 1700000000\n', 'etc/same': 'same'});
    const is = await publishFiles(store, {'etc/stamp': 'one 1700000001\n', 'etc/same': 'same'});
    const objects = {was: store.objectPath(was), is: store.objectPath(is)};
    const options = {work: cache.folder.path, signal: AbortSignal.timeout(60_000)};
    const found = await compareObjects(objects, options);
    expect(found?.entries?.map(({path}) => path)).toEqual(['etc/stamp']);
    expect(found?.content?.path).toBe('etc/stamp');
    expect(found?.content?.difference.offset).toBe(13);
    expect(await compareObjects({...objects, was: store.objectPath('gone')}, options)).toBeUndefined();
  });
});

describe('likelyCause()', () => {
  const line = (a: string, b: string) => ({
    offset: 0,
    sizes: {a: 1, b: 1},
    place: [],
    bytes: {a: '', b: ''},
    line: {number: 1, a, b},
  });

  it.each([
    ['etc/ssh/ssh_host_rsa_key', undefined, /host keys/],
    ['usr/lib/python3/x.pyc', undefined, /compiled Python/],
    ['etc/stamp', line('built at 1732281234', 'built at 1732281299'), /SOURCE_DATE_EPOCH/],
    ['etc/stamp', line('1732281234123456789', '1732281299123456789'), /SOURCE_DATE_EPOCH/],
    ['etc/stamp', line('2026-11-22 12:00', '2026-11-22 12:01'), /SOURCE_DATE_EPOCH/],
    ['etc/id', line('6b86b273ff34fce19d6b804eff5a3f57', 'd4735e3a265e16eee03f59718b9b5d03'), /random/],
    ['disk.raw', {...line('', ''), place: ['ext4', 'super block', 's_mkfs_time']}, /time of the build/],
    [
      'disk.raw',
      {...line('', ''), place: ['ext4', 'super block', 's_hash_seed']},
      /id that is made at random/,
    ],
  ])('knows what makes %s another one', (path, difference, cause) => {
    expect(likelyCause(path, difference)).toMatch(cause);
  });

  it('says nothing of what it does not know', () => {
    expect(likelyCause('etc/motd', line('hello', 'hallo'))).toBeUndefined();
  });
});

describe('otherEnvironment()', () => {
  it('gives another time zone and locale than those of now', () => {
    for (const now of [{}, {TZ: 'Pacific/Chatham', LC_ALL: 'C'}, {TZ: 'UTC', LANG: 'de_DE.UTF-8'}]) {
      const other = otherEnvironment(now);
      expect(other.TZ).not.toBe('TZ' in now ? now.TZ : undefined);
      expect(other.LC_ALL).not.toBe('LC_ALL' in now ? now.LC_ALL : 'LANG' in now ? now.LANG : 'C');
    }
  });
});

describe('diffRuns()', () => {
  const stage = (name: string, key: string, digest: string, state: 'run' | 'cached' = 'run') => ({
    stage: name,
    state,
    key,
    digest,
    durationMs: 5,
  });
  const run = (...stages: RunFacts['stages']): RunFacts => ({durationMs: 10, stages});

  it('tells another key, another result of one key, and what only ran once', () => {
    const a = run(
      stage('base', 'k1', 'd1'),
      stage('one', 'k2', 'd2'),
      stage('two', 'k3', 'd3'),
      stage('gone', 'k', 'd'),
    );
    const b = run(
      stage('base', 'k1', 'd1', 'cached'),
      stage('one', 'k2', 'd2b'),
      stage('two', 'k3b', 'd3b'),
      stage('new', 'k', 'd'),
    );
    const changes = diffRuns({a, b}, (name, keys) => [
      {reason: 'salt', was: `${name} ${keys.a}`, is: keys.b},
    ]);
    expect(changes.stages.map(({stage: name, change, reasons}) => [name, change, reasons])).toEqual([
      ['base', 'state', undefined],
      ['one', 'result', undefined],
      ['two', 'key', [{reason: 'salt', was: 'two k3', is: 'k3b'}]],
      ['new', 'added', undefined],
      ['gone', 'removed', undefined],
    ]);
    expect(isSameOutcome(changes)).toBe(false);
  });

  it('calls runs the same whose stages gave the same', () => {
    const changes = diffRuns(
      {a: run(stage('base', 'k', 'd')), b: run(stage('base', 'k', 'd', 'cached'))},
      () => [],
    );
    expect([changes.stages.length, isSameOutcome(changes)]).toEqual([1, true]);
  });
});
