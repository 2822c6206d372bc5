import {
  appendFileSync,
  chmodSync,
  lutimesSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {recordPath} from '../../../cache/record.ts';
import type {Store} from '../../../cache/store.ts';
import {type VerifyReport, verifyCache} from '../../../cache/verify.ts';
import {verifyText} from '../../../src/cli/cache-text.ts';
import {type Recorded, recordContent} from '../../rig/recorded.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

const shallow = {deep: false, repair: false};
const deep = {deep: true, repair: false};

/** Other bytes of the same length and time. */
function flipByte(path: string): void {
  const {atime, mtime} = statSync(path);
  const bytes = readFileSync(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}

/** Content with a file in a folder. */
function content(store: Store, name = 'a'): Promise<Recorded> {
  return recordContent(store, name, {files: {[`usr/bin/${name}`]: `program ${name}`, 'etc/motd': 'hello'}});
}

describe('verifyCache()', () => {
  it('finds a cache sound as it was made', async () => {
    using cache = new TemporaryStore();
    await content(cache.store);
    const report: VerifyReport = {
      isDeep: false,
      objects: 1,
      records: 1,
      contentFaults: [],
      recordFaults: [],
      unrecordedObjects: 0,
      unrecordedRecords: 0,
      isSound: true,
    };
    expect(await verifyCache(cache.store, shallow)).toEqual(report);
    expect(await verifyCache(cache.store, deep)).toEqual({...report, isDeep: true});
  });

  it('finds a flipped byte only when it reads the bytes', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {digest, stage} = await content(store);
    flipByte(join(store.treePath(digest), 'usr/bin/a'));
    expect((await verifyCache(store, shallow)).isSound).toBe(true);
    expect(await verifyCache(store, deep)).toMatchObject({
      contentFaults: [
        {
          digest,
          stages: [stage],
          repair: 'none',
          problem: {problem: 'content', paths: ['usr/bin/a'], count: 1},
        },
      ],
      isSound: false,
    });
  });

  it.each<[string, (tree: string) => void, readonly string[]]>([
    ['a missing file', (tree) => rmSync(join(tree, 'usr/bin/a')), ['usr/bin', 'usr/bin/a']],
    [
      'a missing folder',
      (tree) => rmSync(join(tree, 'usr'), {recursive: true}),
      ['usr', 'usr/bin', 'usr/bin/a'],
    ],
    ['a file too many', (tree) => writeFileSync(join(tree, 'etc/more'), ''), ['etc', 'etc/more']],
    ['another mode', (tree) => chmodSync(join(tree, 'etc/motd'), 0o4755), ['etc/motd']],
    ['another time', (tree) => lutimesSync(join(tree, 'etc/motd'), 7, 7), ['etc/motd']],
    [
      'a link in the place of a file',
      (tree) => {
        rmSync(join(tree, 'etc/motd'));
        symlinkSync('a', join(tree, 'etc/motd'));
      },
      ['etc', 'etc/motd'],
    ],
  ])('finds %s without reading the bytes', async (_, damage, paths) => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {digest} = await content(store);
    damage(store.treePath(digest));
    const {contentFaults} = await verifyCache(store, shallow);
    expect(contentFaults).toMatchObject([{digest, problem: {problem: 'content', count: paths.length}}]);
    const [fault] = contentFaults;
    expect(fault?.problem).toMatchObject({paths});
  });

  it('finds a file that was cut off, though its time says nothing', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {digest} = await content(store);
    const path = join(store.treePath(digest), 'usr/bin/a');
    truncateSync(path, 3);
    utimesSync(path, 0, 0);
    expect((await verifyCache(store, shallow)).contentFaults).toMatchObject([{problem: {problem: 'size'}}]);
  });

  it.each<[string, (object: string) => void, object]>([
    ['another manifest', (object) => appendFileSync(join(object, 'manifest'), '\n'), {problem: 'manifest'}],
    ['no manifest', (object) => rmSync(join(object, 'manifest')), {problem: 'missing'}],
    ['no tree', (object) => rmSync(join(object, 'tree'), {recursive: true}), {problem: 'missing'}],
    ['no object', (object) => rmSync(object, {recursive: true}), {problem: 'missing'}],
  ])('finds %s, shallow and deep', async (_, damage, problem) => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {digest} = await content(store);
    damage(store.objectPath(digest));
    for (const options of [shallow, deep])
      expect((await verifyCache(store, options)).contentFaults).toMatchObject([{digest, problem}]);
  });

  it('names all stages that gave the content', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const files = {same: 'text'};
    const {digest} = await recordContent(store, 'one', {files, stage: 'customize:web/files'});
    await recordContent(store, 'two', {files, stage: 'customize:db/files'});
    flipByte(join(store.treePath(digest), 'same'));
    const {contentFaults, objects, records} = await verifyCache(store, deep);
    expect({objects, records}).toEqual({objects: 1, records: 2});
    expect(contentFaults.map(({stages}) => stages)).toEqual([['customize:db/files', 'customize:web/files']]);
  });

  it('sets aside with repair what is not what it was: the next build makes it again', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const [bad, good] = [await content(store, 'bad'), await content(store, 'good')];
    flipByte(join(store.treePath(bad.digest), 'usr/bin/bad'));
    const report = await verifyCache(store, {deep: true, repair: true});
    expect(report).toMatchObject({contentFaults: [{digest: bad.digest, repair: 'set-aside'}], isSound: true});
    expect(readFileSync(join(report.contentFaults[0]?.place ?? '', 'tree/etc/motd'), 'utf8')).toBe('hello');
    expect(store.find(bad.key)).toMatchObject({present: false, evicted: {why: 'corrupt'}});
    expect(store.lookup(good.key)).toBeDefined();
    expect(await verifyCache(store, deep)).toMatchObject({contentFaults: [], objects: 1, isSound: true});
  });

  it('leaves what a living run has leased, and says so', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {digest} = await content(store);
    flipByte(join(store.treePath(digest), 'etc/motd'));
    const run = store.openRun();
    store.lease(run, [digest]);
    const report = await verifyCache(store, {deep: true, repair: true});
    expect(report).toMatchObject({contentFaults: [{repair: 'in-use'}], isSound: false});
    expect(store.hasContent(digest)).toBe(true);
    store.closeRun(run);
  });

  it.each<[string, (path: string) => void, string]>([
    ['is gone', (path) => rmSync(path), 'missing'],
    ['is cut off', (path) => truncateSync(path, 20), 'different'],
    [
      'names other content',
      (path) => writeFileSync(path, readFileSync(path, 'utf8').replace(/(?<="digest":").{8}/, '01234567')),
      'different',
    ],
  ])('finds that the copy of a record %s, and writes it anew', async (_, damage, problem) => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {key, stage} = await recordContent(store, 'a', {files: {a: 'text'}});
    const path = recordPath(store.layout, key);
    const before: unknown = JSON.parse(readFileSync(path, 'utf8'));
    damage(path);
    expect(await verifyCache(store, shallow)).toMatchObject({
      recordFaults: [{key, stage, problem, isRepaired: false}],
      isSound: false,
    });
    expect((await verifyCache(store, {deep: false, repair: true})).isSound).toBe(true);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(before);
    expect((await verifyCache(store, shallow)).recordFaults).toEqual([]);
  });

  it('counts what the database does not know, which is no fault', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    await publishFiles(store, {file: 'nobody recorded this'});
    writeFileSync(join(store.layout.records, 'unknown.json'), '{}');
    expect(await verifyCache(store, shallow)).toMatchObject({
      unrecordedObjects: 1,
      unrecordedRecords: 1,
      isSound: true,
    });
  });

  it('tells how far it is', async () => {
    using cache = new TemporaryStore();
    for (const name of ['a', 'b']) await content(cache.store, name);
    const told: (readonly [number, number])[] = [];
    await verifyCache(cache.store, {...shallow, onProgress: (done, total) => told.push([done, total])});
    expect(told).toEqual([
      [0, 2],
      [1, 2],
      [2, 2],
    ]);
  });
});

