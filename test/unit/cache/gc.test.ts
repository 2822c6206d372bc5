import {mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setImmediate as turn} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import {collectGarbage} from '../../../cache/gc.ts';
import {autoCollect} from '../../../cache/gc-auto.ts';
import type {GcReport, GcRequest} from '../../../cache/gc-report.ts';
import {rootedDigests} from '../../../cache/gc-roots.ts';
import {tryHousekeeping} from '../../../cache/housekeeping.ts';
import {keepLocked} from '../../../cache/lock-roots.ts';
import {objectUse} from '../../../cache/measure.ts';
import {pin, unpin} from '../../../cache/pins.ts';
import type {Store} from '../../../cache/store.ts';
import {sha256} from '../../../cache/tree.ts';
import {FgError} from '../../../src/errors.ts';
import {HoldingProcess} from '../../rig/child.ts';
import {compiled} from '../../rig/compiled.ts';
import {pathsBelow, type Recorded, recordContent, recordRun} from '../../rig/recorded.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

const day = 24 * 3_600_000;
const now = 1000 * day;

function collect(store: Store, request: Partial<GcRequest> = {}): GcReport {
  return collectGarbage(store, {dryRun: false, now, ...request});
}

/** What lies in the cache, of what was recorded. */
function left(store: Store, recorded: Readonly<Record<string, Recorded>>): readonly string[] {
  return Object.entries(recorded).flatMap(([name, {digest}]) => (store.hasContent(digest) ? [name] : []));
}

/** Three objects of one size; `a` was used longest ago. */
async function three(store: Store): Promise<{a: Recorded; b: Recorded; c: Recorded}> {
  return {
    a: await recordContent(store, 'a', {usedAt: now - 30 * day}),
    b: await recordContent(store, 'b', {usedAt: now - 20 * day}),
    c: await recordContent(store, 'c', {usedAt: now - 10 * day}),
  };
}

/** The size of the cache as gc counts it, and of one object of `three`. */
function sizes(store: Store, {digest}: Recorded): {whole: number; one: number} {
  return {whole: collect(store, {dryRun: true}).remaining.bytes, one: objectUse(store, digest).bytes};
}

describe('collectGarbage() with --max-size', () => {
  it('removes what was used longest ago, and no more than it must', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const {whole, one} = sizes(store, made.a);
    const report = collect(store, {maxSizeBytes: whole - 1});
    expect(left(store, made)).toEqual(['b', 'c']);
    expect(report).toEqual({
      dryRun: false,
      removed: [{rule: 'max-size', kind: 'object', count: 1, bytes: one}],
      freedBytes: one,
      forgottenRuns: 0,
      remaining: {bytes: whole - one, objects: 2, keptObjects: 0, keptBytes: 0},
      short: {},
      packagesInUse: false,
    });
    expect(readdirSync(store.layout.trash)).toEqual([]);
  });

  it('notes on the record when and by which rule its content went', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {a} = await three(store);
    collect(store, {maxSizeBytes: 0});
    expect(store.find(a.key)).toMatchObject({state: 'known', present: false, evicted: {why: 'max-size'}});
  });

  it('counts content as used when its latest record was', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const files = {a: 'a\n'.repeat(20_000)};
    const again = await recordContent(store, 'other key', {files, usedAt: now - day});
    expect(again.digest).toBe(made.a.digest);
    collect(store, {maxSizeBytes: sizes(store, made.a).whole - 1});
    expect(left(store, made)).toEqual(['a', 'c']);
  });

  it('counts content as used when a build found it there, one that did nothing too', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    recordRun(store, {id: 'r1', at: now - 30 * day, stages: [made.a]});
    recordRun(store, {id: 'r2', at: now - 5 * day, stages: [], stagesOf: 'r1'});
    collect(store, {maxSizeBytes: sizes(store, made.a).whole - 1});
    expect(left(store, made)).toEqual(['a', 'c']);
  });

  it('says how much too large the cache stays when nothing more may go', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    pin(store, {name: 'web/openstack', digest: made.b.digest, since: now});
    const report = collect(store, {maxSizeBytes: 1000});
    expect(left(store, made)).toEqual(['b']);
    expect(report.short).toEqual({maxSizeBytes: report.remaining.bytes - 1000});
    expect(report.remaining).toMatchObject({objects: 1, keptObjects: 1});
  });
});

