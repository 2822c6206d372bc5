import {mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {makeFolder} from '../../../cache/make-folder.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-test-'));
});

afterAll(() => {
  rmSync(folder, {recursive: true});
});

describe('makeFolder()', () => {
  it('makes a folder and those above it, with the mode', () => {
    makeFolder(join(folder, 'a/b/c'), 0o700);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'a/b/c')).isDirectory()).toBe(true);
  });

  it('takes one that is there', () => {
    makeFolder(folder);
    expect(statSync(folder).isDirectory()).toBe(true);
  });

  it('says so where a file is in the way', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => makeFolder(file)).toThrow(/EEXIST/);
    expect(() => makeFolder(join(file, 'x'))).toThrow(/ENOTDIR/);
  });

  it('ends where the folder above takes no new one and says that it is not there', () => {
    expect(() => makeFolder('/proc/fgimage/catalog')).toThrow(/ENOENT/);
  });
});
