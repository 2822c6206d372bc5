import {describe, expect, it} from 'vitest';
import type {GcReport} from '../../../cache/gc-report.ts';
import {enterImage} from '../../../src/catalog/catalog.ts';
import {runCache} from '../../../src/cli/cache.ts';
import {parseBounds} from '../../../src/cli/cache-bounds.ts';
import {listedPins, pinImages, pinsText, unpinImages} from '../../../src/cli/cache-pins.ts';
import {gcText} from '../../../src/cli/cache-text.ts';
import {parseDuration} from '../../../src/duration.ts';
import {FgError} from '../../../src/errors.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

async function refusal(...words: Parameters<typeof runCache>): Promise<unknown> {
  try {
    return await runCache(...words);
  } catch (error) {
    return error instanceof FgError ? [error.code, error.message, error.hint] : error;
  }
}

describe('runCache()', () => {
  it.each<[string, Parameters<typeof runCache>, readonly string[]]>([
    [
      'no action',
      [undefined, [], {}],
      [
        'fgimage cache wants to know what to do',
        'Add one of gc, du, verify, rebuild, pin, unpin, pins, keygen',
      ],
    ],
    [
      'a mistyped action',
      ['verfy', [], {}],
      ['There is no command cache verfy', 'Did you mean fgimage cache verify?'],
    ],
    [
      'an action unlike any',
      ['defragment', [], {}],
      ['There is no command cache defragment', 'There are gc, du, verify, rebuild, pin, unpin, pins, keygen'],
    ],
    [
      'an option of another action',
      ['du', [], {maxSize: '1G', json: true}],
      ['fgimage cache du has no option --max-size', 'It has --cache-dir, --json'],
    ],
    [
      'an option where there are none',
      ['pin', ['web'], {json: true}],
      ['fgimage cache pin has no option --json', 'It has --cache-dir only'],
    ],
    ['names where none belong', ['gc', ['web'], {}], ['Unknown words: web', 'See fgimage cache --help']],
    [
      'no name to pin',
      ['pin', [], {}],
      [
        'fgimage cache pin wants an image',
        'Name it, or one of its targets: web, web/openstack; "fgimage images" lists them',
      ],
    ],
    [
      'a size that is none',
      ['gc', [], {maxSize: 'much'}],
      ['--max-size wants a size, not much', 'Write for example --max-size 40GiB'],
    ],
  ])('refuses %s', async (_, words, [message, hint]) => {
    expect(await refusal(...words)).toEqual(['USAGE', message, hint]);
  });
});

/** A store whose catalog has artifacts of these names, each built a millisecond before the one in front of it. */
async function built({store}: TemporaryStore, names: readonly string[]): Promise<readonly string[]> {
  const digests: string[] = [];
  for (const [index, name] of names.entries()) {
    const digest = await publishFiles(store, {disk: `content ${index}`});
    const [image = '', target = ''] = name.split('/');
    enterImage(store.database, {
      ...{image, target, digest, key: 'k', specDigest: 's', path: `/out${index}/${name}`, file: 'disk'},
      ...{sizeBytes: 5 * 2 ** 20, tested: 'passed', builtAt: 1000 - index},
    });
    digests.push(digest);
  }
  return digests;
}

function refused(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error instanceof FgError ? [error.code, error.message, error.hint] : error;
  }
}

describe('pinImages() and unpinImages()', () => {
  it('pin an image with all its targets as they were built last, or one target', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    const digests = await built(cache, ['web/hpc', 'web/openstack', 'db/hpc', 'web/hpc']);
    const short = digests.map((digest) => digest.slice(0, 12));
    expect(pinImages(store, ['web', 'db/hpc'])).toEqual([
      `Pinned web/hpc (${short[0] ?? ''}, 5.0 MiB)`,
      `Pinned web/openstack (${short[1] ?? ''}, 5.0 MiB)`,
      `Pinned db/hpc (${short[2] ?? ''}, 5.0 MiB)`,
    ]);
    expect(listedPins(store).map(({name, digest, present}) => [name, digest, present])).toEqual([
      ['db/hpc', digests[2], true],
      ['web/hpc', digests[0], true],
      ['web/openstack', digests[1], true],
    ]);
    expect(unpinImages(store, ['web'])).toEqual(['Unpinned web/hpc', 'Unpinned web/openstack']);
    expect(listedPins(store).map(({name}) => name)).toEqual(['db/hpc']);
  });

  it('refuse what is not there, before anything is pinned', async () => {
    using cache = new TemporaryStore();
    const {store} = cache;
    await built(cache, ['web/hpc', 'web/openstack']);
    expect(refused(() => pinImages(store, ['web', 'web/openstak']))).toEqual([
      ...['USAGE', 'There is no web/openstak to choose', 'Did you mean web/openstack?'],
    ]);
    expect(refused(() => pinImages(store, ['router']))).toEqual([
      ...['USAGE', 'There is no router to choose', 'There are web/hpc, web/openstack'],
    ]);
    expect(refused(() => unpinImages(store, ['web']))).toEqual([
      ...['USAGE', 'There is no web to choose', 'There is nothing yet'],
    ]);
    expect(pinsText(listedPins(store))).toEqual(['Nothing is pinned']);
  });

  it('refuse an artifact whose content is gone', async () => {
    using cache = new TemporaryStore();
    const [digest = ''] = await built(cache, ['web/hpc']);
    cache.store.quarantine(digest);
    expect(refused(() => pinImages(cache.store, ['web']))).toEqual([
      ...['USAGE', 'The content of web/hpc is no longer in the cache', 'Build it again, then pin it'],
    ]);
  });

  it('are listed in a table', () => {
    const since = Date.UTC(2026, 0, 2, 3, 4);
    const pins = [
      {name: 'web/hpc', digest: 'a'.repeat(64), since, present: true},
      {name: 'web/openstack', digest: 'b'.repeat(64), since, present: false},
    ];
    expect(pinsText(pins).join('\n')).toBe(`image          digest               since
web/hpc        aaaaaaaaaaaa         2026-01-02 03:04 UTC
web/openstack  bbbbbbbbbbbb (gone)  2026-01-02 03:04 UTC`);
  });
});

