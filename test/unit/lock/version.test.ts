import {spawnSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {compareVersions} from '../../../src/lock/version.ts';

/** Each pair as deb-version(7) and dpkg's own tests order it. */
const ordered: readonly (readonly [older: string, newer: string])[] = [
  ['1.0', '1.1'],
  ['1.9', '1.10'],
  ['1.0', '1:0.1'],
  ['1:9', '2:1'],
  ['1.0~rc1', '1.0'],
  ['1.0~~', '1.0~~a'],
  ['1.0~~a', '1.0~'],
  ['1.0~', '1.0'],
  ['1.0', '1.0a'],
  ['1.0a', '1.0+'],
  ['1.0-1', '1.0-2'],
  ['1.0-1', '1.0-1+deb12u1'],
  ['1.0-1+deb12u9', '1.0-1+deb12u10'],
  ['1.0-1~bpo12+1', '1.0-1'],
  ['1.0', '1.0-1'],
  ['1.2.3-4', '1.2.3-4.1'],
  ['6.1.0-9', '6.1.0-10'],
  ['2.36-9+deb12u4', '2.36-9+deb12u10'],
  ['0.0.9', '0.0.9.1'],
  ['7.6-0', '7.6p2-4'],
  ['1.0-1', '1.0.3-3'],
  ['1.18.36-0.17.3', '1.18.36-0.17.35-18'],
  ['5.10.0+20141008-1', '5.10.0+20141010-1'],
  ['99999999999999999998', '99999999999999999999'],
  ['a-b-1', 'a-b-2'],
];

/** Written differently, the same version. */
const equal: readonly (readonly [string, string])[] = [
  ['1.0', '1.0'],
  ['0:1.0', '1.0'],
  ['1.0-0', '1.0'],
  ['1.01', '1.1'],
  ['1.0-00', '1.0-0'],
  ['00:1.0', '0:1.0'],
];

describe('compareVersions()', () => {
  it.each(ordered)('puts %s before %s, as dpkg does', (older, newer) => {
    expect([Math.sign(compareVersions(older, newer)), Math.sign(compareVersions(newer, older))]).toEqual([
      -1, 1,
    ]);
    expect(dpkgAgrees(older, 'lt', newer)).toBe(true);
  });

  it.each(equal)('takes %s and %s for one version, as dpkg does', (one, other) => {
    expect([compareVersions(one, other), compareVersions(other, one)]).toEqual([0, 0]);
    expect(dpkgAgrees(one, 'eq', other)).toBe(true);
  });
});

function dpkgAgrees(a: string, relation: 'lt' | 'eq', b: string): boolean {
  return spawnSync('dpkg', ['--compare-versions', a, relation, b], {stdio: 'ignore'}).status === 0;
}
