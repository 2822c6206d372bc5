import {describe, expect, it} from 'vitest';
import {FgError} from '../../../src/errors.ts';
import {formatLock, parseLock} from '../../../src/lock/file.ts';
import type {Lock, LockedPackage} from '../../../src/lock/lock.ts';
import {lockPathOf} from '../../../src/lock/path.ts';

const sha = (letter: string): string => letter.repeat(64);

function locked(name: string, version: string, parts: Partial<LockedPackage> = {}): LockedPackage {
  return {
    name,
    version,
    architecture: 'amd64',
    origin: 'main',
    path: `pool/main/${name.slice(0, 1)}/${name}/${name}_${version}_amd64.deb`,
    size: 1234,
    sha256: sha('a'),
    ...parts,
  };
}

const lock: Lock = {
  version: 1,
  archives: {
    'debian-bookworm': {
      os: {distribution: 'debian', release: 'bookworm', architecture: 'amd64'},
      suites: [
        {
          name: 'bookworm',
          origin: 'main',
          components: ['main'],
          date: '2026-07-11T10:16:37Z',
          sha256: sha('b'),
        },
      ],
      packages: [
        locked('jq', '1.6-2.1'),
        locked('openssl', '3.0.15-1~deb12u1', {sha256: `123e45${sha('0').slice(6)}`}),
        locked('zlib1g', '1:1.2.13.dfsg-1'),
      ],
    },
  },
  stages: {
    'customize:web/packages': {
      archive: 'debian-bookworm',
      install: ['jq', 'openssl'],
      remove: ['nano'],
      packages: ['jq', 'openssl', 'zlib1g=1:1.2.13.dfsg-1'],
    },
    'base:debian-bookworm-amd64': {
      archive: 'debian-bookworm',
      install: [],
      remove: [],
      packages: ['zlib1g'],
      required: ['zlib1g'],
    },
  },
  sources: {web: {'setup.sh': sha('c')}},
};

describe('fgimage.lock', () => {
  it('is read as it was written', () => {
    const text = formatLock(lock);
    expect(parseLock(text, 'fgimage.lock')).toEqual(lock);
    expect(formatLock(parseLock(text, 'fgimage.lock'))).toBe(text);
  });

  it('has a line for each package, so that a diff shows what changed and no more', () => {
    const {'debian-bookworm': archive} = lock.archives;
    if (archive === undefined) throw new Error('no archive');
    const renewed = archive.packages.map((one) => (one.name === 'jq' ? locked('jq', '1.7') : one));
    const before = formatLock(lock).split('\n');
    const after = formatLock({
      ...lock,
      archives: {'debian-bookworm': {...archive, packages: renewed}},
    }).split('\n');
    const changed = after.filter((line) => !before.includes(line));
    expect(changed).toEqual([
      `      - {name: jq, version: "1.7", architecture: amd64, origin: main, path: pool/main/j/jq/jq_1.7_amd64.deb, size: 1234, sha256: ${sha('a')}}`,
    ]);
    expect(before).toHaveLength(after.length);
  });

  it('is sorted by the names of stages, whatever their order', () => {
    const stages = Object.fromEntries(Object.entries(lock.stages).reverse());
    expect(formatLock({...lock, stages})).toBe(formatLock(lock));
  });

  it('lies beside the spec, under its name', () => {
    expect(lockPathOf('/project/fgimage.yaml')).toBe('/project/fgimage.lock');
    expect(lockPathOf('/project/web.yml')).toBe('/project/web.lock');
  });

  const text = formatLock(lock);
  it.each<[what: string, text: string, message: RegExp]>([
    ['no mapping', 'nothing', /^l\.lock:1:1: /],
    [
      'another version',
      text.replace('version: 1\n', 'version: 2\n'),
      /^l\.lock:4:10: version: this fgimage knows version 1/,
    ],
    ['an unknown key', `${text}more: 1\n`, /Unrecognized key: "more"/],
    [
      'a digest that is none',
      text.replace(sha('b'), 'b'),
      /^l\.lock:9:96: archives\.debian-bookworm\.suites\.0\.sha256: a SHA-256/,
    ],
    [
      'a path out of the archive',
      text.replace('pool/main/j', '../main/j'),
      /path: a path below the root of an archive/,
    ],
    ['an absolute path', text.replace('pool/main/j', '/pool/main/j'), /path: a path below the root/],
    ['a name for a shell', text.replace('name: jq', 'name: "jq;id"'), /name: not the name of a package/],
    [
      'a version for a shell',
      text.replace('"1.6-2.1"', '"1.6 -o x"').replace('1.6-2.1,', '"1.6 -o x",'),
      /version: not the version/,
    ],
    [
      'an option in the place of a package',
      text.replace('- openssl', '- -oX=y'),
      /packages\.1: not a word for apt/,
    ],
    [
      'a stage of an unknown archive',
      text.replace('archive: debian-bookworm', 'archive: sid'),
      /There is no archive sid/,
    ],
    [
      'a package that the archive lacks',
      text.replace('- openssl', '- openssh'),
      /The archive debian-bookworm has no package openssh/,
    ],
    ['the marks of a merge', text.replace('stages:', '<<<<<<< HEAD\nstages:'), /marks of a merge/],
    ['an alias', text.replace('sources:', 'x: &a {b: c}\nsources: *a\ny:'), /an alias: a lock has none/],
    ['broken YAML', text.replace('archives:', 'archives: ['), /^l\.lock:\d+:\d+: /],
  ])('is refused with its place: %s', (_, spoilt, message) => {
    expect(spoilt).not.toBe(text);
    const read = (): unknown => parseLock(spoilt, 'l.lock');
    expect(read).toThrow(FgError);
    expect(read).toThrow(message);
  });
});