describe('collectGarbage() with --max-age', () => {
  it('removes what was not used for so long', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    collect(store, {maxAgeMs: 20 * day});
    expect(left(store, made)).toEqual(['b', 'c']);
    collect(store, {maxAgeMs: 20 * day - 1});
    expect(left(store, made)).toEqual(['c']);
    expect(store.find(made.a.key)).toMatchObject({evicted: {why: 'max-age'}});
  });
});

describe('collectGarbage() with --min-free', () => {
  it('removes until so much is free', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const {one} = sizes(store, made.a);
    const freeBytes = (): number => 10_000 + one * (3 - left(store, made).length);
    const report = collect(store, {minFreeBytes: 10_000 + 2 * one, freeBytes});
    expect(left(store, made)).toEqual(['c']);
    expect(report.short).toEqual({});
    expect(store.find(made.a.key)).toMatchObject({evicted: {why: 'min-free'}});
  });

  it('stops when all is gone that may go, and says what lacks', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    pin(store, {name: 'web/openstack', digest: made.a.digest, since: now});
    const report = collect(store, {minFreeBytes: 10 ** 12, freeBytes: () => 10 ** 9});
    expect(left(store, made)).toEqual(['a']);
    expect(report.short).toEqual({minFreeBytes: 10 ** 12 - 10 ** 9});
  });

  it('does not empty the cache when room comes back late, or is taken by others meanwhile', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const report = collect(store, {minFreeBytes: 1001, freeBytes: () => 1000});
    expect(left(store, made)).toEqual(['b', 'c']);
    expect(report.short).toEqual({minFreeBytes: 1});
  });
});

describe('what gc keeps', () => {
  it('is what a living run of another process leased; a dead one holds nothing', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const code = `const store = module.Store.open(parameters[0]);
store.lease(store.openRun(), [parameters[1]]);
console.log('leased');`;
    await using child = await HoldingProcess.start('cache/store.js', code, [
      store.layout.root,
      made.a.digest,
    ]);
    const report = collect(store, {maxSizeBytes: 0});
    expect(left(store, made)).toEqual(['a']);
    expect(report.remaining).toMatchObject({objects: 1, keptObjects: 1});
    await child.kill();
    collect(store, {maxSizeBytes: 0});
    expect(left(store, made)).toEqual([]);
  });

  it('is what a run of this process leased, until it closes', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const run = store.openRun();
    store.lease(run, [made.b.digest]);
    collect(store, {maxAgeMs: 0});
    expect(left(store, made)).toEqual(['b']);
    store.closeRun(run);
    collect(store, {maxAgeMs: 0});
    expect(left(store, made)).toEqual([]);
  });

  it('is what is pinned, until it is unpinned', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    pin(store, {name: 'web/hpc', digest: made.c.digest, since: now});
    collect(store, {maxSizeBytes: 0});
    expect(left(store, made)).toEqual(['c']);
    unpin(store, 'web/hpc');
    collect(store, {maxSizeBytes: 0});
    expect(left(store, made)).toEqual([]);
  });

  it('is a root of any kind', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    store.database
      .prepare(`INSERT INTO roots (digest, kind, name, since) VALUES (?, 'registration', 'cloud/web', 0)`)
      .run(made.a.digest);
    collect(store, {maxSizeBytes: 0});
    expect(left(store, made)).toEqual(['a']);
  });

  it('is what the last builds used, of each file and set of stages', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const names = ['web1', 'web2', 'web3', 'hpc1', 'other1', 'failed', 'unused'];
    const made: Record<string, Recorded> = {};
    for (const name of names)
      made[name] = await recordContent(store, name, {stage: `pack:${name.slice(0, -1)}/x`});
    const run = (id: string, at: number, more: object = {}): void =>
      recordRun(store, {id, at, stages: Object.values(made).filter((one) => one === made[id]), ...more});
    for (const [index, id] of ['web1', 'web2', 'web3'].entries()) run(id, now + index);
    // A build that found everything there is one with that which made it.
    recordRun(store, {id: 'again', at: now + 5, stages: [], stagesOf: 'web3'});
    run('hpc1', now - 5);
    run('other1', now - 5, {file: 'other.yaml'});
    run('failed', now + 9, {outcome: 'failed'});
    collect(store, {maxSizeBytes: 0, keepLast: 2});
    expect(left(store, made)).toEqual(['web2', 'web3', 'hpc1', 'other1']);
    collect(store, {maxSizeBytes: 0, keepLast: 1});
    expect(left(store, made)).toEqual(['web3', 'hpc1', 'other1']);
    collect(store, {maxSizeBytes: 0, keepLast: 0});
    expect(left(store, made)).toEqual([]);
  });
});

