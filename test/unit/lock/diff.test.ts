import {describe, expect, it} from 'vitest';
import {diffLocks, diffPackages, isSameLock, type PackageVersion} from '../../../src/lock/diff.ts';
import type {Lock, LockedPackage} from '../../../src/lock/lock.ts';

describe('diffPackages()', () => {
  it('tells upgrades, downgrades, additions and removals, by name', () => {
    const before = [deb('a', '1.0'), deb('b', '2.0'), deb('c', '1.0'), deb('e', '1.0')];
    const after = [deb('a', '1.1'), deb('b', '2.0~rc1'), deb('d', '1.0'), deb('e', '1.0')];
    expect(diffPackages(before, after)).toEqual([
      {change: 'upgraded', name: 'a', architecture: 'amd64', from: '1.0', to: '1.1'},
      {change: 'downgraded', name: 'b', architecture: 'amd64', from: '2.0', to: '2.0~rc1'},
      {change: 'removed', name: 'c', architecture: 'amd64', from: '1.0'},
      {change: 'added', name: 'd', architecture: 'amd64', to: '1.0'},
    ]);
  });

  it('marks an upgrade from the archive of security updates', () => {
    const [change] = diffPackages(
      [{...deb('openssl', '3.0.15-1'), origin: 'main'}],
      [{...deb('openssl', '3.0.15-1+deb12u1'), origin: 'security'}],
    );
    expect(change).toEqual({
      change: 'upgraded',
      name: 'openssl',
      architecture: 'amd64',
      origin: 'security',
      from: '3.0.15-1',
      to: '3.0.15-1+deb12u1',
      security: true,
    });
  });

  it('tells another file with the same version', () => {
    const [change, ...others] = diffPackages(
      [{...deb('a', '1.0'), sha256: '1'}],
      [{...deb('a', '1.0'), sha256: '2'}],
    );
    expect([change?.change, change?.from, change?.to, others.length]).toEqual(['changed', '1.0', '1.0', 0]);
  });

  it('keeps architectures and several versions of one package apart', () => {
    const before = [deb('a', '1'), deb('a', '2'), {...deb('a', '1'), architecture: 'i386'}];
    const after = [deb('a', '2'), deb('a', '3'), deb('a', '4'), {...deb('a', '1'), architecture: 'i386'}];
    expect(diffPackages(before, after).map(({change, from, to}) => [change, from, to])).toEqual([
      ['removed', '1', undefined],
      ['added', undefined, '3'],
      ['added', undefined, '4'],
    ]);
  });
});

describe('diffLocks()', () => {
  it('finds nothing between a lock and itself', () => {
    const lock = lockWith([locked('a', '1.0')]);
    expect(isSameLock(diffLocks(lock, structuredClone(lock)))).toBe(true);
  });

  it('tells archives, stages and sources apart', () => {
    const a = lockWith([locked('a', '1.0'), locked('b', '1.0')]);
    const b: Lock = {
      ...lockWith([locked('a', '1.1'), locked('c', '1.0')], '2026-02-01T00:00:00Z'),
      sources: {web: {'setup.sh': '22', 'new.sh': '33'}},
    };
    expect(diffLocks(a, b)).toEqual({
      archives: [
        {
          archive: 'debian-bookworm',
          suites: [
            {
              change: 'changed',
              name: 'main bookworm',
              from: '2026-01-01T00:00:00Z main aa',
              to: '2026-02-01T00:00:00Z main aa',
            },
          ],
          packages: [
            {change: 'upgraded', name: 'a', architecture: 'amd64', origin: 'main', from: '1.0', to: '1.1'},
            {change: 'removed', name: 'b', architecture: 'amd64', origin: 'main', from: '1.0'},
            {change: 'added', name: 'c', architecture: 'amd64', origin: 'main', to: '1.0'},
          ],
        },
      ],
      stages: [
        {
          stage: 'customize:web/packages',
          request: [
            {change: 'removed', name: 'install b', from: ''},
            {change: 'added', name: 'install c', to: ''},
          ],
          packages: [
            {change: 'upgraded', name: 'a', architecture: 'amd64', origin: 'main', from: '1.0', to: '1.1'},
            {change: 'removed', name: 'b', architecture: 'amd64', origin: 'main', from: '1.0'},
            {change: 'added', name: 'c', architecture: 'amd64', origin: 'main', to: '1.0'},
          ],
        },
      ],
      sources: [
        {
          image: 'web',
          files: [
            {change: 'added', name: 'new.sh', to: '33'},
            {change: 'changed', name: 'setup.sh', from: '11', to: '22'},
          ],
        },
      ],
    });
  });

  it('tells a stage that only one lock has', () => {
    const a = lockWith([locked('a', '1.0')]);
    const changes = diffLocks(a, {...a, stages: {}});
    expect(changes.stages.map(({stage, change}) => [stage, change])).toEqual([
      ['customize:web/packages', 'removed'],
    ]);
  });
});

function deb(name: string, version: string): PackageVersion {
  return {name, version, architecture: 'amd64'};
}

function locked(name: string, version: string): LockedPackage {
  const sha256 = `${name}${version}`;
  return {name, version, architecture: 'amd64', origin: 'main', path: `pool/${name}`, size: 1, sha256};
}

function lockWith(packages: readonly LockedPackage[], date = '2026-01-01T00:00:00Z'): Lock {
  return {
    version: 1,
    archives: {
      'debian-bookworm': {
        os: {distribution: 'debian', release: 'bookworm', architecture: 'amd64'},
        suites: [{name: 'bookworm', origin: 'main', components: ['main'], date, sha256: 'aa'}],
        packages,
      },
    },
    stages: {
      'customize:web/packages': {
        archive: 'debian-bookworm',
        install: packages.map(({name}) => name),
        remove: [],
        packages: packages.map(({name}) => name),
      },
    },
    sources: {web: {'setup.sh': '11'}},
  };
}
