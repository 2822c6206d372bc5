import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {cacheLayout} from '../../../cache/layout.ts';
import type {ActionRecord} from '../../../cache/record.ts';
import {Store, type StoredAction} from '../../../cache/store.ts';
import {sha256} from '../../../cache/tree.ts';
import {HoldingProcess} from '../../rig/child.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A store in a folder of its own with a run that publishes into it; all is closed and removed with its scope. */
class TemporaryStore {
  readonly folder = new TemporaryFolder();
  readonly store = Store.open(this.folder.join('cache'));
  readonly run = this.store.openRun();

  /** Makes an object of one file in the run's folder, as a stage does, and publishes it. */
  async publish(name: string, text: string): Promise<string> {
    const object = this.object(name);
    mkdirSync(join(object, 'tree'), {recursive: true});
    writeFileSync(join(object, 'tree/file'), text);
    utimesSync(join(object, 'tree/file'), 5, 5);
    return (await this.store.publish(object, {run: this.run})).digest;
  }

  /** A place in the run's folder. */
  object(name: string): string {
    return join(this.run.path, name);
  }

  [Symbol.dispose](): void {
    this.store.closeRun(this.run);
    this.store.close();
    this.folder[Symbol.dispose]();
  }
}

function record(key: string, digest: string): ActionRecord {
  return {...stored(key, digest), parts};
}

/** What `lookup` gives of a record. */
function stored(key: string, digest: string): StoredAction {
  return {
    key,
    stage: 'base:debian-bookworm-amd64',
    digest,
    sizeBytes: 5,
    durationMs: 1234,
    log: 'log-digest',
    startedAt: 1_700_000_000_000,
    result: {size_bytes: 5},
  };
}

const parts = {kind: 'base', params: {release: 'bookworm'}};

/** As if the machine had been started anew since the records were made. */
function reboot(store: Store): void {
  store.database.prepare(`UPDATE actions SET boot_id = 'an earlier boot'`).run();
}

describe('Store.open()', () => {
  it('makes the folders of the cache', () => {
    using folder = new TemporaryFolder();
    const store = Store.open(folder.join('cache'));
    const {layout} = store;
    expect(layout).toEqual(cacheLayout(folder.join('cache')));
    const {objects, records, tmp, locks, logs, packages, corrupt, trash, traces} = layout;
    for (const made of [objects, records, tmp, locks, logs, packages, corrupt, trash, traces])
      expect(readdirSync(made)).toEqual([]);
    expect(existsSync(layout.database)).toBe(true);
    store.close();
  });

  it('opens a cache again, with all that was in it', async () => {
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    const again = Store.open(cache.store.layout.root);
    expect(again.lookup('k')).toEqual(stored('k', digest));
    expect(again.keyParts('k')).toEqual(parts);
    again.close();
  });

  it('throws when a file is in the place of the folder', () => {
    using folder = new TemporaryFolder({cache: 'a file'});
    expect(() => Store.open(folder.join('cache'))).toThrow(/EEXIST|ENOTDIR/);
  });

  it('throws when the database is none', () => {
    using folder = new TemporaryFolder({
      'cache/fgimage.db': 'not a database, but long enough to be read as one'.repeat(40),
    });
    expect(() => Store.open(folder.join('cache'))).toThrow(/not a database/);
  });
});