describe('gc without a bound', () => {
  it('removes what nothing can need, and leaves what is recorded', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const orphan = await publishFiles(store, {file: 'nobody recorded this'});
    mkdirSync(join(store.layout.trash, 'old/tree'), {recursive: true});
    mkdirSync(join(store.layout.corrupt, 'bad/tree'), {recursive: true});
    const report = collect(store);
    expect(report.removed.map(({rule, kind, count}) => [rule, kind, count])).toEqual([
      ['leftover', 'trash', 1],
      ['leftover', 'corrupt', 1],
      ['orphan', 'object', 1],
    ]);
    expect(store.hasContent(orphan)).toBe(false);
    expect(left(store, made)).toEqual(['a', 'b', 'c']);
    expect([store.layout.trash, store.layout.corrupt].flatMap((folder) => readdirSync(folder))).toEqual([]);
    expect(collect(store).removed).toEqual([]);
  });

  it('leaves content without a record that a living run leased: it is about to be recorded', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await publishFiles(store, {file: 'soon recorded'});
    const run = store.openRun();
    store.lease(run, [digest]);
    collect(store, {maxSizeBytes: 0});
    expect(store.hasContent(digest)).toBe(true);
    store.closeRun(run);
    collect(store);
    expect(store.hasContent(digest)).toBe(false);
  });

  // The mark reached the disk before a power cut, the rename did not; or a build ended between publishing and recording.
  it('removes content whose record says that it went', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {a} = await three(store);
    store.database
      .prepare(`UPDATE actions SET evicted_at = ?, evicted_why = 'max-age' WHERE key = ?`)
      .run(now - day, a.key);
    const report = collect(store);
    expect(report.removed).toMatchObject([{rule: 'orphan', kind: 'object', count: 1}]);
    expect(store.find(a.key)).toMatchObject({present: false, evicted: {at: now - day, why: 'max-age'}});
  });

  it('removes logs and records that nothing names, a day after they were written', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {layout} = store;
    const named = await recordContent(store, 'named', {log: 'log1'});
    const write = (path: string, at: number): void => {
      writeFileSync(path, 'text');
      utimesSync(path, at / 1000, at / 1000);
    };
    for (const log of ['log1', 'log2', 'live-base-0123']) write(store.logPath(log), now - 2 * day);
    for (const log of ['log3', 'live-pack-4567']) write(store.logPath(log), now - day / 2);
    write(join(layout.records, 'unknown.json'), now - 2 * day);
    write(join(layout.records, 'just-written.json'), now - day / 2);
    write(join(layout.traces, 'run.json'), now - 100 * day);
    collect(store);
    expect(readdirSync(layout.logs).sort()).toEqual(['live-pack-4567.log', 'log1.log', 'log3.log']);
    expect(readdirSync(layout.records).sort()).toEqual([`${named.key}.json`, 'just-written.json'].sort());
    expect(readdirSync(layout.traces)).toEqual([]);
  });

  it('removes databases that were moved aside, a week after', () => {
    using cache = new TemporaryStore();
    const {root} = cache.store.layout;
    for (const name of ['broken-20260101T000000Z', 'broken-20260101T000000Z-wal', 'broken-20260109T000000Z'])
      writeFileSync(join(root, `fgimage.db.${name}`), '');
    collect(cache.store, {now: Date.UTC(2026, 0, 10)});
    expect(readdirSync(root).filter((name) => name.includes('broken'))).toEqual([
      'fgimage.db.broken-20260109T000000Z',
    ]);
  });

  it('forgets runs older than 90 days but the last hundred of a file, and records that went that long ago', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    for (let index = 0; index < 103; index += 1)
      recordRun(store, {
        id: `old${String(index).padStart(3, '0')}`,
        at: now - 200 * day + index,
        stages: [made.a],
      });
    recordRun(store, {id: 'new', at: now - day, stages: [], stagesOf: 'old000'});
    recordRun(store, {id: 'of another file', file: 'other.yaml', at: 0, stages: [made.b]});
    store.database
      .prepare(`UPDATE actions SET evicted_at = ? , evicted_why = 'max-age' WHERE key = ?`)
      .run(now - 91 * day, made.c.key);
    const {forgottenRuns} = collect(store, {dryRun: true});
    expect(collect(store).forgottenRuns).toBe(4);
    expect(forgottenRuns).toBe(4);
    const ids = store.database.prepare('SELECT id FROM runs ORDER BY id').pluck().all();
    expect(ids.slice(0, 3)).toEqual(['new', 'of another file', 'old004']);
    const stages = store.database.prepare('SELECT run FROM run_stages ORDER BY run').pluck().all();
    expect(stages.slice(0, 3)).toEqual(['of another file', 'old000', 'old004']);
    expect(store.find(made.c.key)).toEqual({state: 'absent'});
    expect([made.a, made.c].map(({key}) => store.keyParts(key) !== undefined)).toEqual([true, false]);
  });
});

