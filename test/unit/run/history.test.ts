import {resolve} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Store} from '../../../cache/store.ts';
import {estimateMs, typicalDurations} from '../../../src/run/estimates.ts';
import type {RunEvent} from '../../../src/run/events.ts';
import {
  lastKeyOf,
  lastRuns,
  type PastRun,
  RunHistory,
  resolveRun,
  stageOfRun,
  stagesOfRun,
} from '../../../src/run/history.ts';
import {TemporaryStore} from '../../rig/stored.ts';
import {at, digest} from '../ui/events.ts';
import {noteRun, ran, type StageFate} from './past.ts';

const events: readonly RunEvent[] = [
  {
    type: 'run-started',
    version: 2,
    time: at(0),
    runId: 'r',
    file: 'fgimage.yaml',
    command: 'fgimage build',
    images: ['web'],
  },
  ...['a', 'b', 'c', 'd', 'e'].map(
    (stage): RunEvent => ({
      type: 'stage-planned',
      time: at(0),
      stage,
      kind: 'base',
      title: stage,
      dependsOn: [],
    }),
  ),
  {
    type: 'stage-cached',
    time: at(1),
    stage: 'a',
    key: 'key-a',
    digest: 'd',
    from: 'remote',
    savedMs: 4000,
    log: 'log-a',
  },
  {type: 'stage-started', time: at(2), stage: 'b', key: 'key-b', logPath: '/logs/b'},
  {type: 'stage-log', time: at(2), stage: 'b', line: 'text'},
  {
    type: 'stage-finished',
    time: at(3),
    stage: 'b',
    digest: 'd',
    durationMs: 12,
    log: 'log-b',
    unchanged: false,
  },
  {type: 'stage-started', time: at(4), stage: 'c', key: 'key-c', logPath: '/logs/c'},
  {
    type: 'stage-failed',
    time: at(5),
    stage: 'c',
    durationMs: 34,
    failure: {reason: 'refused', message: 'no', hint: 'yes'},
    log: 'log-c',
  },
  {type: 'stage-skipped', time: at(5), stage: 'd', because: 'c'},
  {
    type: 'stage-failed',
    time: at(5),
    stage: 'e',
    durationMs: 0,
    failure: {reason: 'input-changed', paths: []},
  },
];

const finished: RunEvent = {
  type: 'run-finished',
  time: at(6),
  outcome: 'failed',
  durationMs: 50,
  stages: {run: 1, cached: 1, failed: 2, skipped: 1},
  savedMs: 4000,
  criticalPath: [],
  outputs: [],
};

/** A record of a key whose content is not looked at. */
function record(store: Store, key: string, startedAt: number): void {
  store.record({
    key,
    stage: key,
    digest: digest('d'),
    sizeBytes: 1,
    durationMs: 1,
    startedAt,
    parts: {},
    result: {},
  });
}

function rowCount(store: Store): number {
  return store.database.prepare('SELECT COUNT(*) FROM run_stages').pluck().get() as number;
}

