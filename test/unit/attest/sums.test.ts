import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {readSums, sumsText} from '../../../src/attest/sums.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const names = ['b', 'a/c', 'ü', 'with blank', '*star', 'back\\slash', 'new\nline', 'both\\n'];

describe('SHA256SUMS', () => {
  it('is what sha256sum writes, whatever the names', () => {
    using folder = new TemporaryFolder(Object.fromEntries(names.map((name) => [name, name])));
    const sums = names.map((path) => ({path, sha256: sha256(path)}));
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const theirs = execFileSync('sha256sum', ['--binary', '--', ...sorted], {
      cwd: folder.path,
      encoding: 'utf8',
    });
    expect(sumsText(sums)).toBe(theirs);
    const read = readSums(theirs);
    expect(read.ok && [...read.value].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
      sums.sort((a, b) => (a.path < b.path ? -1 : 1)),
    );
  });

  it.each([
    ['', 'line 1 is no digest and name'],
    [`${'0'.repeat(64)} */etc/passwd\n`, 'line 1 names a file of another folder'],
    [`${'0'.repeat(64)} *a/../b\n`, 'line 1 names a file of another folder'],
    [`${'0'.repeat(64)} *a\n${'1'.repeat(64)}  a\n`, 'line 2 names a file once more'],
    [`${'0'.repeat(63)} *a\n`, 'line 1 is no digest and name'],
  ])('%j is none', (text, error) => {
    expect(readSums(text)).toEqual({ok: false, error});
  });
});
