import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {digestFile, sha256, summarizeTree} from '../../../cache/tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const owner = `${process.getuid?.()} ${process.getgid?.()}`;

/** A small tree with all that a layer may hold, but for devices. */
function sample(): TemporaryFolder {
  const folder = new TemporaryFolder({'etc/motd': 'hello\n', 'etc/a b%c': '', 'usr/bin/tool': '#!/bin/sh\n'});
  chmodSync(folder.join('etc'), 0o755);
  chmodSync(folder.join('usr'), 0o711);
  chmodSync(folder.join('usr/bin'), 0o1777);
  chmodSync(folder.join('etc/motd'), 0o644);
  chmodSync(folder.join('etc/a b%c'), 0o600);
  chmodSync(folder.join('usr/bin/tool'), 0o4755);
  linkSync(folder.join('etc/motd'), folder.join('etc/motd.link'));
  symlinkSync('../usr/bin/tool with space', folder.join('etc/to'));
  const odd = Buffer.concat([Buffer.from(`${folder.path}/caf`), Buffer.from([0xe9, 0xff, 0x0a])]);
  writeFileSync(odd, 'odd');
  chmodSync(odd, 0o640);
  lutimesSync(odd, 7, 7);
  for (const name of ['usr/bin/tool', 'usr/bin', 'usr', 'etc/a b%c', 'etc/motd', 'etc/to', 'etc'])
    lutimesSync(folder.join(name), 1000, 1000);
  return folder;
}

