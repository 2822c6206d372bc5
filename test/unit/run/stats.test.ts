import {describe, expect, it} from 'vitest';
import {runStats, type StatsOptions} from '../../../src/cli/stats.ts';
import {exitCode} from '../../../src/errors.ts';
import {type Statistics, statistics} from '../../../src/run/statistics.ts';
import {TemporaryStore} from '../../rig/stored.ts';
import {at} from '../ui/events.ts';
import {noteRun, ran, type StageFate} from './past.ts';

function hit(stage: string, savedMs: number): StageFate {
  return {stage, state: 'cached', key: `key of ${stage}`, durationMs: savedMs};
}

/** Three runs of one spec in which something was done, fifty in which nothing was, and one of another spec. */
function fill({store}: TemporaryStore): void {
  const base = 'base:debian-bookworm';
  const [packages, pack, test] = ['customize:web/packages', 'pack:web/hpc', 'test:web/hpc'];
  noteRun(store, {
    at: 0,
    durationMs: 100_000,
    stages: [ran(base, 18_000), ran(packages, 10_000), ran(pack, 9000), ran(test, 60_000)],
  });
  noteRun(store, {
    at: 1000,
    outcome: 'failed',
    durationMs: 20_000,
    stages: [
      hit(base, 18_000),
      ran(packages, 14_000),
      {stage: pack, state: 'failed', key: 'k', durationMs: 5000},
      {stage: test, state: 'skipped'},
    ],
  });
  noteRun(store, {
    at: 2000,
    durationMs: 90_000,
    stages: [hit(base, 18_000), ran(packages, 11_000), ran(pack, 8000), ran(test, 50_000)],
  });
  const all = [hit(base, 18_000), hit(packages, 11_000), hit(pack, 8000), hit(test, 50_000)];
  for (let index = 0; index < 50; index += 1)
    noteRun(store, {at: 3000 + index, durationMs: 100, stages: all});
  noteRun(store, {
    at: 4000,
    outcome: 'cancelled',
    durationMs: 400,
    file: 'db.yaml',
    stages: [ran('base:debian-trixie', 400), {stage: 'customize:db/users', state: 'skipped'}],
  });
}

function stats(cache: TemporaryStore, options: Partial<StatsOptions> = {}): string {
  let text = '';
  const stream = {write: (chunk: string) => (text += chunk)};
  expect(runStats({json: false, cacheDir: cache.store.layout.root, ...options, stream})).toBe(exitCode.done);
  return options.json === true ? text : text.replaceAll(/^[0-9a-f]{8}/gm, '(run id)');
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

describe('fgimage stats', () => {
  it('prints what the runs add up to', () => {
    using cache = new TemporaryStore();
    fill(cache);
    expect(stats(cache)).toMatchInlineSnapshot(`
      "54 runs since 2023-11-14 22:13 UTC: 52 done, 1 failed, 1 cancelled
      stages: 202 of 212 cached (95 %), 9 run, 1 failed, 2 not run
      time: 3m 35s spent, 1h 13m saved

      slowest stages          median    last      ran
      test:web/hpc              55 s    50 s  2 of 53
      base:debian-bookworm      18 s    18 s  1 of 53
      customize:web/packages    11 s    11 s  3 of 53
      pack:web/hpc             8.5 s   8.0 s  2 of 53
      base:debian-trixie      400 ms  400 ms   1 of 1

      most often run          median    last      ran
      customize:web/packages    11 s    11 s  3 of 53
      pack:web/hpc             8.5 s   8.0 s  2 of 53
      test:web/hpc              55 s    50 s  2 of 53
      base:debian-bookworm      18 s    18 s  1 of 53
      base:debian-trixie      400 ms  400 ms   1 of 1

      image     cached  run  failed  not run    time
      db             0    0       0        1    0 ms
      web          150    7       1        1  2m 47s
      (shared)      52    2       0        0    18 s

      last runs  started               ended        time   saved  command
      (run id)   2023-11-14 23:20 UTC  cancelled  400 ms    0 ms  fgimage build
      (run id)   2023-11-14 23:04 UTC  done       100 ms  1m 27s  fgimage build
      (run id)   2023-11-14 23:04 UTC  done       100 ms  1m 27s  fgimage build
      (run id)   2023-11-14 23:04 UTC  done       100 ms  1m 27s  fgimage build
      (run id)   2023-11-14 23:04 UTC  done       100 ms  1m 27s  fgimage build
      "
    `);
  });

  it('prints those of one spec, or the same as JSON', () => {
    using cache = new TemporaryStore();
    fill(cache);
    expect(stats(cache, {file: './db.yaml'})).toMatchInlineSnapshot(`
      "1 run since 2023-11-14 23:20 UTC: 0 done, 1 cancelled
      stages: 0 of 1 cached (0 %), 1 run, 1 not run
      time: 400 ms spent, 0 ms saved

      slowest stages      median    last     ran
      base:debian-trixie  400 ms  400 ms  1 of 1

      most often run      median    last     ran
      base:debian-trixie  400 ms  400 ms  1 of 1

      image     cached  run  failed  not run    time
      db             0    0       0        1    0 ms
      (shared)       0    1       0        0  400 ms

      last runs  started               ended        time  saved  command
      (run id)   2023-11-14 23:20 UTC  cancelled  400 ms   0 ms  fgimage build
      "
    `);
    expect(JSON.parse(stats(cache, {json: true}))).toEqual(statistics(cache.store.database));
  });

  it('says when nothing was run', () => {
    using cache = new TemporaryStore();
    expect(stats(cache)).toBe('Nothing was run yet\n');
    expect(stats(cache, {file: 'other.yaml'})).toBe('Nothing was run yet\n');
    expect(JSON.parse(stats(cache, {json: true}))).toMatchObject({stages: {run: 0, cached: 0}, images: []});
  });

  it('counts every stage of every run once', () => {
    using cache = new TemporaryStore();
    fill(cache);
    const numbers: Statistics = statistics(cache.store.database);
    expect(numbers.runs).toEqual({done: 52, failed: 1, cancelled: 1});
    expect(sum(numbers.stages)).toBe(53 * 4 + 2);
    expect(numbers.stages).toEqual({run: 4 + 1 + 3 + 1, cached: 2 + 50 * 4, failed: 1, skipped: 2});
    for (const state of ['run', 'cached', 'failed', 'skipped'] as const) {
      expect(numbers.images.reduce((total, {stages}) => total + stages[state], 0)).toBe(
        numbers.stages[state],
      );
    }
    const base = numbers.mostRun.find(({stage}) => stage === 'base:debian-bookworm');
    expect(base).toEqual({
      stage: 'base:debian-bookworm',
      ran: 1,
      planned: 53,
      medianMs: 18_000,
      lastMs: 18_000,
    });
    expect(numbers.spentMs).toBe(100_000 + 20_000 + 90_000 + 50 * 100 + 400);
    expect(numbers.savedMs).toBe(2 * 18_000 + 50 * 87_000);
    expect(numbers.since).toBe(at(0));
  });
});
