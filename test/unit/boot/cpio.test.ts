import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, readlinkSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {type CpioEntry, cpioArchive} from '../../../src/stages/test/cpio.ts';

const entries: readonly CpioEntry[] = [
  {kind: 'file', path: 'etc/systemd/system/a.service', content: '[Unit]\n', mode: 0o644},
  {kind: 'link', path: 'etc/systemd/system/multi-user.target.wants/a.service', target: '../a.service'},
  {kind: 'file', path: 'var/lib/run.sh', content: '#!/bin/sh\nexit 0\n', mode: 0o755},
];

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-cpio-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

test('cpioArchive() writes what cpio(1) reads, with the folders above each entry', () => {
  const archive = cpioArchive(entries);

  execFileSync('cpio', ['-i', '-d', '--quiet'], {cwd: folder, input: archive});

  const names = execFileSync('cpio', ['-t', '--quiet'], {input: archive, encoding: 'utf8'})
    .trim()
    .split('\n');
  expect(names).toEqual([
    'etc',
    'etc/systemd',
    'etc/systemd/system',
    'etc/systemd/system/a.service',
    'etc/systemd/system/multi-user.target.wants',
    'etc/systemd/system/multi-user.target.wants/a.service',
    'var',
    'var/lib',
    'var/lib/run.sh',
  ]);
  expect(readFileSync(join(folder, 'var/lib/run.sh'), 'utf8')).toBe('#!/bin/sh\nexit 0\n');
  expect(statSync(join(folder, 'var/lib/run.sh')).mode & 0o7777).toBe(0o755);
  expect(statSync(join(folder, 'etc')).mode & 0o7777).toBe(0o755);
  expect(readlinkSync(join(folder, 'etc/systemd/system/multi-user.target.wants/a.service'))).toBe(
    '../a.service',
  );
});

test('cpioArchive() gives the same bytes in any order, in whole blocks', () => {
  const archive = cpioArchive(entries);

  expect(cpioArchive(entries.toReversed()).equals(archive)).toBe(true);
  expect(archive.length % 512).toBe(0);
  expect(archive.subarray(0, 6).toString()).toBe('070701');
});