describe('publish()', () => {
  it('moves the tree with its manifest to the place of its digest', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await cache.publish('a', 'text');
    expect(readFileSync(join(store.treePath(digest), 'file'), 'utf8')).toBe('text');
    const manifest = readFileSync(join(store.objectPath(digest), 'manifest'), 'utf8');
    expect(sha256(manifest)).toBe(digest);
    expect(manifest).toContain(sha256('text'));
    expect(readdirSync(cache.run.path)).toEqual([]);
  });

  it('gives the size of the content', async () => {
    using cache = new TemporaryStore();
    const object = cache.object('a');
    mkdirSync(join(object, 'tree/sub'), {recursive: true});
    writeFileSync(join(object, 'tree/sub/file'), 'four');
    expect((await cache.store.publish(object, {run: cache.run})).sizeBytes).toBe(4);
  });

  it('keeps the content that is there already and leaves the new one to the clean-up', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await cache.publish('a', 'text');
    writeFileSync(join(store.objectPath(digest), 'mark'), '');
    expect(await cache.publish('b', 'text')).toBe(digest);
    expect(readdirSync(store.objectPath(digest)).sort()).toEqual(['manifest', 'mark', 'tree']);
    expect(readdirSync(store.layout.objects)).toEqual([digest]);
    expect(readdirSync(cache.run.path)).toEqual(['b']);
  });

  it('gives the same digest whenever the content was written', async () => {
    using cache = new TemporaryStore();
    const writtenSince = Math.floor(Date.now() / 1000);
    const digests: string[] = [];
    for (const name of ['a', 'b']) {
      const object = cache.object(name);
      mkdirSync(join(object, 'tree'), {recursive: true});
      writeFileSync(join(object, 'tree/file'), 'text');
      utimesSync(join(object, 'tree/file'), writtenSince + digests.length, writtenSince + digests.length);
      const clamp = {writtenSince, epoch: 1_686_355_200};
      digests.push((await cache.store.publish(object, {clamp, run: cache.run})).digest);
    }
    expect(digests[0]).toBe(digests[1]);
    expect(cache.store.treePath(digests[0] ?? '')).toContain(digests[0]);
  });

  it('leaves nothing at the place of a digest when the tree cannot be read', async () => {
    using cache = new TemporaryStore();
    await expect(cache.store.publish(cache.object('absent'), {run: cache.run})).rejects.toThrow();
    expect(readdirSync(cache.store.layout.objects)).toEqual([]);
  });

  // Its bytes may have been lost with the power: an object without a durable record is not to be trusted.
  it('replaces content that an earlier boot left without having flushed it', async () => {
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    reboot(cache.store);
    writeFileSync(join(cache.store.treePath(digest), 'file'), '');
    await cache.publish('b', 'text');
    cache.store.record(record('k', digest));
    expect(cache.store.lookup('k')?.digest).toBe(digest);
    expect(readFileSync(join(cache.store.treePath(digest), 'file'), 'utf8')).toBe('text');
  });
});

describe('lookup()', () => {
  it('gives what was recorded', async () => {
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    expect(cache.store.lookup('k')).toEqual(stored('k', digest));
    expect(cache.store.keyParts('k')).toEqual(parts);
    expect(cache.store.lookup('other')).toBeUndefined();
  });

  it('gives the later record of a key', async () => {
    using cache = new TemporaryStore();
    const [first, second] = [await cache.publish('a', 'text'), await cache.publish('b', 'other')];
    cache.store.record(record('k', first));
    cache.store.record(record('k', second));
    expect(cache.store.lookup('k')?.digest).toBe(second);
  });

  it('misses when the content is gone', async () => {
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    rmSync(cache.store.objectPath(digest), {recursive: true});
    expect(cache.store.lookup('k')).toBeUndefined();
  });

  it('misses a record of an earlier boot that was not flushed', async () => {
    using cache = new TemporaryStore();
    cache.store.record(record('k', await cache.publish('a', 'text')));
    reboot(cache.store);
    expect(cache.store.lookup('k')).toBeUndefined();
  });

  it('finds a record of an earlier boot that was flushed', async () => {
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    cache.store.flush();
    reboot(cache.store);
    expect(cache.store.lookup('k')?.digest).toBe(digest);
  });

  it('misses what another boot recorded after it was flushed for the last time', async () => {
    using cache = new TemporaryStore();
    cache.store.record(record('k', await cache.publish('a', 'text')));
    cache.store.flush();
    cache.store.record(record('k', await cache.publish('b', 'other')));
    reboot(cache.store);
    expect(cache.store.lookup('k')).toBeUndefined();
  });
});

describe('flush()', () => {
  it('does not make records of an earlier boot durable', async () => {
    using cache = new TemporaryStore();
    cache.store.record(record('old', await cache.publish('a', 'text')));
    reboot(cache.store);
    cache.store.record(record('new', await cache.publish('b', 'other')));
    cache.store.flush();
    expect(cache.store.database.prepare('SELECT key, durable FROM actions ORDER BY key').all()).toEqual([
      {key: 'new', durable: 1},
      {key: 'old', durable: 0},
    ]);
  });
});

/** Locks but for that of the run of the test itself. */
function locksOf({store, run}: TemporaryStore): readonly string[] {
  return readdirSync(store.layout.locks).filter((name) => !name.includes(run.id));
}

describe('find()', () => {
  it('tells what content was that is gone, and why', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await cache.publish('a', 'text');
    store.record(record('k', digest));
    expect(store.find('k')).toEqual({state: 'known', action: stored('k', digest), present: true});
    store.quarantine(digest);
    const found = store.find('k');
    expect(found).toMatchObject({state: 'known', present: false, evicted: {why: 'corrupt'}});
    expect(store.lookup('k')).toBeUndefined();
    expect(store.find('other')).toEqual({state: 'absent'});
  });

  it('has content that came back for all the keys that gave it', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await cache.publish('a', 'text');
    for (const key of ['k', 'l']) store.record(record(key, digest));
    store.quarantine(digest);
    await cache.publish('b', 'text');
    store.record(record('k', digest));
    expect(store.lookup('l')?.digest).toBe(digest);
  });

  it('knows of a record from elsewhere without its content', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    store.record(record('k', 'elsewhere'), {present: false});
    expect(store.find('k')).toMatchObject({state: 'known', present: false, evicted: {why: 'not fetched'}});
    expect(readdirSync(store.layout.records)).toEqual([]);
  });
});

