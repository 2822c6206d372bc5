import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {Bundle} from '../../../src/lock/bundle.ts';
import {type TarFile, writeTar} from '../../../src/lock/bundle-tar.ts';
import {type BundleContents, type BundledFile, writeBundle} from '../../../src/lock/bundle-write.ts';
import {PackageStore} from '../../../src/lock/store-packages.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const longName = `${'long/'.repeat(40)}name.txt`;

function stored(folder: TemporaryFolder, path: string): BundledFile {
  const bytes = readFileSync(folder.join(path));
  return {
    fileName: path.split('/').at(-1) ?? '',
    path: folder.join(path),
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
  };
}

/** A project and a store, and what of them goes into a bundle. */
class Sample extends TemporaryFolder {
  readonly contents: BundleContents;

  constructor() {
    super({
      'project/fgimage.yaml': 'version: 1\n',
      'project/fgimage.lock': 'version: 1\n',
      'project/files/ü b.txt': 'text',
      'project/setup.sh': '#!/bin/sh\n',
      'project/not-named.txt': 'stays at home',
      [`project/${longName}`]: 'far away',
      'store/jq_1%3a1.6-2_amd64.deb': 'a package',
      'other/jq_1%3a1.6-2_amd64.deb': 'another package',
      'store/jq_1.6-2.dsc': 'source',
    });
    chmodSync(this.join('project/setup.sh'), 0o700);
    this.contents = {
      projectDir: this.join('project'),
      spec: 'fgimage.yaml',
      profiles: ['dev'],
      files: ['setup.sh', 'fgimage.yaml', 'fgimage.lock', 'files/ü b.txt', longName],
      links: [{path: 'files/link', target: '/etc/passwd'}],
      folders: ['empty/folder', 'files'],
      images: ['web'],
      packages: [stored(this, 'store/jq_1%3a1.6-2_amd64.deb'), stored(this, 'other/jq_1%3a1.6-2_amd64.deb')],
      sources: [stored(this, 'store/jq_1.6-2.dsc')],
      artifacts: [
        {image: 'web', target: 'openstack', files: [{path: 'web.qcow2', size: 3, sha256: sha256('web')}]},
      ],
      mtime: 1_700_000_000,
    };
  }
}

