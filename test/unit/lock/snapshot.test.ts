import {describe, expect, it} from 'vitest';
import type {LockedSuite} from '../../../src/lock/lock.ts';
import {
  parseSnapshotConfiguration,
  type SnapshotQuestion,
  snapshotIds,
  snapshotRoots,
} from '../../../src/lock/snapshot.ts';
import {archiveUri, wantedDebs} from '../../../src/lock/wanted.ts';

function suite(origin: string, date: string): LockedSuite {
  return {name: 'bookworm', origin, components: ['main'], date, sha256: 'a'.repeat(64)};
}

const suites = [
  suite('main', '2026-05-16T09:30:00Z'),
  suite('main', '2026-11-20T20:15:02Z'),
  suite('security', '2026-11-21T23:00:00Z'),
  suite('tools', '2026-01-01T00:00:00Z'),
];

function roots(
  over: Partial<SnapshotQuestion> & {snapshots?: string},
  configuration = '',
): readonly string[] {
  const {snapshots, ...question} = over;
  return snapshotRoots({
    os: {distribution: 'debian', ...(snapshots === undefined ? {} : {snapshots})},
    origin: 'main',
    root: 'http://mirror.example.org/debian',
    suites,
    configured: parseSnapshotConfiguration(configuration),
    ...question,
  });
}

describe('snapshotIds()', () => {
  it('begins with the newest Release, and goes on to when a snapshot of it was taken', () => {
    expect(snapshotIds(suites.slice(0, 2))).toEqual([
      '20261120T201502Z',
      '20261121T021502Z',
      '20261121T201502Z',
    ]);
    expect(snapshotIds([])).toEqual([]);
  });
});

describe('snapshotRoots()', () => {
  it('puts the times into what the spec says', () => {
    const snapshots = 'https://old.example.org/debian/@SNAPSHOTID@/';
    expect(roots({snapshots})[0]).toBe('https://old.example.org/debian/20261120T201502Z');
    expect(roots({snapshots, origin: 'security'})[0]).toBe(
      'https://old.example.org/debian-security/20261121T230000Z',
    );
  });

  it('puts the path of the mirror into @PATH@', () => {
    const snapshots = 'https://old.example.org/archive/@PATH@/@SNAPSHOTID@';
    expect(roots({snapshots})[1]).toBe('https://old.example.org/archive/debian/20261121T021502Z');
    expect(
      roots({snapshots, origin: 'security', root: 'http://mirror.example.org/a/debian-security/'})[0],
    ).toBe('https://old.example.org/archive/a/debian-security/20261121T230000Z');
  });

  it("knows no security archive where the spec's is of another form, and none for other repositories", () => {
    const snapshots = 'file:/srv/snapshots/@SNAPSHOTID@';
    expect(roots({snapshots})).toHaveLength(3);
    expect(roots({snapshots, origin: 'security'})).toEqual([]);
    expect(roots({snapshots, origin: 'tools', root: 'https://deb.example.org/tools'})).toEqual([]);
  });

  it("takes what the host's apt knows, by label, origin and host, in apt's order", () => {
    const byOrigin = 'Acquire::Snapshots::URI::Origin::Debian "http://origin.example.org/@SNAPSHOTID@/";\n';
    const byHost =
      'Acquire::Snapshots::URI::Host::.example.org "http://host.example.org/@PATH@/@SNAPSHOTID@/";\n';
    const override =
      'Acquire::Snapshots::URI::Override::Label::Debian-Security "http://own.example.org/@SNAPSHOTID@/";\n';
    const all = `Acquire::Snapshots "";\n${byHost}${byOrigin}${override}`;
    expect(roots({}, all)[0]).toBe('http://origin.example.org/20261120T201502Z');
    expect(roots({origin: 'security'}, all)[0]).toBe('http://own.example.org/20261121T230000Z');
    expect(roots({origin: 'tools', root: 'https://deb.example.org/tools'}, all)[0]).toBe(
      'http://host.example.org/tools/20260101T000000Z',
    );
    expect(roots({origin: 'tools', root: 'file:/srv/tools'}, all)).toEqual([]);
    expect(roots({snapshots: 'http://spec.example.org/@SNAPSHOTID@'}, all)[0]).toBe(
      'http://spec.example.org/20261120T201502Z',
    );
    expect(roots({})).toEqual([]);
  });
});

describe('wantedDebs()', () => {
  it('gives each package its places', () => {
    const wanted = wantedDebs(
      {
        packages: [
          {
            name: 'g++',
            version: '4:12.2.0-3',
            architecture: 'amd64',
            origin: 'main',
            path: 'pool/main/g/gcc-defaults/g++_12.2.0-3_amd64.deb',
            size: 3,
            sha256: 'a'.repeat(64),
          },
        ],
        roots: {main: 'http://mirror.example.org/debian/'},
        os: {
          distribution: 'debian',
          release: 'bookworm',
          architecture: 'amd64',
          snapshots: 'http://old.example.org/@SNAPSHOTID@',
        },
        suites,
      },
      new Map(),
    );
    const path = 'pool/main/g/gcc-defaults/g%2B%2B_12.2.0-3_amd64.deb';
    expect(wanted).toEqual([
      {
        name: 'g++',
        version: '4:12.2.0-3',
        architecture: 'amd64',
        fileName: 'g++_4%3a12.2.0-3_amd64.deb',
        sizeBytes: 3,
        sha256: 'a'.repeat(64),
        uris: [`http://mirror.example.org/debian/${path}`],
        snapshotUris: ['20261120T201502Z', '20261121T021502Z', '20261121T201502Z'].map(
          (id) => `http://old.example.org/${id}/${path}`,
        ),
      },
    ]);
  });

  it('escapes what has a meaning in URIs', () => {
    expect(archiveUri('file:/srv/debian', 'pool/a b#c?d%~:e')).toBe(
      'file:/srv/debian/pool/a%20b%23c%3Fd%25~:e',
    );
  });
});
