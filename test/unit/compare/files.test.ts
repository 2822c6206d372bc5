import {readdirSync} from 'node:fs';
import {afterAll, describe, expect, it} from 'vitest';
import {FileBytes, firstDifference, hexLine} from '../../../src/compare/bytes.ts';
import {compareFiles, type FileDifference} from '../../../src/compare/files.ts';
import {diffTrees, parseManifest} from '../../../src/compare/manifests.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const folder = new TemporaryFolder();
afterAll(() => folder[Symbol.dispose]());

function compare(a: string, b: string): Promise<FileDifference | undefined> {
  folder.write({a, b});
  return compareFiles(folder.join('a'), folder.join('b'), {
    work: folder.path,
    signal: AbortSignal.timeout(60_000),
  });
}

describe('firstDifference()', () => {
  it.each([
    ['same', 'same', undefined],
    ['same', 'some', 1],
    ['same', 'same and more', 4],
    ['same and more', 'same', 4],
    ['', 'x', 0],
    [`${'x'.repeat(3 << 20)}a`, `${'x'.repeat(3 << 20)}b`, 3 << 20],
  ])('finds where two files begin to differ', (a, b, offset) => {
    folder.write({a, b});
    using left = new FileBytes(folder.join('a'));
    using right = new FileBytes(folder.join('b'));
    expect(firstDifference(left, right)).toBe(offset);
  });
});

describe('hexLine()', () => {
  it('shows the bytes around an offset as hexdump does', () => {
    folder.write({a: 'the quick brown fox'});
    using bytes = new FileBytes(folder.join('a'));
    expect(hexLine(bytes, 4)).toBe(
      '00000000  74 68 65 20 [71] 75 69 63 6b 20 62 72 6f 77 6e 20  |the quick brown |',
    );
    expect(hexLine(bytes, 19)).toBe('00000010  66 6f 78 [end]  |fox|');
  });
});

describe('compareFiles()', () => {
  it('finds nothing between equal files', async () => {
    expect(await compare('one\n', 'one\n')).toBeUndefined();
  });

  it('tells line and bytes of texts', async () => {
    expect(await compare('one\ntwo\n', 'one\ntoo\n')).toEqual({
      offset: 5,
      sizes: {a: 8, b: 8},
      place: [],
      bytes: {
        a: '00000000  6f 6e 65 0a 74 [77] 6f 0a  |one.two.|',
        b: '00000000  6f 6e 65 0a 74 [6f] 6f 0a  |one.too.|',
      },
      line: {number: 2, a: 'two', b: 'too'},
    });
  });

  it('tells where one ends before the other', async () => {
    const difference = await compare('one\n', 'one\ntwo\n');
    expect([difference?.offset, difference?.line]).toEqual([4, {number: 2, a: '', b: 'two'}]);
  });

  it('tells no lines of what is no text, and leaves nothing behind', async () => {
    const difference = await compare('a\0b', 'a\0c');
    expect([difference?.offset, difference?.line]).toEqual([2, undefined]);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('compare-'))).toEqual([]);
  });
});

const entry = (rest: string): string => `${rest}\n`;

describe('diffTrees()', () => {
  const before = parseManifest(
    [
      entry('d 0755 0 0 1700000000 - - etc'),
      entry('f 0644 0 0 1700000000 aa - etc/fox'),
      entry('f 0644 0 0 1700000000 aa - etc/with%20space'),
      entry('l 0777 0 0 1700000000 ../usr/bin - etc/link'),
      entry('d 0755 0 0 1700000000 - - old'),
      entry('f 0644 0 0 1700000000 aa - old/file'),
    ].join(''),
  );

  it('finds nothing between equal trees', () => {
    expect(diffTrees(before, before)).toEqual([]);
  });

  it('names every path, and the fields in which it differs', () => {
    const after = parseManifest(
      [
        entry('d 0700 0 0 1700000000 - - etc'),
        entry('f 0644 0 5 1700000001 bb security.capability=01 etc/fox'),
        entry('d 0755 0 0 1700000000 - - etc/with%20space'),
        entry('l 0777 0 0 1700000000 ../usr/sbin - etc/link'),
        entry('f 0644 0 0 1700000000 aa - new'),
      ].join(''),
    );
    expect(diffTrees(before, after)).toEqual([
      {change: 'changed', path: 'etc', fields: [{field: 'mode', a: '0755', b: '0700'}]},
      {
        change: 'changed',
        path: 'etc/fox',
        fields: [
          {field: 'content', a: 'aa', b: 'bb'},
          {field: 'owner', a: '0:0', b: '0:5'},
          {field: 'xattr', a: '-', b: 'security.capability=01'},
          {field: 'mtime', a: '2023-11-14T22:13:20Z', b: '2023-11-14T22:13:21Z'},
        ],
      },
      {
        change: 'changed',
        path: 'etc/link',
        fields: [{field: 'link target', a: '../usr/bin', b: '../usr/sbin'}],
      },
      {change: 'changed', path: 'etc/with space', fields: [{field: 'type', a: 'file', b: 'folder'}]},
      {change: 'added', path: 'new', type: 'file'},
      {change: 'removed', path: 'old', type: 'folder'},
    ]);
  });
});