describe('verifyText()', () => {
  const sound: VerifyReport = {
    isDeep: true,
    objects: 2,
    records: 3,
    contentFaults: [],
    recordFaults: [],
    unrecordedObjects: 0,
    unrecordedRecords: 0,
    isSound: true,
  };
  const digest = 'abcdef0123456789';
  const problem = {problem: 'content', paths: ['etc/motd', 'usr/bin/\u001B[31mjq'], count: 3} as const;

  it('says that all is sound, and how far that goes', () => {
    expect(verifyText(sound)).toEqual(['2 objects and 3 records are sound']);
    expect(verifyText({...sound, isDeep: false})).toEqual([
      '2 objects and 3 records are sound; what is in the files was not read, see --deep',
    ]);
  });

  it('tells what is wrong with which stages, and what to do', () => {
    const contentFaults = [{digest, stages: ['pack:web/openstack'], problem, repair: 'none'}] as const;
    const recordFaults = [{key: digest, stage: 'base:x', problem: 'missing', isRepaired: false}] as const;
    expect(verifyText({...sound, contentFaults, recordFaults, unrecordedObjects: 1, isSound: false})).toEqual(
      [
        'abcdef012345 (pack:web/openstack): etc/motd and 2 more are not what they were',
        '  etc/motd',
        '  usr/bin/jq',
        'record abcdef012345 (base:x): its copy beside the content is missing',
        '1 object and 0 records are not in the database: "fgimage cache gc" removes them, "fgimage cache rebuild" takes them up',
        '2 objects and 3 records were checked, 2 faults found: --repair sets them aside',
      ],
    );
  });

  it('tells what was mended', () => {
    const contentFaults = [
      {digest, stages: ['a'], problem: {problem: 'manifest'}, repair: 'set-aside', place: '/c/corrupt/x'},
      {digest, stages: ['b'], problem: {problem: 'missing'}, repair: 'set-aside'},
    ] as const;
    expect(verifyText({...sound, contentFaults})).toEqual([
      'abcdef012345 (a): its manifest is not what it was',
      '  set aside: /c/corrupt/x',
      'abcdef012345 (b): a part of it is missing',
      '  its records are forgotten',
      '2 objects and 3 records were checked; what was wrong is mended, and the next build makes it again',
    ]);
  });
});