describe('packages and kept work', () => {
  it('go with the rest, the least recently used first', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {layout} = store;
    const made = await recordContent(store, 'a', {usedAt: now - 20 * day});
    const lay = (path: string, at: number): void => {
      writeFileSync(path, 'x'.repeat(10_000));
      utimesSync(path, at / 1000, at / 1000);
    };
    lay(join(layout.packages, 'old_1_amd64.deb'), now - 30 * day);
    lay(join(layout.packages, 'new_1_amd64.deb'), now - 10 * day);
    mkdirSync(join(layout.kept, 'base-0123/object'), {recursive: true});
    utimesSync(join(layout.kept, 'base-0123'), 0, (now - 25 * day) / 1000);
    const report = collect(store, {maxAgeMs: 15 * day});
    expect(report.removed.map(({rule, kind, count}) => [rule, kind, count])).toEqual([
      ['max-age', 'package', 1],
      ['max-age', 'kept', 1],
      ['max-age', 'object', 1],
    ]);
    expect(readdirSync(layout.packages)).toEqual(['new_1_amd64.deb']);
    expect(readdirSync(layout.kept)).toEqual([]);
    expect(store.hasContent(made.digest)).toBe(false);
  });

  it('leaves packages alone while a run lives, which looks them up without a lease', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    writeFileSync(join(store.layout.packages, 'jq_1_amd64.deb'), 'x');
    const run = store.openRun();
    expect(collect(store, {maxSizeBytes: 0}).packagesInUse).toBe(true);
    expect(readdirSync(store.layout.packages)).toEqual(['jq_1_amd64.deb']);
    store.closeRun(run);
    expect(collect(store, {maxSizeBytes: 0}).packagesInUse).toBe(false);
    expect(readdirSync(store.layout.packages)).toEqual([]);
  });
});