describe('a bundle', () => {
  it('gives back what was put into it, and nothing else', async () => {
    using folder = new Sample();
    const {contents} = folder;
    const out = folder.join('experiment.tar');
    expect(await writeBundle(out, contents)).toBe(statSync(out).size);
    const bundle = await Bundle.open(out);
    try {
      expect(bundle.manifest).toMatchObject({
        version: 1,
        spec: 'fgimage.yaml',
        profiles: ['dev'],
        images: ['web'],
        artifacts: contents.artifacts,
      });
      await bundle.unpackProject(folder.join('new/project'));
      expect(await bundle.unpackSources(folder.join('sources'))).toBe(1);
      const packages = folder.join('packages');
      expect(await bundle.importPackages(packages, folder.join('work'))).toEqual({imported: 2, known: 0});
      expect(await bundle.importPackages(packages, folder.join('work'))).toEqual({imported: 0, known: 2});
      const store = new PackageStore(packages);
      for (const one of contents.packages) expect(store.has(one)).toBe(true);
    } finally {
      bundle.close();
    }
    const unpacked = readdirSync(folder.join('new/project'), {recursive: true, withFileTypes: true});
    const files = unpacked
      .filter((entry) => entry.isFile())
      .map(({parentPath, name}) => `${parentPath}/${name}`);
    expect(files.sort()).toEqual(contents.files.map((path) => folder.join('new/project', path)).sort());
    for (const path of contents.files)
      expect(readFileSync(folder.join('new/project', path))).toEqual(
        readFileSync(folder.join('project', path)),
      );
    expect(statSync(folder.join('new/project/setup.sh')).mode & 0o111).not.toBe(0);
    expect(statSync(folder.join('new/project/fgimage.yaml')).mode & 0o111).toBe(0);
    expect(statSync(folder.join('new/project/empty/folder')).isDirectory()).toBe(true);
    expect(readlinkSync(folder.join('new/project/files/link'))).toBe('/etc/passwd');
    expect(readFileSync(folder.join('sources/jq_1.6-2.dsc'), 'utf8')).toBe('source');
  });

  it('is the same bytes for the same contents, and sorted', async () => {
    using folder = new Sample();
    const {contents} = folder;
    const {files, packages} = contents;
    await writeBundle(folder.join('a.tar'), contents);
    await writeBundle(folder.join('b.tar'), {
      ...contents,
      files: files.toReversed(),
      packages: packages.toReversed(),
    });
    expect(sha256(readFileSync(folder.join('a.tar')))).toBe(sha256(readFileSync(folder.join('b.tar'))));
  });

  it('is an archive that tar(1) reads, with one time and owner', async () => {
    using folder = new Sample();
    const {contents} = folder;
    await writeBundle(folder.join('a.tar'), contents);
    const list = execFileSync(
      'tar',
      [
        '--list',
        '--verbose',
        '--utc',
        '--numeric-owner',
        '--quoting-style=literal',
        '--file',
        folder.join('a.tar'),
      ],
      {
        encoding: 'utf8',
        env: {...process.env, LC_ALL: 'C.UTF-8'},
      },
    );
    const rows = list.trimEnd().split('\n');
    expect(rows.map((row) => row.replace(/^.* \d\d:\d\d /, ''))).toEqual([
      'README.txt',
      'bundle.json',
      'packages/jq_1%3a1.6-2_amd64.deb',
      expect.stringMatching(/^packages\/jq_1%3a1\.6-2_amd64~sha256-[0-9a-f]{64}\.deb$/),
      'project/fgimage.lock',
      'project/fgimage.yaml',
      'project/files/ü b.txt',
      `project/${longName}`,
      'project/setup.sh',
      'sources/jq_1.6-2.dsc',
    ]);
    for (const row of rows) expect(row).toMatch(/^-rw[x-]r-[x-]r-[x-] 0\/0 +\d+ 2023-11-14 22:13 /);
    execFileSync('tar', ['--extract', '--file', folder.join('a.tar'), '--directory', folder.join('other')]);
    expect(readFileSync(folder.join('other/project', longName), 'utf8')).toBe('far away');
  });

  it('is not written where a file changes meanwhile, and leaves nothing', async () => {
    using folder = new Sample();
    const {contents} = folder;
    const packages = contents.packages.map((one) => ({...one, sha256: sha256('what the store had')}));
    await expect(writeBundle(folder.join('a.tar'), {...contents, packages})).rejects.toThrow(
      'packages/jq_1%3a1.6-2_amd64.deb changed while it was being read',
    );
    expect(readdirSync(folder.path)).not.toContain('a.tar');
    expect(readdirSync(folder.path).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('says which path of a project it cannot hold', async () => {
    using folder = new Sample();
    const {contents} = folder;
    const links = [{path: 'files', target: 'elsewhere'}];
    await expect(writeBundle(folder.join('a.tar'), {...contents, links})).rejects.toThrow(
      'The project cannot be put into a bundle: "project/files" is in it twice',
    );
    await expect(writeBundle(folder.join('a.tar'), {...contents, links, folders: []})).rejects.toThrow(
      'The project cannot be put into a bundle: "project/files/ü b.txt" lies in "project/files", which is no folder',
    );
  });

  it('refuses to be unpacked over something', async () => {
    using folder = new Sample();
    const {contents} = folder;
    await writeBundle(folder.join('a.tar'), contents);
    const bundle = await Bundle.open(folder.join('a.tar'));
    await expect(bundle.unpackProject(folder.join('project'))).rejects.toThrow(
      'Cannot unpack the bundle into',
    );
    bundle.close();
    expect(readFileSync(folder.join('project/not-named.txt'), 'utf8')).toBe('stays at home');
  });
});

const good = {'README.txt': 'x', 'project/fgimage.yaml': 'version: 1\n'};

/** An archive of these files with a manifest that knows them, unless another is given. */
async function hostile(
  out: string,
  files: readonly (readonly [path: string, content: string])[],
  change: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const members = Object.fromEntries(
    files.map(([path, content]) => [path, {size: Buffer.byteLength(content), sha256: sha256(content)}]),
  );
  const manifest = {
    version: 1,
    fgimage: '0',
    spec: 'fgimage.yaml',
    images: ['web'],
    members,
    links: [],
    folders: [],
    artifacts: [],
    ...change,
  };
  const file = ([path, content]: readonly [string, string]): TarFile => ({
    path,
    sizeBytes: Buffer.byteLength(content),
    sha256: sha256(content),
    executable: false,
    content: Buffer.from(content),
  });
  const archive = openSync(out, 'w');
  await writeTar(archive, [...files, ['bundle.json', JSON.stringify(manifest)] as const].map(file), {
    mtime: 0,
  });
  closeSync(archive);
}

describe('Bundle.open()', () => {
  const entries = Object.entries(good);
  const other = sha256('other');

  it.each<[string, readonly (readonly [string, string])[], Record<string, unknown>, string]>([
    [
      'a path that leads up',
      [...entries, ['project/../../evil', 'x']],
      {},
      '"project/../../evil" is no path of a bundle',
    ],
    ['an absolute path', [...entries, ['/etc/evil', 'x']], {}, '"/etc/evil" is no path of a bundle'],
    ['an empty part', [...entries, ['project//evil', 'x']], {}, '"project//evil" is no path of a bundle'],
    ['another folder', [...entries, ['etc/evil', 'x']], {}, '"etc/evil" is no path of a bundle'],
    [
      'a package that is none',
      [...entries, ['packages/sub/a.deb', 'x']],
      {},
      '"packages/sub/a.deb" is no path of a bundle',
    ],
    [
      'control characters',
      [...entries, ['project/a\u001B[2J', 'x']],
      {},
      String.raw`"project/a\u001b[2J" is no path of a bundle`,
    ],
    ['one path twice', [...entries, ['README.txt', 'x']], {}, '"README.txt" is in it twice'],
    [
      'a file as a folder',
      [...entries, ['project/a', 'x'], ['project/a/b', 'x']],
      {},
      '"project/a/b" lies in "project/a", which is no folder',
    ],
    [
      'a member that the manifest does not know',
      [...entries, ['project/new', 'x']],
      {members: {'project/fgimage.yaml': {size: 11, sha256: sha256('version: 1\n')}}},
      'bundle.json does not know "README.txt"',
    ],
    [
      'a member that is missing',
      entries,
      {
        members: {
          'project/fgimage.yaml': {size: 11, sha256: sha256('version: 1\n')},
          'README.txt': {size: 1, sha256: sha256('x')},
          'project/b': {size: 1, sha256: other},
        },
      },
      '"project/b" is missing',
    ],
    [
      'other bytes',
      entries,
      {
        members: {
          'project/fgimage.yaml': {size: 11, sha256: other},
          'README.txt': {size: 1, sha256: sha256('x')},
        },
      },
      `"project/fgimage.yaml" is not what bundle.json says: its SHA-256 is ${sha256('version: 1\n')}, not ${other}`,
    ],
    [
      'a link through which files would be written',
      [...entries, ['project/a/b', 'x']],
      {links: [{path: 'a', target: '/etc'}]},
      '"project/a/b" lies in "project/a", which is no folder',
    ],
    [
      'a link in a link',
      entries,
      {
        links: [
          {path: 'a', target: '/etc'},
          {path: 'a/b', target: '/'},
        ],
      },
      '"project/a/b" lies in "project/a", which is no folder',
    ],
    [
      'a link that leads up',
      entries,
      {links: [{path: '../a', target: '/etc'}]},
      '"project/../a" is no path of a bundle',
    ],
    ['a folder that leads up', entries, {folders: ['..']}, '"project/.." is no path of a bundle'],
    [
      'a folder below a link',
      entries,
      {links: [{path: 'a', target: '/etc'}], folders: ['a/b']},
      '"project/a/b" lies in "project/a", which is no folder',
    ],
    ['no spec', entries, {spec: 'other.yaml'}, 'the spec other.yaml is not in it'],
    ['another version', entries, {version: 2}, 'it was written by a newer fgimage'],
    ['unknown keys', entries, {run: 'rm -rf /'}, 'bundle.json is not as it must be at '],
  ])('refuses %s', async (_, files, change, message) => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.tar');
    await hostile(path, files, change);
    await expect(Bundle.open(path)).rejects.toMatchObject({
      code: 'BUNDLE_INVALID',
      message: `${path} is no bundle that can be used: ${message}`,
    });
    expect(readdirSync(folder.path)).toEqual(['a.tar']);
  });

  it.each([
    ['a symbolic link', ['ln', '-s', '/etc/passwd', 'project/link'], '"project/link" is no plain file'],
    ['a hard link', ['ln', 'README.txt', 'project/hard'], 'a header is not one of a bundle'],
    ['a device', ['mkfifo', 'project/pipe'], '"project/pipe" is no plain file'],
    ['a folder', ['mkdir', 'project/folder'], '"project/" is no plain file'],
  ])('refuses %s, made by tar(1)', async (name, [program = '', ...words], message) => {
    using folder = new TemporaryFolder(good);
    execFileSync(program, words, {cwd: folder.path});
    const members = name === 'a folder' ? ['project'] : ['README.txt', words.at(-1) ?? ''];
    execFileSync('tar', ['--format=ustar', '--owner=:0', '--group=:0', '-cf', 'a.tar', ...members], {
      cwd: folder.path,
    });
    await expect(Bundle.open(folder.join('a.tar'))).rejects.toThrow(
      name === 'a symbolic link' ? 'a header is not one of a bundle' : message,
    );
  });

  it('finds every flipped byte, and every end that comes too early', async () => {
    using folder = new Sample();
    const {contents} = folder;
    const path = folder.join('a.tar');
    await writeBundle(path, contents);
    const bytes = readFileSync(path);
    const bundle = await Bundle.open(path);
    bundle.close();
    // Headers, members and what is between them; of bundle.json itself not every byte means something.
    const from = bytes.indexOf('{\n  "version": 1');
    const to = bytes.indexOf('\n}\n', from);
    for (let at = 7; at < bytes.length; at += 331) {
      if (at >= from && at <= to) continue;
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      writeFileSync(path, changed);
      await expect(Bundle.open(path), `byte ${at}`).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
    }
    for (let end = 0; end < bytes.length; end += 1777) {
      writeFileSync(path, bytes.subarray(0, end));
      await expect(Bundle.open(path), `end ${end}`).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(512)]));
    await expect(Bundle.open(path)).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
  });

  it('says that there is none', async () => {
    using folder = new TemporaryFolder({'text.tar': 'no archive at all'.repeat(100)});
    await expect(Bundle.open(folder.join('none.tar'))).rejects.toMatchObject({code: 'USAGE'});
    await expect(Bundle.open(folder.join('text.tar'))).rejects.toThrow('it is no tar archive');
  });
});