describe('parseBounds()', () => {
  it('reads sizes, times and counts', () => {
    expect(parseBounds({maxSize: '40GiB', maxAge: '30d', minFree: '500M', keepLast: '2'})).toEqual({
      maxSizeBytes: 40 * 2 ** 30,
      maxAgeMs: 30 * 86_400_000,
      minFreeBytes: 500 * 2 ** 20,
      keepLast: 2,
    });
    expect(parseBounds({maxSize: '0'})).toEqual({maxSizeBytes: 0});
    expect(parseBounds({})).toEqual({});
  });

  it.each([
    [{maxAge: '30'}, '--max-age wants a time, not 30'],
    [{minFree: '10 apples'}, '--min-free wants a size, not 10 apples'],
    [{keepLast: '-1'}, '--keep-last wants a whole number from 0, not -1'],
  ])('refuses %j', (words, message) => {
    expect(() => parseBounds(words)).toThrow(message);
  });
});

describe('parseDuration()', () => {
  it.each([
    ['45s', 45_000],
    ['90m', 5_400_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
    ['2w', 1_209_600_000],
    ['30', undefined],
    ['d', undefined],
    ['-1d', undefined],
    ['1y', undefined],
  ])('of %s is %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
});

describe('gcText()', () => {
  const report: GcReport = {
    dryRun: false,
    removed: [],
    freedBytes: 0,
    forgottenRuns: 0,
    remaining: {bytes: 2 ** 30, objects: 7, keptObjects: 0, keptBytes: 0},
    short: {},
    packagesInUse: false,
  };

  it('says without a bound what that means', () => {
    expect(gcText(report, {keepLast: 2})).toEqual([
      'Freed 0 B; 1.0 GiB remain in 7 objects and what belongs to them',
      'No bound was given, so only what nothing can need goes: see --max-size, --max-age and --min-free',
    ]);
  });

  it('tells what went by which rule, and what could not be reached', () => {
    const text = gcText(
      {
        ...report,
        removed: [
          {rule: 'leftover', kind: 'trash', count: 1, bytes: 20 * 2 ** 20},
          {rule: 'max-size', kind: 'object', count: 12, bytes: 3 * 2 ** 30},
        ],
        freedBytes: 3 * 2 ** 30,
        forgottenRuns: 4,
        remaining: {bytes: 2 ** 30, objects: 7, keptObjects: 1, keptBytes: 2 ** 29},
        short: {maxSizeBytes: 2 ** 20, minFreeBytes: 2 ** 30},
        packagesInUse: true,
      },
      {maxSizeBytes: 1, minFreeBytes: 1},
    );
    expect(text.join('\n')).toBe(`why         what            count     size
left over   removed before      1   20 MiB
--max-size  content            12  3.0 GiB

Freed 3.0 GiB; 1.0 GiB remain in 7 objects and what belongs to them
512 MiB in 1 object stay whatever the bounds: in use, pinned, registered or of the last builds
Forgot 4 runs older than 90 days
Packages stay while a build runs
The cache stays 1.0 MiB above --max-size: nothing more may be removed
1.0 GiB less than --min-free are free: the rest of the disk is not fgimage's to remove`);
  });

  it('speaks of a dry run as one', () => {
    const dry = {...report, dryRun: true, forgottenRuns: 1, freedBytes: 1024};
    expect(gcText(dry, {maxAgeMs: 1})).toEqual([
      'Would free 1.0 KiB; 1.0 GiB remain in 7 objects and what belongs to them',
      'Would forget 1 run older than 90 days',
    ]);
  });
});