describe('--dry-run', () => {
  it('tells the same and removes nothing', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    await publishFiles(store, {file: 'nobody recorded this'});
    mkdirSync(join(store.layout.corrupt, 'bad/tree'), {recursive: true});
    const bounds = {maxAgeMs: 25 * day, maxSizeBytes: sizes(store, made.a).one, freeBytes: () => 0};
    const before = pathsBelow(store.layout.root);
    const told = collect(store, {...bounds, dryRun: true});
    expect(pathsBelow(store.layout.root)).toEqual(before);
    expect(left(store, made)).toEqual(['a', 'b', 'c']);
    expect(collect(store, bounds)).toEqual({...told, dryRun: false});
    expect(told.removed.map(({rule, count}) => [rule, count])).toEqual([
      ['leftover', 1],
      ['orphan', 1],
      ['max-age', 1],
      ['max-size', 2],
    ]);
  });
});

describe('crashes and other processes', () => {
  it('between the rename and the mark leaves a miss, and trash that the next run empties', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {a, b} = await three(store);
    renameSync(store.objectPath(a.digest), join(store.layout.trash, `${a.digest}-x`));
    expect(store.find(a.key)).toMatchObject({state: 'known', present: false});
    expect(store.lookup(b.key)).toBeDefined();
    store.sweep();
    expect(readdirSync(store.layout.trash)).toEqual([]);
    collect(store, {maxSizeBytes: 0});
    expect(readdirSync(store.layout.objects)).toEqual([]);
  });

  it('refuses while another process cleans, and says which', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const code = `const lock = module.tryHousekeeping(JSON.parse(parameters[0]));\nconsole.log(lock ? process.pid : 'busy');`;
    const layout = JSON.stringify(store.layout);
    await using child = await HoldingProcess.start('cache/housekeeping.js', code, [layout]);
    const refused = (): unknown => {
      try {
        return collect(store);
      } catch (error) {
        return error;
      }
    };
    const error = refused();
    expect(error).toBeInstanceOf(FgError);
    expect(error).toMatchObject({
      code: 'CACHE_UNUSABLE',
      hint: 'Wait until that has ended; builds can go on meanwhile',
    });
    expect((error as Error).message).toContain(`(process ${child.line} on `);
    await child.kill();
    expect(refused()).toMatchObject({removed: []});
  });

  it('never takes what a build has leased, in a loop against two processes that build in a loop', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const children = [1, 2].map((seed) =>
      HoldingProcess.start('cache/store.js', builder, [
        store.layout.root,
        String(seed),
        compiled('test/rig/recorded.js'),
      ]),
    );
    const lines = Promise.all(children).then((all) => all.map(({line}) => line));
    const loop = {isDone: false};
    const end = (): void => {
      loop.isDone = true;
    };
    lines.then(end, end);
    let removed = 0;
    while (!loop.isDone) {
      for (const {count} of collect(store, {maxSizeBytes: 200_000, now: Date.now()}).removed)
        removed += count;
      await turn();
    }
    const ended = (await lines).map(
      (line) => JSON.parse(line) as {used: number; made: number; lost: string[]},
    );
    for (const child of await Promise.all(children)) await child.kill();
    expect(ended.flatMap(({lost}) => lost)).toEqual([]);
    expect(removed).toBeGreaterThan(1);
  }, 60_000);
});

/** Looks up, leases, and reads what it leased, or makes it where it is gone, for three seconds and five times each. */
const builder = `
const {existsSync, readFileSync} = await import('node:fs');
const {join} = await import('node:path');
const {recordContent} = await import(parameters[2]);
const store = module.Store.open(parameters[0]);
const known = new Map();
const lost = [];
let [used, made] = [0, 0];
let step = Number(parameters[1]);
const pause = () => new Promise((resolve) => setTimeout(resolve, 3));
for (const end = Date.now() + 3000; Date.now() < end || used < 5 || made < 5; ) {
  step = (step * 5 + 3) % 1024;
  const name = 'n' + String(step % 5);
  const run = store.openRun();
  const action = known.has(name) ? store.lookup(known.get(name)) : undefined;
  if (action !== undefined) store.lease(run, [action.digest]);
  if (action !== undefined && store.hasContent(action.digest)) {
    await pause();
    try {
      if (!readFileSync(join(store.treePath(action.digest), name), 'utf8').startsWith(name)) lost.push('other bytes');
    } catch (error) {
      lost.push(error.message);
    }
    used += 1;
  } else {
    known.set(name, (await recordContent(store, name, {usedAt: Date.now(), run})).key);
    made += 1;
  }
  store.closeRun(run);
}
console.log(JSON.stringify({used, made, lost}));`;

