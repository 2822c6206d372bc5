import {describe, expect, it} from 'vitest';
import {archiveUris} from '../../../src/run/host-archive.ts';
import type {Os} from '../../../src/spec/image.ts';
import {TemporaryStore} from '../../rig/stored.ts';

const os: Os = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'};

describe('archiveUris()', () => {
  it.each<[string, Partial<Os>, object]>([
    [
      'the mirror of the spec, with the security archive beside it',
      {mirror: 'http://mirror.example.org/debian/'},
      {main: 'http://mirror.example.org/debian', security: 'http://mirror.example.org/debian-security'},
    ],
    [
      'a private archive without a security archive',
      {mirror: 'https://packages.example.org/pool'},
      {main: 'https://packages.example.org/pool'},
    ],
    [
      'the archives at the time of a snapshot',
      {mirror: 'http://snapshot.example.org/archive/debian', snapshot: '20260101T000000Z'},
      {
        main: 'http://snapshot.example.org/archive/debian/20260101T000000Z',
        security: 'http://snapshot.example.org/archive/debian-security/20260101T000000Z',
      },
    ],
    [
      'a mirror of Ubuntu, whose security suites are among the others',
      {distribution: 'ubuntu', release: 'noble', mirror: 'http://mirror.example.org/ubuntu/'},
      {main: 'http://mirror.example.org/ubuntu', security: 'http://mirror.example.org/ubuntu'},
    ],
  ])('gives %s', (_, parts, expected) => {
    using cache = new TemporaryStore();
    expect(archiveUris({...os, ...parts}, cache.store)).toEqual(expected);
  });

  it('wants a mirror for a snapshot', () => {
    using cache = new TemporaryStore();
    expect(() => archiveUris({...os, snapshot: '20260101T000000Z'}, cache.store)).toThrow(
      expect.objectContaining({
        code: 'SPEC_INVALID',
        message: 'os.snapshot needs os.mirror: the archive of snapshots to take it from',
      }),
    );
  });
});
