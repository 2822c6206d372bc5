import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, describe, expect, it} from 'vitest';
import {listFiles, listPrefix, lockedSuites, PackageLists} from '../../../src/lock/package-lists.ts';
import type {ArchiveSource} from '../../../src/plan/archives.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const folders: TemporaryFolder[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) folder[Symbol.dispose]();
});

const source = (uri: string, suite: string, origin = 'main'): ArchiveSource => ({
  origin,
  uri,
  suite,
  components: ['main'],
  signed_by: '',
  project_key: false,
  expired_ok: false,
});

/** Three stanzas, the last without an empty line behind it. */
const index = `Package: jq
Version: 1.6-2.1
Architecture: amd64
Priority: optional
Filename: pool/main/j/jq/jq_1.6-2.1_amd64.deb
Size: 10
SHA256: ${'a'.repeat(64)}

Package: libc6
Version: 2.36
Architecture: amd64
Priority: required
Description: a text that says
 Filename: nowhere
Filename: pool/main/g/glibc/libc6_2.36_amd64.deb
Size: 20
SHA256: ${'b'.repeat(64)}

Package: jq
Version: 1.7
Architecture: amd64
Priority: optional
Filename: pool/main/j/jq/jq_1.7_amd64.deb
Size: 30
SHA256: ${'c'.repeat(64)}
`;

function lists(): {folder: string; sources: readonly ArchiveSource[]} {
  const folder = new TemporaryFolder();
  folders.push(folder);
  const path = join(folder.path, 'lists');
  mkdirSync(path);
  const prefix = 'mirror.example.org_debian_dists_bookworm';
  writeFileSync(join(path, `${prefix}_main_binary-amd64_Packages`), index);
  writeFileSync(join(path, `${prefix}-updates_main_binary-amd64_Packages`), '');
  writeFileSync(join(path, `${prefix}_InRelease`), 'Hash: SHA256\n\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n');
  return {folder: path, sources: [source('http://mirror.example.org/debian', 'bookworm')]};
}

describe('package lists', () => {
  it('find a package by its path, with what the archive says of it', () => {
    const {folder, sources} = lists();
    const packages = new PackageLists(listFiles(folder, sources));
    expect(packages.at('main', 'pool/main/j/jq/jq_1.6-2.1_amd64.deb')?.package).toEqual({
      name: 'jq',
      version: '1.6-2.1',
      architecture: 'amd64',
      origin: 'main',
      path: 'pool/main/j/jq/jq_1.6-2.1_amd64.deb',
      size: 10,
      sha256: 'a'.repeat(64),
    });
    const libc = packages.at('main', 'pool/main/g/glibc/libc6_2.36_amd64.deb');
    expect(libc?.package.name).toBe('libc6');
    expect(libc?.priority).toBe('required');
    expect(packages.at('main', 'pool/main/j/jq/jq_1.7_amd64.deb')?.package.size).toBe(30);
    expect(packages.at('security', 'pool/main/j/jq/jq_1.7_amd64.deb')).toBeUndefined();
    expect(packages.at('main', 'nowhere')).toBeUndefined();
  });

  it('take in what an archive has dropped', () => {
    const {folder, sources} = lists();
    const packages = new PackageLists(listFiles(folder, sources));
    packages.add(
      'main',
      'Package: old\nVersion: 1\nArchitecture: all\nFilename: pool/old.deb\nSize: 1\nSHA256: d\n',
    );
    expect(packages.at('main', 'pool/old.deb')?.package.version).toBe('1');
  });

  it('do not take one suite for another whose name begins alike', () => {
    const {folder, sources} = lists();
    expect(listFiles(folder, sources).map(({path}) => path)).toEqual([
      join(folder, 'mirror.example.org_debian_dists_bookworm_main_binary-amd64_Packages'),
    ]);
  });

  it.each([
    ['http://mirror.example.org/debian', 'bookworm', 'mirror.example.org_debian_dists_bookworm_'],
    ['https://user:word@mirror.example.org/a_b/', 'stable', 'mirror.example.org_a%5fb_dists_stable_'],
    ['http://127.0.0.1:8080', 'stable', '127.0.0.1:8080_dists_stable_'],
    ['http://example.org/~me', './', 'example.org_%7eme_._'],
    ['file:/srv/archive', 'bookworm', '_srv_archive_dists_bookworm_'],
  ])('have the names that apt gives them: %s %s', (uri, suite, prefix) => {
    expect(listPrefix({uri, suite})).toBe(prefix);
  });

  it('tell the Release files by date and digest', () => {
    const {folder, sources} = lists();
    expect(lockedSuites(folder, sources)).toEqual([
      {
        name: 'bookworm',
        origin: 'main',
        components: ['main'],
        date: '2026-07-11T10:16:37Z',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      },
    ]);
  });
});