describe('autoCollect()', () => {
  it('does nothing while no bound is passed', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const orphan = await publishFiles(store, {file: 'nobody recorded this'});
    const bounds = {maxSizeBytes: 10 ** 9, maxAgeMs: 60 * day, minFreeBytes: 1000};
    expect(autoCollect(store, bounds, {now, freeBytes: () => 1000})).toEqual({state: 'not-needed'});
    expect(left(store, made)).toEqual(['a', 'b', 'c']);
    expect(store.hasContent(orphan)).toBe(true);
  });

  it.each([
    ['the size', {maxSizeBytes: 100_000}],
    ['the age', {maxAgeMs: 25 * day}],
    ['the room that is free', {minFreeBytes: 1001}],
  ])('cleans when %s is passed', async (_, bounds) => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const made = await three(store);
    const outcome = autoCollect(store, bounds, {now, freeBytes: () => 1000});
    expect(outcome.state).toBe('done');
    expect(left(store, made)).not.toContain('a');
  });

  it('asks for the age once a day: what is used again and again has old records too', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {a} = await three(store);
    recordRun(store, {id: 'r', at: now, stages: [a]});
    const ask = (at: number): string => autoCollect(store, {maxAgeMs: 25 * day}, {now: at}).state;
    expect([ask(now), ask(now + 1), ask(now + day + 1)]).toEqual(['done', 'not-needed', 'done']);
  });

  it('leaves it to another process that cleans already', async () => {
    using cache = new TemporaryStore();
    await three(cache.store);
    const lock = tryHousekeeping(cache.store.layout);
    expect(autoCollect(cache.store, {maxSizeBytes: 0})).toEqual({state: 'not-needed'});
    lock?.release();
  });
});

describe('packages that a lock names', () => {
  it('stay as long as the lock is there', () => {
    using cache = new TemporaryStore();
    const {store, folder} = cache;
    const lock = folder.join('fgimage.lock');
    folder.write({'fgimage.lock': 'a lock'});
    for (const name of ['kept', 'other']) {
      const path = join(store.layout.packages, `${name}_1.0_all.deb`);
      writeFileSync(path, name);
      utimesSync(path, 1, 1);
    }
    const names = (): readonly string[] => readdirSync(store.layout.packages).sort();
    keepLocked(store, {path: lock, digest: 'first', packages: [sha256('kept'), sha256('gone')]});
    collect(store, {maxAgeMs: day, dryRun: true});
    expect(names()).toEqual(['kept_1.0_all.deb', 'other_1.0_all.deb']);
    collect(store, {maxAgeMs: day});
    expect(names()).toEqual(['kept_1.0_all.deb']);
    renameSync(lock, `${lock}.away`);
    collect(store, {maxAgeMs: day});
    expect(names()).toEqual([]);
  });

  it('are those of the lock as it is now', () => {
    using cache = new TemporaryStore();
    const {store, folder} = cache;
    folder.write({'fgimage.lock': 'a lock'});
    const path = folder.join('fgimage.lock');
    keepLocked(store, {path, digest: 'first', packages: [sha256('a')]});
    keepLocked(store, {path, digest: 'second', packages: [sha256('b')]});
    keepLocked(store, {path, digest: 'second', packages: [sha256('c')]});
    expect([...rootedDigests(store.database, 0)]).toEqual([sha256('b')]);
  });
});
