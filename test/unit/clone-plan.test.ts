import {describe, expect, it} from 'vitest';
import {whyNotCloned} from '../../src/cli/clone-plan.ts';

const on = {cache: {cloneBases: true}};
const off = {cache: {cloneBases: false}};
const plain = {spec: {cache: {}}, lock: undefined, remote: undefined};

describe('whyNotCloned()', () => {
  it.each([
    [undefined, false, plain],
    ['the lock says what is installed', false, {...plain, spec: on, lock: {}}],
    ['--from-scratch', true, {...plain, spec: on}],
    ['cache.clone_bases is false', false, {...plain, spec: off}],
    ['a remote cache shares by keys', false, {...plain, remote: {}}],
    [undefined, false, {...plain, spec: on, remote: {}}],
  ])('says %s', (why, fromScratch, of) => {
    expect(whyNotCloned({fromScratch}, of)).toBe(why);
  });
});
