import {closeSync, ftruncateSync, linkSync, mkdirSync, openSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {diskUse, objectUse} from '../../../cache/measure.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

function blocks(...paths: readonly string[]): number {
  return paths.reduce((sum, path) => sum + statSync(path).blocks * 512, 0);
}

describe('diskUse()', () => {
  it('adds up the blocks of a folder and all below it', () => {
    using folder = new TemporaryFolder({'a/one': 'x'.repeat(10_000), 'a/b/two': 'x'.repeat(100)});
    const paths = ['a', 'a/one', 'a/b', 'a/b/two'].map((name) => folder.join(name));
    expect(diskUse(folder.join('a'))).toEqual({bytes: blocks(...paths), linkedBytes: 0});
  });

  it('counts holes as nothing', () => {
    using folder = new TemporaryFolder();
    const file = openSync(folder.join('sparse'), 'w');
    ftruncateSync(file, 10 ** 9);
    closeSync(file);
    expect(diskUse(folder.join('sparse')).bytes).toBeLessThan(10_000);
  });

  it('counts a file with several links once, and tells what would stay because of a link elsewhere', () => {
    using folder = new TemporaryFolder({'a/one': 'x'.repeat(10_000), 'a/two': 'x'.repeat(20_000)});
    mkdirSync(folder.join('b'));
    linkSync(folder.join('a/one'), folder.join('a/one again'));
    linkSync(folder.join('a/two'), folder.join('b/two'));
    const whole = blocks(folder.join('a'), folder.join('a/one'), folder.join('a/two'));
    expect(diskUse(folder.join('a'))).toEqual({bytes: whole, linkedBytes: blocks(folder.join('a/two'))});
    const seen = new Set<string>();
    diskUse(folder.join('a'), seen);
    expect(diskUse(folder.join('b'), seen)).toEqual({bytes: blocks(folder.join('b')), linkedBytes: 0});
  });

  it('gives nothing for what is not there', () => {
    using folder = new TemporaryFolder();
    expect(diskUse(folder.join('absent'))).toEqual({bytes: 0, linkedBytes: 0});
  });
});

describe('objectUse()', () => {
  it('measures content once: it never changes', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {file: 'text'});
    const use = objectUse(cache.store, digest);
    expect(use).toEqual(diskUse(cache.store.objectPath(digest)));
    writeFileSync(`${cache.store.objectPath(digest)}/more`, 'x'.repeat(100_000));
    expect(objectUse(cache.store, digest)).toEqual(use);
  });
});
