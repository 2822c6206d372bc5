import {rmSync, writeFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Store} from '../../../cache/store.ts';
import {sha256} from '../../../cache/tree.ts';
import {type LogsOptions, runLogs} from '../../../src/cli/logs.ts';
import {exitCode, FgError} from '../../../src/errors.ts';
import {replayLog} from '../../../src/run/replay.ts';
import {stageByName} from '../../../src/run/stage-name.ts';
import {TemporaryStore} from '../../rig/stored.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {at, digest} from '../ui/events.ts';
import {noteRun, ran} from './past.ts';

const escaped = 'I: \u001B[1mretrieving\u001B[0m\r\n10 %\r100 %\nno end';

/** Keeps a log as the runner does, and gives its digest. */
function keepLog(store: Store, text: string): string {
  const log = sha256(text);
  writeFileSync(store.logPath(log), text);
  return log;
}

/** What `fgimage logs` writes, and its error as it is told. */
function logs(
  cache: TemporaryStore,
  options: Partial<LogsOptions> & {readonly isTTY?: boolean} = {},
): string {
  const {isTTY = false, ...rest} = options;
  const chunks: Buffer[] = [];
  const stream = {isTTY, write: (chunk: string | Uint8Array) => chunks.push(Buffer.from(chunk))};
  const cacheDir = cache.store.layout.root;
  try {
    expect(runLogs({file: 'fgimage.yaml', cacheDir, ...rest, stream})).toBe(exitCode.done);
  } catch (error) {
    if (!(error instanceof FgError)) throw error;
    expect(error.code).toBe('USAGE');
    return `error: ${error.message}\n  hint: ${error.hint ?? ''}\n`;
  }
  return Buffer.concat(chunks).toString();
}

/** The record of a key, made as if elsewhere: without content. */
function record(store: Store, key: string, log: string | undefined): void {
  store.record(
    {
      key,
      stage: key,
      digest: digest('d'),
      sizeBytes: 1,
      durationMs: 1,
      startedAt: at(0),
      ...(log === undefined ? {} : {log}),
      parts: {},
      result: {},
    },
    {present: false},
  );
}

describe('fgimage logs', () => {
  it('prints the log of the last run of a stage: byte for byte into a file, printable on a terminal', () => {
    using cache = new TemporaryStore();
    const log = keepLog(cache.store, escaped);
    noteRun(cache.store, {at: 0, stages: [{...ran('base:x', 1), log: keepLog(cache.store, 'older')}]});
    noteRun(cache.store, {at: 1, stages: [{...ran('base:x', 1), log}]});
    noteRun(cache.store, {at: 2, stages: [{stage: 'base:x', state: 'skipped'}]});
    expect(logs(cache, {stage: 'base:x'})).toBe(escaped);
    expect(logs(cache, {stage: 'base:x', isTTY: true})).toBe('I: retrieving\n100 %\nno end');
  });

  it('prints the log of a given run', () => {
    using cache = new TemporaryStore();
    const log = keepLog(cache.store, 'older\n');
    const run = noteRun(cache.store, {at: 0, stages: [{...ran('base:x', 1), log}], file: 'elsewhere.yaml'});
    noteRun(cache.store, {at: 1, stages: [{...ran('base:x', 1), log: keepLog(cache.store, 'newer\n')}]});
    expect(logs(cache, {stage: 'x', run: run.slice(0, 8)})).toBe('older\n');
    const other = noteRun(cache.store, {at: 2, stages: []});
    const told = logs(cache, {stage: 'base', run: 'zz'});
    expect(
      told.replace(other.slice(0, 8), '<3>').replace(/\w{8}, \w{8};/, '<2>, <1>;'),
    ).toMatchInlineSnapshot(`
      "error: There is no run zz
        hint: The last runs are <3>, <2>, <1>; one that was killed is not kept
      "
    `);
  });

  it('prints the log of a cached stage, which its record names where the run does not', () => {
    using cache = new TemporaryStore();
    const log = keepLog(cache.store, 'when it ran\n');
    record(cache.store, 'key', log);
    noteRun(cache.store, {
      at: 0,
      stages: [
        {stage: 'base:x', state: 'cached', key: 'key'},
        {stage: 'base:y', state: 'cached', key: 'none', log},
      ],
    });
    noteRun(cache.store, {at: 1, stages: [{stage: 'base:x', state: 'cached', key: 'key'}]});
    expect(logs(cache, {stage: 'base:x'})).toBe('when it ran\n');
    expect(logs(cache, {stage: 'base:y'})).toBe('when it ran\n');
  });

  it('says why there is no log', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    record(store, 'evicted', digest('1'));
    record(store, 'remote', undefined);
    store.database.prepare("UPDATE actions SET evicted_at = ?, evicted_why = 'max-size'").run(at(0));
    const run = noteRun(store, {
      at: 0,
      stages: [
        {stage: 'base:missing', state: 'failed'},
        {stage: 'base:below', state: 'skipped'},
        {stage: 'base:remote', state: 'cached', key: 'remote'},
        {stage: 'base:evicted', state: 'cached', key: 'evicted'},
        {...ran('base:removed', 1), log: digest('2')},
      ],
    });
    const told = ['missing', 'below', 'remote', 'evicted', 'removed'].map((stage) => logs(cache, {stage}));
    const text = told.join('').replaceAll(store.layout.root, '<cache>').replaceAll(run.slice(0, 8), '<run>');
    expect(text).toMatchInlineSnapshot(`
      "error: base:missing has no log: it failed before it began
        hint: "fgimage build --force base:missing" runs it again
      error: base:below has no log: it was not run in run <run>
        hint: A stage below it failed, or the run was cancelled: "fgimage logs" lists what became of each
      error: base:remote has no log: nothing was kept with its result, which another machine may have made
        hint: "fgimage build --force base:remote" runs it again
      error: The log of base:evicted is gone: its content left the cache on 2023-11-14 22:13 UTC (max-size)
        hint: "fgimage build --force base:evicted" runs it again
      error: The log of base:removed is gone: <cache>/logs/2222222222222222222222222222222222222222222222222222222222222222.log is not there
        hint: "fgimage build --force base:removed" runs it again
      "
    `);
  });

  it('says when the spec never ran', () => {
    using cache = new TemporaryStore();
    const file = resolve('other.yaml');
    const told = [logs(cache, {file: 'other.yaml'}), logs(cache, {file: 'other.yaml', stage: 'base'})];
    expect(new Set(told.map((text) => text.replaceAll(file, '<spec>')))).toMatchInlineSnapshot(`
      Set {
        "error: There is no run of <spec> in the cache
        hint: Name its spec with -f and its cache with --cache-dir, or build it: "fgimage build"
      ",
      }
    `);
  });

  it('lists the stages of the last run, or of another', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const log = keepLog(store, 'x'.repeat(2048));
    const first = noteRun(store, {
      at: 0,
      outcome: 'failed',
      durationMs: 60_000,
      command: 'fgimage build web',
      stages: [
        {stage: 'archive:debian-bookworm', state: 'cached', key: 'k'},
        {...ran('pack:web/hpc', 100), log: digest('0')},
        {...ran('base:debian-bookworm', 18_000), log},
        {stage: 'test:web/hpc', state: 'skipped'},
        {stage: 'customize:web/packages', state: 'failed', key: 'p', durationMs: 3000, log},
      ],
    });
    const listing = logs(cache).replaceAll(first.slice(0, 8), '<run>');
    expect(listing).toMatchInlineSnapshot(`
      "run <run> of 2023-11-14 22:13 UTC: fgimage build web, failed in 1m 00s

      stage                    state      time      log
      archive:debian-bookworm  cached        -        -
      base:debian-bookworm     run        18 s  2.0 KiB
      customize:web/packages   failed    3.0 s  2.0 KiB
      pack:web/hpc             run      100 ms     gone
      test:web/hpc             not run       -        -
      "
    `);
    noteRun(store, {at: 1, stages: []});
    expect(logs(cache, {run: first}).replaceAll(first.slice(0, 8), '<run>')).toBe(listing);
  });

  it('says when the cache cannot be read, and takes one that is not there for an empty one', () => {
    using folder = new TemporaryFolder({'broken/fgimage.db': 'no database, but long enough'.repeat(100)});
    const told = (cacheDir: string): string => {
      try {
        return String(runLogs({file: 'fgimage.yaml', cacheDir}));
      } catch (error) {
        return error instanceof FgError ? `${error.code} ${error.message}` : String(error);
      }
    };
    expect(told(folder.join('broken')).replaceAll(folder.path, '<folder>')).toBe(
      'CACHE_UNUSABLE The database of the cache <folder>/broken is broken: file is not a database',
    );
    expect(told(folder.join('none'))).toBe(
      `USAGE There is no run of ${resolve('fgimage.yaml')} in the cache`,
    );
  });
});