describe('RunHistory', () => {
  it('keeps a run with what became of its stages, once it has ended', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    const history = new RunHistory(database, {file: 'fgimage.yaml', command: 'fgimage build'});
    for (const event of events) history.note(event);
    expect(lastRuns(database, undefined, 10)).toEqual([]);
    expect(history.savedMs).toBe(4000);
    history.note(finished);
    const run: PastRun = {
      id: history.id,
      file: resolve('fgimage.yaml'),
      command: 'fgimage build',
      pid: process.pid,
      startedAt: at(0),
      durationMs: 50,
      outcome: 'failed',
      savedMs: 4000,
      stagesOf: history.id,
    };
    expect(lastRuns(database, undefined, 10)).toEqual([run]);
    expect(stagesOfRun(database, run)).toEqual([
      {stage: 'a', state: 'cached', key: 'key-a', durationMs: 0, log: 'log-a'},
      {stage: 'b', state: 'run', key: 'key-b', durationMs: 12, startedAt: at(2), log: 'log-b'},
      {stage: 'c', state: 'failed', key: 'key-c', durationMs: 34, startedAt: at(4), log: 'log-c'},
      {stage: 'd', state: 'skipped', durationMs: 0},
      {stage: 'e', state: 'failed', durationMs: 0},
    ]);
    expect(stageOfRun(database, run, 'd')).toEqual({stage: 'd', state: 'skipped', durationMs: 0});
    expect(stageOfRun(database, run, 'f')).toBeUndefined();
  });

  it('counts a cached stage that had to run after all as run, and saves nothing by it', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    const history = new RunHistory(database, {file: 'fgimage.yaml', command: 'fgimage build'});
    const stage = 'a';
    const log = 'log';
    for (const event of events.slice(0, 7)) history.note(event);
    history.note({type: 'stage-started', time: at(2), stage, key: 'key-a', logPath: '/logs/a'});
    history.note({
      type: 'stage-finished',
      time: at(9),
      stage,
      digest: 'd',
      durationMs: 7000,
      log,
      unchanged: true,
    });
    expect(history.savedMs).toBe(0);
    history.note(finished);
    expect(stageOfRun(database, resolveRun(database, history.id), 'a')).toEqual({
      stage,
      state: 'run',
      key: 'key-a',
      durationMs: 7000,
      startedAt: at(2),
      log,
    });
  });

  it('keeps a stage as run that is found in the cache when the graph is gone through once more', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    const history = new RunHistory(database, {file: 'fgimage.yaml', command: 'fgimage build'});
    for (const event of events) history.note(event);
    const [stage, key] = ['b', 'key-b'];
    history.note({type: 'stage-cached', time: at(6), stage, key, digest: 'd', from: 'local', savedMs: 12});
    history.note(finished);
    expect(history.savedMs).toBe(4000);
    expect(stageOfRun(database, resolveRun(database, history.id), stage)).toMatchObject({
      state: 'run',
      durationMs: 12,
    });
  });

  it('writes one row for a run in which nothing was done, however many stages it has', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const many = Array.from({length: 1000}, (_, index) => `customize:i${index}/packages`);
    const all = (state: 'run' | 'cached', key: string): readonly StageFate[] =>
      many.map((stage) => ({stage, state, key: `${key}-${stage}`, durationMs: 1000}));
    const first = noteRun(store, {at: 0, stages: all('run', 'one')});
    const hits = noteRun(store, {at: 1, stages: all('cached', 'one')});
    expect(rowCount(store)).toBe(2000);
    const again = [2, 3].map((seconds) => noteRun(store, {at: seconds, stages: all('cached', 'one')}));
    expect(rowCount(store)).toBe(2000);
    expect(lastRuns(store.database, undefined, 10).map(({id, stagesOf}) => [id, stagesOf])).toEqual([
      [again[1], hits],
      [again[0], hits],
      [hits, hits],
      [first, first],
    ]);
    const [last = ''] = again;
    expect(stagesOfRun(store.database, resolveRun(store.database, last))).toHaveLength(1000);
  });

  it('writes the stages of other hits: another key, another spec, fewer stages, a run in between', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const hit = (stage: string, key: string): StageFate => ({stage, state: 'cached', key});
    noteRun(store, {at: 0, stages: [hit('a', '1'), hit('b', '1')]});
    noteRun(store, {at: 1, stages: [hit('a', '1'), hit('b', '2')]});
    expect(rowCount(store)).toBe(4);
    noteRun(store, {at: 2, stages: [hit('a', '1'), hit('b', '2')], file: 'other.yaml'});
    expect(rowCount(store)).toBe(6);
    noteRun(store, {at: 3, stages: [hit('a', '1')]});
    expect(rowCount(store)).toBe(7);
    noteRun(store, {at: 4, stages: [hit('a', '1'), {stage: 'b', state: 'failed', key: '2'}]});
    noteRun(store, {at: 5, stages: [hit('a', '1'), hit('b', '2')]});
    expect(rowCount(store)).toBe(11);
    noteRun(store, {at: 6, stages: [hit('a', '1'), hit('b', '2')]});
    expect(rowCount(store)).toBe(11);
  });

  it('marks the records of its stages as used, to the hour', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const now = at(0);
    for (const key of ['old', 'recent', 'other', 'failed']) record(store, key, now);
    const age = store.database.prepare('UPDATE actions SET last_used_at = ? WHERE key = ?');
    const [long, short] = [now - 3_600_001, now - 3_599_999];
    for (const [key, time] of [
      ['old', long],
      ['recent', short],
      ['other', long],
      ['failed', long],
    ] as const)
      age.run(time, key);
    noteRun(store, {
      at: 0,
      stages: [
        {stage: 'a', state: 'cached', key: 'old'},
        {stage: 'b', state: 'run', key: 'recent'},
        {stage: 'c', state: 'failed', key: 'failed'},
      ],
    });
    expect(store.database.prepare('SELECT key, last_used_at FROM actions ORDER BY key').raw().all()).toEqual([
      ['failed', long],
      ['old', now],
      ['other', long],
      ['recent', short],
    ]);
  });
});