describe('summarizeTree()', () => {
  it('tells every entry in a line, sorted bytewise', () => {
    using folder = sample();
    const hello = sha256('hello\n');
    const summary = summarizeTree(folder.path);
    expect(summary.manifest).toBe(
      [
        `f 0640 ${owner} 7 ${sha256('odd')} - caf%E9%FF%0A`,
        `d 0755 ${owner} 1000 - - etc`,
        `f 0600 ${owner} 1000 ${sha256('')} - etc/a%20b%25c`,
        `f 0644 ${owner} 1000 ${hello} - etc/motd`,
        `f 0644 ${owner} 1000 ${hello} - etc/motd.link`,
        `l 0777 ${owner} 1000 ../usr/bin/tool%20with%20space - etc/to`,
        `d 0711 ${owner} 1000 - - usr`,
        `d 1777 ${owner} 1000 - - usr/bin`,
        `f 4755 ${owner} 1000 ${sha256('#!/bin/sh\n')} - usr/bin/tool`,
        '',
      ].join('\n'),
    );
    expect(summary.digest).toBe(sha256(summary.manifest));
    expect(summary.entries).toBe(9);
  });

  it('counts a file with two links once', () => {
    using folder = sample();
    expect(summarizeTree(folder.path).sizeBytes).toBe('hello\n'.length + '#!/bin/sh\n'.length + 'odd'.length);
  });

  it('gives an empty manifest for an empty folder', () => {
    using folder = new TemporaryFolder();
    expect(summarizeTree(folder.path)).toEqual({digest: sha256(''), manifest: '', sizeBytes: 0, entries: 0});
  });

  it.each<[string, (folder: TemporaryFolder) => void]>([
    ['the content of a file', (folder) => writeFileSync(folder.join('etc/motd'), 'hullo\n')],
    ['a mode', (folder) => chmodSync(folder.join('etc/motd'), 0o600)],
    ['the set-user-id bit', (folder) => chmodSync(folder.join('usr/bin/tool'), 0o755)],
    ['the mode of a folder', (folder) => chmodSync(folder.join('usr'), 0o755)],
    [
      'the target of a link',
      (folder) => {
        rmSync(folder.join('etc/to'));
        symlinkSync('elsewhere', folder.join('etc/to'));
      },
    ],
    ['a name', (folder) => renameSync(folder.join('etc/a b%c'), folder.join('etc/a b%d'))],
    ['a time', (folder) => utimesSync(folder.join('usr/bin/tool'), 1001, 1001)],
    ['the time of a folder', (folder) => utimesSync(folder.join('usr'), 1001, 1001)],
    ['an empty folder more', (folder) => mkdirSync(folder.join('empty'))],
  ])('changes with %s', (_, change) => {
    using folder = sample();
    const before = summarizeTree(folder.path).digest;
    change(folder);
    for (const name of ['etc', 'etc/motd', 'etc/to']) lutimesSync(folder.join(name), 1000, 1000);
    expect(summarizeTree(folder.path).digest).not.toBe(before);
  });

  it('does not change when nothing but places on the disk do', () => {
    using first = sample();
    using second = new TemporaryFolder();
    // The same entries made in another order: readdir(3) gives them in another one on most file systems.
    for (const name of ['z', 'y', 'x', 'b', 'a']) writeFileSync(second.join(name), name);
    for (const name of ['a', 'b', 'x', 'y', 'z']) writeFileSync(first.join('usr', name), name);
    for (const name of ['a', 'b', 'x', 'y', 'z']) {
      utimesSync(first.join('usr', name), 5, 5);
      utimesSync(second.join(name), 5, 5);
    }
    for (const name of ['etc', 'usr/bin']) rmSync(first.join(name), {recursive: true});
    expect(summarizeTree(first.join('usr')).digest).toBe(summarizeTree(second.path).digest);
  });

  it('ignores parts of a second', () => {
    using folder = new TemporaryFolder({file: ''});
    utimesSync(folder.join('file'), 1000.25, 1000.25);
    const before = summarizeTree(folder.path).digest;
    utimesSync(folder.join('file'), 1000.75, 1000.75);
    expect(summarizeTree(folder.path).digest).toBe(before);
  });

  it('sets times of the build to the epoch, on the disk too, and leaves older ones', () => {
    using folder = new TemporaryFolder({'new/file': '', 'old/file': ''});
    symlinkSync('file', folder.join('new/link'));
    for (const name of ['new/file', 'new/link', 'new']) lutimesSync(folder.join(name), 5000, 5000);
    for (const name of ['old/file', 'old']) lutimesSync(folder.join(name), 4999, 4999);
    const {manifest} = summarizeTree(folder.path, {clamp: {writtenSince: 5000, epoch: 42}});
    expect(manifest.split('\n').map((line) => [line.split(' ')[4], line.split(' ')[7]])).toEqual([
      ['42', 'new'],
      ['42', 'new/file'],
      ['42', 'new/link'],
      ['4999', 'old'],
      ['4999', 'old/file'],
      [undefined, undefined],
    ]);
    expect(lstatSync(folder.join('new/link')).mtimeMs).toBe(42_000);
    expect(lstatSync(folder.join('new')).mtimeMs).toBe(42_000);
    expect(lstatSync(folder.join('old/file')).mtimeMs).toBe(4_999_000);
    expect(summarizeTree(folder.path).manifest).toBe(manifest);
  });

  it('leaves no time of access before the epoch, which reading would move on one host and not on another', () => {
    using folder = new TemporaryFolder({'old/file': ''});
    symlinkSync('file', folder.join('old/link'));
    for (const name of ['old/file', 'old/link', 'old']) lutimesSync(folder.join(name), 7, 5);
    summarizeTree(folder.path, {clamp: {writtenSince: 5000, epoch: 42}, skim: true});
    for (const name of ['old/file', 'old/link', 'old']) {
      const {atimeMs, mtimeMs} = lstatSync(folder.join(name));
      expect({name, early: atimeMs < 42_000, mtimeMs}).toEqual({name, early: false, mtimeMs: 5000});
    }
  });

  it('holds extended attributes', () => {
    using folder = new TemporaryFolder({file: ''});
    utimesSync(folder.join('file'), 5, 5);
    const xattrs = new Map([['file', ['user.a=01', 'user.b=02']]]);
    const {manifest} = summarizeTree(folder.path, {xattrs});
    expect(manifest.split(' ').slice(-2)).toEqual(['user.a=01,user.b=02', 'file\n']);
  });

  it('throws when the folder is not there', () => {
    using folder = new TemporaryFolder();
    expect(() => summarizeTree(folder.join('absent'))).toThrow(/ENOENT/);
  });
});

describe('digestFile()', () => {
  it('gives the SHA-256 of a file that is larger than one piece', () => {
    const bytes = Buffer.alloc((1 << 20) + 17, 'fgimage');
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('large'), bytes);
    expect(digestFile(folder.join('large'))).toBe(sha256(bytes));
    expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