describe('quarantine()', () => {
  it('sets content aside, so that its records are misses', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await cache.publish('a', 'text');
    store.record(record('k', digest));
    const place = store.quarantine(digest);
    expect(readFileSync(join(place, 'tree/file'), 'utf8')).toBe('text');
    expect(store.hasContent(digest)).toBe(false);
    expect(readdirSync(store.layout.corrupt)).toHaveLength(1);
  });
});

describe('openToRead()', () => {
  it('makes nothing where there is no cache, and reads what there is', async () => {
    using folder = new TemporaryFolder();
    const none = Store.openToRead(folder.join('absent'));
    expect(none.lookup('k')).toBeUndefined();
    none.close();
    expect(existsSync(folder.join('absent'))).toBe(false);
    using cache = new TemporaryStore();
    const digest = await cache.publish('a', 'text');
    cache.store.record(record('k', digest));
    const reader = Store.openToRead(cache.store.layout.root);
    expect(reader.lookup('k')?.digest).toBe(digest);
    reader.close();
  });
});

describe('openRun() and sweep()', () => {
  it('makes a folder that hands down neither group nor bit of a set-group-id cache', () => {
    using temporary = new TemporaryStore();
    const {store} = temporary;
    chmodSync(store.layout.tmp, 0o2777);
    const run = store.openRun();
    expect(statSync(run.path).mode & 0o7777).toBe(0o755);
    store.closeRun(run);
  });

  it('gives each run a folder of its own and removes it with the run', () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const [first, second] = [store.openRun(), store.openRun()];
    expect(readdirSync(store.layout.tmp).sort()).toEqual([first.id, second.id, cache.run.id].sort());
    mkdirSync(join(first.path, 'deep/down'), {recursive: true});
    store.closeRun(first);
    expect(readdirSync(store.layout.tmp).sort()).toEqual([second.id, cache.run.id].sort());
    store.closeRun(second);
    expect(locksOf(cache)).toEqual([]);
  });

  it('leaves the folder of a living run of this process', () => {
    using cache = new TemporaryStore();
    const run = cache.store.openRun();
    cache.store.sweep();
    expect(existsSync(run.path)).toBe(true);
    cache.store.closeRun(run);
  });

  it('leaves the folder of a living run of another process, and removes it once that was killed', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const code = `const store = module.Store.open(parameters[0]);\nconsole.log(store.openRun().path);`;
    await using child = await HoldingProcess.start('cache/store.js', code, [store.layout.root]);
    const path = child.line;
    writeFileSync(join(path, 'file'), '');
    store.sweep();
    expect(existsSync(path)).toBe(true);
    await child.kill();
    store.sweep();
    expect(existsSync(path)).toBe(false);
    expect(locksOf(cache)).toEqual([]);
  });

  it('removes a folder whose run left no lock', () => {
    using cache = new TemporaryStore();
    mkdirSync(join(cache.store.layout.tmp, 'forgotten/deep'), {recursive: true});
    cache.store.sweep();
    expect(readdirSync(cache.store.layout.tmp)).toEqual([cache.run.id]);
  });

  it('removes what gc did not come to remove', () => {
    using cache = new TemporaryStore();
    mkdirSync(join(cache.store.layout.trash, 'content/tree'), {recursive: true});
    cache.store.sweep();
    expect(readdirSync(cache.store.layout.trash)).toEqual([]);
  });

  it('gives back what a run leased, when it closes and when it is found dead', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const leases = (): unknown =>
      store.database.prepare('SELECT digest FROM leases ORDER BY digest').pluck().all();
    const code = `const store = module.Store.open(parameters[0]);
store.lease(store.openRun(), ['of another process']);
console.log('leased');`;
    await using child = await HoldingProcess.start('cache/store.js', code, [store.layout.root]);
    const run = store.openRun();
    store.lease(run, ['of this process']);
    store.sweep();
    expect(leases()).toEqual(['of another process', 'of this process']);
    store.closeRun(run);
    expect(leases()).toEqual(['of another process']);
    await child.kill();
    store.sweep();
    expect(leases()).toEqual([]);
  });
});

describe('memo()', () => {
  it('gives the value that was set last', () => {
    using cache = new TemporaryStore();
    expect(cache.store.memo('k')).toBeUndefined();
    cache.store.setMemo('k', 'one');
    cache.store.setMemo('k', 'two');
    expect(cache.store.memo('k')).toBe('two');
  });
});
