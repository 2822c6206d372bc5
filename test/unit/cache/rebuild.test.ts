import {existsSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {tryHousekeeping} from '../../../cache/housekeeping.ts';
import {cacheLayout} from '../../../cache/layout.ts';
import {listPins, pin} from '../../../cache/pins.ts';
import {type RebuildReport, rebuildDatabase} from '../../../cache/rebuild.ts';
import {recordPath} from '../../../cache/record.ts';
import {Store} from '../../../cache/store.ts';
import {rebuildText} from '../../../src/cli/cache-text.ts';
import {type KeyParts, stageKey} from '../../../src/plan/key.ts';
import {HoldingProcess} from '../../rig/child.ts';
import {type Recorded, recordContent} from '../../rig/recorded.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const keyOf = (parts: unknown): string => stageKey(parts as KeyParts);
const now = Date.UTC(2026, 0, 2, 3, 4, 5);

function rebuild(root: string, {trust = false} = {}): Promise<RebuildReport> {
  return rebuildDatabase(root, {keyOf, trust, now});
}

/** A cache with a record on top of another, and a pin, closed. */
async function filled(root: string): Promise<{base: Recorded; pack: Recorded}> {
  const store = Store.open(root);
  const base = await recordContent(store, 'base', {stage: 'base:debian-12-amd64', usedAt: 1000});
  const pack = await recordContent(store, 'pack', {stage: 'pack:web/hpc', usedAt: 2000, inputs: [base]});
  pin(store, {name: 'web/hpc', digest: pack.digest, since: 3});
  store.close();
  return {base, pack};
}

/** What the cache has of these records, with all that was kept of each. */
function known(root: string, recorded: Readonly<Record<string, Recorded>>): unknown {
  const store = Store.open(root);
  try {
    return Object.values(recorded).map(({key}) => [store.find(key), store.keyParts(key)]);
  } finally {
    store.close();
  }
}

const taken = {recorded: 2, withoutContent: 0, known: 0, skipped: [], corrupt: [], pins: 1};

describe('rebuildDatabase()', () => {
  it.each<[string, (path: string) => void, boolean]>([
    ['is gone', (path) => rmSync(path), false],
    [
      'is no database',
      (path) => writeFileSync(path, 'not a database, but long enough to be one'.repeat(40)),
      true,
    ],
    [
      'has lost a part',
      (path) => {
        const bytes = readFileSync(path);
        writeFileSync(path, bytes.fill(0x5a, 4096, bytes.length - 4096));
      },
      true,
    ],
  ])('makes a database that %s again, with all records and pins', async (_, damage, isBroken) => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    const made = await filled(root);
    const before = known(root, made);
    damage(cacheLayout(root).database);
    const report = await rebuild(root);
    const place = `${cacheLayout(root).database}.broken-20260102T030405Z`;
    expect(report).toEqual({...(isBroken ? {brokenDatabase: place} : {}), ...taken});
    expect(existsSync(place)).toBe(isBroken);
    expect(known(root, made)).toEqual(before);
    const store = Store.open(root);
    expect(listPins(store.database)).toEqual([{name: 'web/hpc', digest: made.pack.digest, since: 3}]);
    const rows = store.database.prepare('SELECT durable, last_used_at AS at FROM actions ORDER BY at').all();
    expect(rows).toEqual([
      {durable: 1, at: 1000},
      {durable: 1, at: 2000},
    ]);
    store.close();
  });

  it('adds to a sound database what it lacks, and changes nothing else', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    const made = await filled(root);
    const before = known(root, made);
    const store = Store.open(root);
    store.database.prepare('DELETE FROM actions WHERE key = ?').run(made.pack.key);
    store.close();
    expect(await rebuild(root)).toEqual({...taken, recorded: 1, known: 1, pins: 0});
    expect(known(root, made)).toEqual(before);
  });

  it('sets content aside that is not what it was, unless it is told to trust it', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    const {base, pack} = await filled(root);
    const layout = cacheLayout(root);
    writeFileSync(join(layout.objects, base.digest, 'tree/base'), 'other bytes');
    rmSync(layout.database);
    expect(await rebuild(root, {trust: true})).toEqual(taken);
    rmSync(layout.database);
    expect(await rebuild(root)).toEqual({...taken, recorded: 1, withoutContent: 1, corrupt: [base.digest]});
    const store = Store.open(root);
    expect(store.find(base.key)).toMatchObject({present: false, evicted: {why: 'corrupt'}});
    expect(store.lookup(pack.key)?.digest).toBe(pack.digest);
    expect(readdirSync(layout.corrupt)).toHaveLength(1);
    store.close();
  });

  it('takes up what a stage gave whose content is gone: stages above it have keys', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    const {base} = await filled(root);
    const layout = cacheLayout(root);
    rmSync(join(layout.objects, base.digest), {recursive: true});
    rmSync(layout.database);
    expect(await rebuild(root)).toEqual({...taken, recorded: 1, withoutContent: 1});
    const store = Store.open(root);
    expect(store.find(base.key)).toMatchObject({state: 'known', present: false, evicted: {why: 'unknown'}});
    store.close();
  });

  it.each<[string, (text: string) => string]>([
    ['cut off', (text) => text.slice(0, 40)],
    ['of other parts', (text) => text.replace('"name":"base"', '"name":"evil"')],
    ['of another key', (text) => text.replace(/(?<="key":").{8}/, '01234567')],
    ['without parts', (text) => text.replace(/"parts":\{.*\},"result"/, '"parts":{},"result"')],
    [
      'with a digest that is a path',
      (text) => text.replace(/"digest":"[0-9a-f]{64}"/, '"digest":"../../etc"'),
    ],
  ])('skips a record that is %s', async (_, damage) => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    const {base, pack} = await filled(root);
    const layout = cacheLayout(root);
    const path = recordPath(layout, base.key);
    const text = readFileSync(path, 'utf8');
    expect(damage(text)).not.toBe(text);
    writeFileSync(path, damage(text));
    rmSync(layout.database);
    expect(await rebuild(root)).toEqual({...taken, recorded: 1, skipped: [`${base.key}.json`]});
    const store = Store.open(root);
    expect(store.find(base.key)).toEqual({state: 'absent'});
    expect(store.lookup(pack.key)).toBeDefined();
    store.close();
  });

  it('refuses while a run lives, and leaves everything as it is', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    await filled(root);
    const code = `module.Store.open(parameters[0]).openRun();\nconsole.log(process.pid);`;
    await using child = await HoldingProcess.start('cache/store.js', code, [root]);
    writeFileSync(cacheLayout(root).database, 'broken'.repeat(200));
    await expect(rebuild(root)).rejects.toMatchObject({
      code: 'CACHE_UNUSABLE',
      message: expect.stringContaining(`(process ${child.line} on `) as string,
      hint: 'Wait until that has ended, then try again',
    });
    expect(readFileSync(cacheLayout(root).database, 'utf8')).toBe('broken'.repeat(200));
    await child.kill();
    expect(await rebuild(root)).toMatchObject(taken);
  });

  it('refuses while another process cleans', async () => {
    using folder = new TemporaryFolder();
    const root = folder.join('cache');
    await filled(root);
    const lock = tryHousekeeping(cacheLayout(root));
    await expect(rebuild(root)).rejects.toMatchObject({code: 'CACHE_UNUSABLE'});
    lock?.release();
  });
});

describe('rebuildText()', () => {
  it('tells what was taken up and what was not', () => {
    expect(
      rebuildText({
        ...taken,
        brokenDatabase: '/c/fgimage.db.broken-x',
        skipped: ['a'],
        corrupt: ['0123456789abcdef'],
      }),
    ).toEqual([
      'The broken database is now /c/fgimage.db.broken-x',
      '0123456789ab is not what it was: set aside',
      '1 file in records/ are no records of this release',
      '2 records with content and 0 records without taken up, 0 known before, 1 pin restored',
    ]);
  });
});