describe('the history', () => {
  it('finds a run by the beginning of its id, and says when there is none or more than one', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const id = noteRun(store, {at: 0, stages: []});
    expect(resolveRun(store.database, id.slice(0, 4)).id).toBe(id);
    store.database.prepare("UPDATE runs SET id = 'ab1'").run();
    noteRun(store, {at: 1, stages: []});
    store.database.prepare("UPDATE runs SET id = 'ab2' WHERE id <> 'ab1'").run();
    expect(resolveRun(store.database, 'ab2').startedAt).toBe(at(1));
    expect(() => resolveRun(store.database, 'ab')).toThrow('ab begins the ids of several runs');
    expect(() => resolveRun(store.database, 'a%')).toThrow('There is no run a%');
    expect(() => resolveRun(store.database, '')).toThrow('There is no run');
  });

  it('knows the runs of one spec, by whichever path it is named', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const ids = [0, 1, 2].map((seconds) => noteRun(store, {at: seconds, stages: []}));
    noteRun(store, {at: 3, stages: [], file: 'other.yaml'});
    const known = lastRuns(store.database, './fgimage.yaml', 2);
    expect(known.map(({id}) => id)).toEqual([ids[2], ids[1]]);
  });

  it('knows the last key of a stage in a spec, whatever became of it', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const stage = 'base:x';
    const first = noteRun(store, {at: 0, stages: [{stage, state: 'run', key: 'one'}]});
    const second = noteRun(store, {at: 10, stages: [{stage, state: 'failed', key: 'two'}]});
    noteRun(store, {at: 20, stages: [{stage, state: 'skipped'}]});
    noteRun(store, {at: 30, stages: [{stage, state: 'run', key: 'other'}], file: 'other.yaml'});
    const {database} = store;
    const file = 'fgimage.yaml';
    expect(lastKeyOf(database, {file, stage})).toEqual({key: 'two', run: second, state: 'failed'});
    expect(lastKeyOf(database, {file, stage, before: at(10)})).toEqual({
      key: 'one',
      run: first,
      state: 'run',
    });
    expect(lastKeyOf(database, {file, stage, before: at(0)})).toBeUndefined();
    expect(lastKeyOf(database, {file, stage: 'base:y'})).toBeUndefined();
  });

  it('estimates by the last time that a stage ran, else by its kind', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    noteRun(store, {at: 0, stages: [ran('base:x', 9000), ran('pack:web/hpc', 100)]});
    noteRun(store, {
      at: 20,
      stages: [ran('base:x', 7000), {stage: 'pack:web/hpc', state: 'failed', durationMs: 5}],
    });
    noteRun(store, {at: 40, stages: [{stage: 'base:x', state: 'cached', key: 'k'}]});
    const durations = typicalDurations(store.database, ['base:x', 'pack:web/hpc', 'test:web/hpc']);
    expect([...durations]).toEqual([
      ['base:x', 7000],
      ['pack:web/hpc', 100],
    ]);
    expect(estimateMs('base:x', 'base', durations)).toBe(7000);
    expect(estimateMs('test:web/hpc', 'test', durations)).toBe(240_000);
  });
});
