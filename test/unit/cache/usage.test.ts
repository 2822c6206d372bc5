import {linkSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {imageOf} from '../../../cache/image-stages.ts';
import {diskUse} from '../../../cache/measure.ts';
import {type CacheUsage, cacheUsage} from '../../../cache/usage.ts';
import {usageText} from '../../../src/cli/cache-text.ts';
import {recordContent, recordRun} from '../../rig/recorded.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

/** Two images on one base, built by one run; an older build of one of them; content without a record. */
async function twoImages({store}: TemporaryStore): Promise<Record<'base' | 'web' | 'db' | 'old', string>> {
  const base = await recordContent(store, 'base', {stage: 'base:debian-12-amd64', usedAt: 1});
  const layer = {usedAt: 2, inputs: [base]};
  const web = await recordContent(store, 'web', {...layer, stage: 'customize:web/packages'});
  const db = await recordContent(store, 'db', {...layer, stage: 'customize:db/packages'});
  const old = await recordContent(store, 'old', {...layer, stage: 'customize:web/packages'});
  recordRun(store, {id: 'r1', at: 1, stages: [base, old]});
  recordRun(store, {id: 'r2', at: 2, stages: [base, web, db]});
  await publishFiles(store, {file: 'nobody recorded this'});
  return {base: base.digest, web: web.digest, db: db.digest, old: old.digest};
}

describe('cacheUsage()', () => {
  it('tells what each image and stage takes, what they share once, and the rest', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digests = await twoImages(cache);
    const of = (name: keyof typeof digests): number => diskUse(store.objectPath(digests[name])).bytes;
    const usage = cacheUsage(store);
    const image = (name: 'web' | 'db'): CacheUsage['images'][number] => ({
      image: name,
      file: 'fgimage.yaml',
      ownBytes: of(name),
      sharedBytes: of('base'),
      stages: [
        {stage: 'base:debian-12-amd64', digest: digests.base, ownBytes: 0, sharedBytes: of('base')},
        {stage: `customize:${name}/packages`, digest: digests[name], ownBytes: of(name), sharedBytes: 0},
      ],
    });
    expect(usage.images).toEqual([image('db'), image('web')]);
    expect(usage.ownBytes).toBe(of('web') + of('db'));
    expect(usage.sharedBytes).toBe(of('base'));
    expect(usage.earlier).toEqual({objects: 1, bytes: of('old')});
    expect(usage.orphans).toMatchObject({objects: 1});
  });

  it('sums up to what lies on the disk, but for the folders that hold it', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const {layout} = store;
    await twoImages(cache);
    writeFileSync(join(layout.packages, 'jq_1_amd64.deb'), 'x'.repeat(10_000));
    mkdirSync(join(layout.tmp, 'run'));
    linkSync(join(layout.packages, 'jq_1_amd64.deb'), join(layout.tmp, 'run/jq_1_amd64.deb'));
    mkdirSync(join(layout.corrupt, 'bad/tree'), {recursive: true});
    const {totalBytes, ownBytes, sharedBytes, earlier, orphans, folders, databaseBytes} = cacheUsage(store);
    const parts = [
      ownBytes,
      sharedBytes,
      earlier.bytes,
      orphans.bytes,
      databaseBytes,
      ...Object.values(folders),
    ];
    expect(parts.reduce((sum, bytes) => sum + bytes, 0)).toBe(totalBytes);
    const folder = (path: string): number => {
      mkdirSync(join(path, 'empty'), {recursive: true});
      return diskUse(join(path, 'empty')).bytes;
    };
    const all = diskUse(layout.root).bytes;
    expect(all - totalBytes).toBeGreaterThanOrEqual(0);
    expect(all - totalBytes).toBeLessThanOrEqual(20 * folder(cache.folder.path));
  });

  it('counts content that two stages of one image gave once', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const files = {same: 'text'};
    const one = await recordContent(store, 'one', {files, stage: 'customize:web/files', usedAt: 1});
    const two = await recordContent(store, 'two', {files, stage: 'customize:web/users', usedAt: 2});
    recordRun(store, {id: 'r', at: 1, stages: [one, two]});
    const bytes = diskUse(store.objectPath(one.digest)).bytes;
    const [image] = cacheUsage(store).images;
    expect(image).toMatchObject({ownBytes: bytes, sharedBytes: 0});
    expect(image?.stages.map(({ownBytes, sharedBytes}) => [ownBytes, sharedBytes])).toEqual([
      [0, bytes],
      [0, bytes],
    ]);
  });

  it('does not count what is gone', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const one = await recordContent(store, 'one');
    recordRun(store, {id: 'r', at: 1, stages: [one]});
    store.quarantine(one.digest);
    expect(cacheUsage(store)).toMatchObject({images: [], ownBytes: 0, earlier: {objects: 0, bytes: 0}});
  });
});

describe('imageOf()', () => {
  it.each([
    ['customize:web/packages', 'web'],
    ['pack:web/openstack', 'web'],
    ['base:debian-bookworm-amd64', undefined],
    ['archive:debian-bookworm-amd64', undefined],
  ])('of %s is %s', (stage, image) => {
    expect(imageOf(stage)).toBe(image);
  });
});

describe('usageText()', () => {
  it('is a table of images and stages, and one in which everything counts once', () => {
    const [mib, gib] = [2 ** 20, 2 ** 30];
    const usage: CacheUsage = {
      totalBytes: 2 * gib,
      images: [
        {
          image: 'web',
          file: 'fgimage.yaml',
          ownBytes: gib,
          sharedBytes: 250 * mib,
          stages: [
            {stage: 'base:debian-12-amd64', digest: 'a', ownBytes: 0, sharedBytes: 250 * mib},
            {stage: 'pack:web/openstack', digest: 'b', ownBytes: gib, sharedBytes: 0},
          ],
        },
      ],
      ownBytes: gib,
      sharedBytes: 250 * mib,
      earlier: {objects: 3, bytes: 500 * mib},
      orphans: {objects: 1, bytes: 4096},
      folders: {
        packages: 80 * mib,
        records: 0,
        logs: 0,
        traces: 0,
        kept: 0,
        caches: 0,
        corrupt: 0,
        trash: 0,
        tmp: 0,
        locks: 0,
      },
      databaseBytes: 1000,
    };
    expect(usageText(usage).join('\n')).toBe(`image  stage                     own   shared
web                          1.0 GiB  250 MiB
       base:debian-12-amd64           250 MiB
       pack:web/openstack    1.0 GiB

used by one image               1.0 GiB
shared by images, counted once  250 MiB
of earlier builds               500 MiB  3 objects
without a record                4.0 KiB  1 object
packages                         80 MiB
records                             0 B
logs                                0 B
traces                              0 B
kept work                           0 B
caches of steps                     0 B
corrupt content                     0 B
being removed                       0 B
work of builds that run             0 B
locks                               0 B
database                        1.0 KiB
total                           2.0 GiB`);
  });
});
