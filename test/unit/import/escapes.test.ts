import {execFileSync} from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {afterAll, describe, expect, it} from 'vitest';
import {importBase} from '../../integration/import-forms.ts';
import {below, type Member, osRelease, places, tarOf} from './archives.ts';

const made: string[] = [];

afterAll(() => {
  for (const folder of made) rmSync(folder, {recursive: true});
});

describe('an import', () => {
  it('puts the times and attributes of a folder on nothing that a link in its place leads to', async () => {
    const {project, outside} = place();
    const before = statSync(join(outside, 'inner')).mtimeMs;
    const {refused, tree} = await importTar(project, [
      osRelease,
      {name: 'way/inner/', type: '5', mtime: 1_000_000_000, pax: {'SCHILY.xattr.user.evil': 'yes'}},
      {name: 'way/inner/file', pax: {'SCHILY.xattr.user.evil': 'yes'}},
      {name: 'way', type: '2', link: outside},
    ]);
    expect(refused).toBeUndefined();
    expect(statSync(join(outside, 'inner')).mtimeMs).toBe(before);
    const named = execFileSync('getfattr', ['-R', '-d', outside], {encoding: 'utf8'});
    expect(named).toBe('');
    expect(lstatSync(join(tree, 'way')).isSymbolicLink()).toBe(true);
  });

  it('keeps no attributes of a folder for another that is made later in its place', async () => {
    const {project} = place();
    const {refused, tree} = await importTar(project, [
      osRelease,
      {name: 'a/b/', type: '5', pax: {'SCHILY.xattr.user.note': 'old'}},
      {name: 'a', content: 'a file'},
      {name: 'a', type: '2', link: 'c'},
      {name: 'c/', type: '5'},
      {name: 'a/b/file'},
    ]);
    expect(refused).toBeUndefined();
    expect(below(tree)).toContain('c/b/file');
    expect(execFileSync('getfattr', ['-R', '-d', join(tree, 'c')], {encoding: 'utf8'})).toBe('');
  });

  it('hands no name of an attribute on that would end it and begin another path', async () => {
    const {project, outside} = place();
    const path = `../../../${outside.split('/').at(-1) ?? ''}/hostname`;
    const name = `SCHILY.xattr.user.a\u000061\0${path}\0user.evil`;
    const {refused} = await importTar(project, [osRelease, {name: 'file', pax: {[name]: 'b'}}]);
    expect(refused?.message).toBe(
      'root.tar cannot be imported: An extended attribute of "file" has a NUL byte in its name',
    );
    expect(execFileSync('getfattr', ['-R', '-d', outside], {encoding: 'utf8'})).toBe('');
  });

  it('takes the bytes of a name for no other name when it takes out who a root was', async () => {
    const {project, outside} = place();
    // As bytes a folder `é`; read as latin1 and written as UTF-8 it would be the link beside it.
    const bytes = '\xc3\xa9';
    const mistaken = Buffer.from(bytes, 'utf8').toString('latin1');
    const {refused, tree} = await importTar(project, [
      {...osRelease, name: `${bytes}/os-release`},
      {name: 'etc', type: '2', link: bytes},
      {name: 'tmp', type: '2', link: bytes},
      {name: mistaken, type: '2', link: outside},
    ]);
    expect(refused).toBeUndefined();
    expect(below(outside)).toEqual(['hostname', 'inner', 'inner/file']);
    expect(readFileSync(join(tree, 'é/machine-id'), 'utf8')).toBe('');
  });

  it.each(['', '.', '..'])('takes nothing away by a whiteout of "%s"', async (name) => {
    const {project, outside} = place();
    const layer = join(project, 'image/layer.tar');
    mkdirSync(dirname(layer));
    writeFileSync(layer, tarOf([osRelease, {name: `.wh.${name}`}]));
    writeFileSync(join(project, 'image/manifest.json'), '[{"Layers":["layer.tar"]}]');
    const {refused, tree} = await importBase(project, {source: 'image'});
    expect(refused?.message).toBe(
      `image cannot be imported: An entry leads out of the root: ${JSON.stringify(`/${name}`)}`,
    );
    expect(below(tree)).toEqual(['etc', 'etc/os-release']);
    expect(below(outside)).toEqual(['hostname', 'inner', 'inner/file']);
  });

  it('reads nothing of the host for a document of an image', async () => {
    const {project} = place();
    const archive = [
      {name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}'},
      {name: 'index.json', type: '2', link: '/dev/zero'},
    ];
    const {refused} = await importTar(project, archive);
    expect(refused?.message).toBe(
      'root.tar cannot be imported: The folder is no image: it has neither oci-layout with index.json nor manifest.json',
    );
    mkdirSync(join(project, 'image'));
    writeFileSync(join(project, 'image/oci-layout'), '{}');
    symlinkSync('/dev/zero', join(project, 'image/index.json'));
    expect((await importBase(project, {source: 'image'})).refused?.message).toMatch(/is no image/);
  });

  it('mounts nothing of a disk at a place that is none of its own', async () => {
    const {project} = place();
    const root = join(project, 'root');
    mkdirSync(join(root, 'etc'), {recursive: true});
    writeFileSync(join(root, 'etc/os-release'), osRelease.content ?? '');
    writeFileSync(join(root, 'etc/fstab'), 'LABEL=root /.. ext4 defaults 0 1\n');
    const disk = join(project, 'disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 1 << 20);
    execFileSync('mke2fs', ['-q', '-F', '-L', 'root', '-d', root, disk], {stdio: 'pipe'});
    expect((await importBase(project, {source: 'disk.raw'})).refused?.message).toBe(
      'disk.raw cannot be imported: An entry leads out of the root: "/.."',
    );
  });
});

describe('what is wrong with an archive', () => {
  const cases: readonly (readonly [string, readonly Member[], string])[] = [
    ['a link to nowhere', [{name: 'a', type: '2'}], '"a" is a link to no path: ""'],
    [
      'a name that is too long',
      [{name: 'a', pax: {path: 'n'.repeat(300)}}],
      'cannot be written: ENAMETOOLONG',
    ],
    ['a link that is too long', [{name: 'a', type: '2', pax: {linkpath: 'n/'.repeat(4000)}}], 'ENAMETOOLONG'],
    ['a time that is none', [{name: 'a', pax: {mtime: '1e999'}}], 'A time in it is no number'],
    ['no name', [{name: ''}], 'An entry has no name'],
    ['many extended headers', many(12), 'An extended header of it is too large'],
    ['a link in circles', [{name: 'a', type: '2', link: 'a'}, {name: 'a/b'}], 'Links lead in circles at "a"'],
  ];

  it.each(cases)('is said: %s', async (_, members, reason) => {
    const {project} = place();
    const {refused} = await importTar(project, [osRelease, ...members]);
    expect(refused?.message).toContain(reason);
  });

  it('is that a root of rpm packages has no database of them', async () => {
    const {project} = place();
    const os = {distribution: 'rocky', release: '9', architecture: 'amd64'};
    const release: Member = {name: 'etc/os-release', content: 'ID="rocky"\nVERSION_ID="9.4"\n'};
    const request = {source: 'root.tar', os, database: '/var/lib/rpm'};
    writeFileSync(join(project, 'root.tar'), tarOf([release]));
    expect((await importBase(project, request)).refused?.message).toBe(
      'root.tar cannot be imported: It has no database of packages in /var/lib/rpm',
    );
    writeFileSync(join(project, 'root.tar'), tarOf([release, {name: 'var/lib/rpm/rpmdb.sqlite'}]));
    expect((await importBase(project, request)).refused).toBeUndefined();
  });

  it('is nothing where a time lies before 1970, or a folder is replaced by a file', async () => {
    const {project} = place();
    const {refused, tree} = await importTar(project, [
      osRelease,
      {name: 'old', pax: {mtime: '-5.5'}},
      {name: 'opt/sub/', type: '5'},
      {name: 'opt', content: 'a file'},
    ]);
    expect(refused).toBeUndefined();
    expect(statSync(join(tree, 'old')).mtimeMs).toBe(0);
    expect(readFileSync(join(tree, 'opt'), 'utf8')).toBe('a file');
  });

  /** Each below the limit of one. */
  function many(count: number): readonly Member[] {
    const header: Member = {name: 'longer', type: 'L', content: 'n'.repeat(100_000)};
    return Array.from({length: count}, () => header);
  }
});

async function importTar(
  project: string,
  members: readonly Member[],
): Promise<Awaited<ReturnType<typeof importBase>>> {
  writeFileSync(join(project, 'root.tar'), tarOf(members));
  return importBase(project, {source: 'root.tar'});
}

function place(): ReturnType<typeof places> {
  const both = places();
  made.push(dirname(both.project));
  return both;
}