describe('stageByName()', () => {
  const known = [
    'archive:debian-bookworm',
    'base:debian-bookworm',
    'customize:web/packages',
    'customize:packages/settings',
    'customize:db/users',
    'pack:web/hpc',
    'pack:web/openstack',
    'test:web/hpc',
  ];

  it.each([
    ['customize:web/packages', 'customize:web/packages'],
    ['packages', 'customize:web/packages'],
    ['web/packages', 'customize:web/packages'],
    ['openstack', 'pack:web/openstack'],
    ['base', 'base:debian-bookworm'],
    ['db', 'customize:db/users'],
    ['customize:db', 'customize:db/users'],
  ])('%s is %s', (name, stage) => {
    expect(stageByName(name, known)).toBe(stage);
  });

  it.each([
    ['hpc', 'hpc is a part of the names of several stages: Name one of pack:web/hpc, test:web/hpc'],
    [
      'pack:web',
      'pack:web is a part of the names of several stages: Name one of pack:web/hpc, pack:web/openstack',
    ],
    ['packges', 'There is no stage packges: Did you mean packages?'],
    ['pack:web/hcp', 'There is no stage pack:web/hcp: Did you mean pack:web/hpc?'],
    ['pack', 'pack is a part of the names of several stages: Name one of pack:web/hpc, pack:web/openstack'],
    ['registration', `There is no stage registration: The stages are ${known.join(', ')}`],
  ])('%s is refused', (name, told) => {
    let text = '';
    try {
      text = stageByName(name, known);
    } catch (error) {
      if (error instanceof FgError) text = `${error.message}: ${error.hint ?? ''}`;
    }
    expect(text).toBe(told);
  });
});

describe('replayLog()', () => {
  it('hands on every line, and says whether the log is there', () => {
    using folder = new TemporaryFolder({one: 'a\n\nb\n', open: 'a\nb', empty: ''});
    const lines = (name: string): readonly string[] | undefined => {
      const told: string[] = [];
      return replayLog(folder.join(name), (line) => told.push(line)) ? told : undefined;
    };
    expect(['one', 'open', 'empty', 'none'].map(lines)).toEqual([['a', '', 'b'], ['a', 'b'], [], undefined]);
    rmSync(folder.join('one'));
    expect(lines('one')).toBeUndefined();
  });
});
