import {rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {InputCheck} from '../../../src/run/input-check.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

/** Other bytes, and nothing of them in what stat(2) says. */
function spoil({store}: TemporaryStore, digest: string, name: string): void {
  const path = join(store.treePath(digest), name);
  const {atime, mtime, size} = statSync(path);
  writeFileSync(path, 'x'.repeat(size));
  utimesSync(path, atime, mtime);
}

describe('InputCheck', () => {
  it('finds nothing wrong with content that is what it was', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {'usr/bin/jq': 'jq', 'etc/motd': 'hello'});
    expect(await new InputCheck(cache.store).problems([digest, digest])).toEqual([]);
  });

  it('says what is wrong with which content', async () => {
    using cache = new TemporaryStore();
    const [sound, spoilt, gone] = [
      await publishFiles(cache.store, {a: 'a'}),
      await publishFiles(cache.store, {'usr/bin/jq': 'jq'}),
      await publishFiles(cache.store, {b: 'b'}),
    ];
    spoil(cache, spoilt, 'usr/bin/jq');
    rmSync(cache.store.objectPath(gone), {recursive: true});
    expect(await new InputCheck(cache.store).problems([sound, spoilt, gone])).toEqual([
      {digest: spoilt, text: 'usr/bin/jq is not what it was'},
      {digest: gone, text: 'a part of it is missing'},
    ]);
  });

  it('reads content once, and tells everybody who asks the same problem', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {a: 'a'});
    const check = new InputCheck(cache.store);
    expect(await check.problems([digest])).toEqual([]);
    spoil(cache, digest, 'a');
    expect(await check.problems([digest])).toEqual([]);
    check.forget([digest]);
    const [first, second] = await Promise.all([check.problems([digest]), check.problems([digest])]);
    expect(first).toHaveLength(1);
    expect(first[0]).toBe(second[0]);
  });

  it('does not read what the run made itself', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {a: 'a'});
    spoil(cache, digest, 'a');
    const check = new InputCheck(cache.store);
    check.trust(digest);
    expect(await check.problems([digest])).toEqual([]);
  });
});
