import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {listPins, pin, restorePins, unpin} from '../../../cache/pins.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

describe('pin()', () => {
  it('keeps content under a name, in the place of what had it before', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const [one, two] = [await publishFiles(store, {a: '1'}), await publishFiles(store, {a: '2'})];
    expect(pin(store, {name: 'web/openstack', digest: one, since: 1})).toBe(true);
    expect(pin(store, {name: 'web/hpc', digest: one, since: 2})).toBe(true);
    expect(pin(store, {name: 'web/openstack', digest: two, since: 3})).toBe(true);
    expect(listPins(store.database)).toEqual([
      {name: 'web/hpc', digest: one, since: 2},
      {name: 'web/openstack', digest: two, since: 3},
    ]);
  });

  it('refuses content that is gone, and leaves the pin that was there', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await publishFiles(store, {a: '1'});
    pin(store, {name: 'web/hpc', digest, since: 1});
    expect(pin(store, {name: 'web/hpc', digest: 'f'.repeat(64), since: 2})).toBe(false);
    expect(listPins(store.database)).toEqual([{name: 'web/hpc', digest, since: 1}]);
  });

  it('leaves roots of other kinds alone', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await publishFiles(store, {a: '1'});
    store.database
      .prepare(`INSERT INTO roots (digest, kind, name, since) VALUES (?, 'lock', 'web/hpc', 0)`)
      .run(digest);
    pin(store, {name: 'web/hpc', digest, since: 1});
    unpin(store, 'web/hpc');
    expect(listPins(store.database)).toEqual([]);
    expect(store.database.prepare('SELECT kind FROM roots').pluck().all()).toEqual(['lock']);
  });
});

describe('unpin()', () => {
  it('says whether there was such a pin', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    pin(store, {name: 'web/hpc', digest: await publishFiles(store, {a: '1'}), since: 1});
    expect([unpin(store, 'web/hpc'), unpin(store, 'web/hpc')]).toEqual([true, false]);
    expect(JSON.parse(readFileSync(store.layout.pins, 'utf8'))).toEqual({version: 1, pins: []});
  });
});

describe('restorePins()', () => {
  it('takes the pins of the file beside the content, but for those that are known', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digest = await publishFiles(store, {a: '1'});
    for (const name of ['web/hpc', 'web/openstack']) pin(store, {name, digest, since: 1});
    store.database.prepare(`DELETE FROM roots WHERE name = 'web/hpc'`).run();
    expect(restorePins(store)).toBe(1);
    expect(listPins(store.database).map(({name}) => name)).toEqual(['web/hpc', 'web/openstack']);
    expect(restorePins(store)).toBe(0);
  });

  it.each([
    ['is not there', undefined],
    ['is cut off', '{"version":1,"pi'],
    ['is another file', '[1]'],
    ['has pins that are none', '{"pins":[{"name":1},{"name":"a","digest":"../x","since":1}]}'],
  ])('takes none of a file that %s', (_, text) => {
    using cache = new TemporaryStore();
    const {store} = cache;
    if (text === undefined) rmSync(store.layout.pins, {force: true});
    else writeFileSync(store.layout.pins, text);
    expect(restorePins(store)).toBe(0);
  });
});
