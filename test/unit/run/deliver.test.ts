import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Store} from '../../../cache/store.ts';
import {sha256} from '../../../cache/tree.ts';
import {
  artifactFiles,
  type Delivered,
  deliver,
  deliveredFiles,
  isDelivered,
  type Parcel,
} from '../../../src/run/deliver.ts';
import type {JsonObject} from '../../../src/spec/image.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

function parcel(digest: string, manifest: JsonObject = {image: 'web'}): Parcel {
  return {image: 'web', target: 'openstack', digest, manifest};
}

/** Hands out what is as it should be. */
function delivered(...words: Parameters<typeof deliver>): Delivered {
  const result = deliver(...words);
  if (!result.ok) throw new Error(`${result.error.path} is not what it was`);
  return result.value;
}

describe('deliver()', () => {
  it('hands out nothing that is not what was made', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk', kernel: 'kernel'});
    writeFileSync(join(cache.store.treePath(digest), 'disk.raw'), 'dirk');
    expect(deliver(cache.store, output, parcel(digest))).toEqual({
      ok: false,
      error: {digest, path: 'disk.raw'},
    });
    expect(readdirSync(join(output, '.builds'))).toEqual([]);
    expect(existsSync(join(output, 'web/openstack'))).toBe(false);
  });

  it('leaves a set in its place that another build has just put there', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const {path} = delivered(cache.store, output, parcel(digest));
    const before = statSync(path).ino;
    // As it is between the other's two steps: the set is there, its link is not.
    rmSync(path);
    delivered(cache.store, output, parcel(digest));
    expect(statSync(path).ino).toBe(before);
    expect(deliveredFiles(path)?.files.map(([name]) => name)).toEqual(['disk.raw', 'manifest.json']);
    rmSync(join(path, 'disk.raw'));
    expect(deliveredFiles(path)).toBeUndefined();
    delivered(cache.store, output, parcel(digest));
    expect(readFileSync(join(path, 'disk.raw'), 'utf8')).toBe('disk');
    expect(readdirSync(join(output, '.builds'))).toHaveLength(1);
    rmSync(join(output, 'web'), {recursive: true});
    expect(deliveredFiles(path)).toBeUndefined();
  });

  it('needs nothing of the cache when the artifact lies there whole', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    expect(isDelivered(output, parcel(digest))).toBe(false);
    const {path} = delivered(cache.store, output, parcel(digest));
    expect(isDelivered(output, parcel(digest))).toBe(true);
    rmSync(cache.store.objectPath(digest), {recursive: true});
    expect(delivered(cache.store, output, parcel(digest))).toEqual({path, changed: false});
    writeFileSync(join(path, 'disk.raw'), 'shorter'.slice(0, 3));
    expect(isDelivered(output, parcel(digest))).toBe(false);
  });

  it('puts the files with their manifest behind a link', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.qcow2': 'disk', 'sub/readme': 'text'});
    expect(delivered(cache.store, output, parcel(digest))).toEqual({
      path: join(output, 'web/openstack'),
      changed: true,
    });
    expect(readlinkSync(join(output, 'web/openstack'))).toBe(
      `../.builds/web.openstack.${digest.slice(0, 16)}`,
    );
    expect(readdirSync(join(output, 'web/openstack')).sort()).toEqual(['disk.qcow2', 'manifest.json', 'sub']);
    expect(readFileSync(join(output, 'web/openstack/manifest.json'), 'utf8')).toBe(
      `${JSON.stringify(
        {
          image: 'web',
          files: [
            {path: 'disk.qcow2', size_bytes: 4, sha256: sha256('disk')},
            {path: 'sub/readme', size_bytes: 4, sha256: sha256('text')},
          ],
        },
        undefined,
        2,
      )}\n`,
    );
    expect(readdirSync(join(output, '.builds'))).toEqual([`web.openstack.${digest.slice(0, 16)}`]);
    expect(readdirSync(join(output, 'web'))).toEqual(['openstack']);
  });

  it('gives files of its own: who writes into them does not write into the cache', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const {path} = delivered(cache.store, output, parcel(digest));
    expect(statSync(join(path, 'disk.raw')).nlink).toBe(1);
    expect(statSync(join(path, 'disk.raw')).ino).not.toBe(
      statSync(join(cache.store.treePath(digest), 'disk.raw')).ino,
    );
    writeFileSync(join(path, 'disk.raw'), 'DISK');
    expect(readFileSync(join(cache.store.treePath(digest), 'disk.raw'), 'utf8')).toBe('disk');
  });

  it('does nothing when all is there already', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const {path} = delivered(cache.store, output, parcel(digest));
    const before = statSync(join(path, 'disk.raw'));
    expect(delivered(cache.store, output, parcel(digest))).toEqual({path, changed: false});
    expect(statSync(join(path, 'disk.raw'))).toEqual(before);
  });

  it('writes the manifest anew, and nothing else, when only that has changed', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const {path} = delivered(cache.store, output, parcel(digest));
    const {ino} = statSync(join(path, 'disk.raw'));
    expect(delivered(cache.store, output, parcel(digest, {image: 'web', tags: ['new']}))).toEqual({
      path,
      changed: true,
    });
    expect(JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))).toMatchObject({tags: ['new']});
    expect(statSync(join(path, 'disk.raw')).ino).toBe(ino);
    expect(readdirSync(path).sort()).toEqual(['disk.raw', 'manifest.json']);
  });

  it.each<[string, (file: string) => void]>([
    ['was cut short', (file) => writeFileSync(file, 'di')],
    ['is gone', (file) => rmSync(file)],
  ])('brings a file again that %s', async (_, harm) => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk', other: ''});
    const {path} = delivered(cache.store, output, parcel(digest));
    harm(join(path, 'disk.raw'));
    expect(delivered(cache.store, output, parcel(digest)).changed).toBe(true);
    expect(readFileSync(join(path, 'disk.raw'), 'utf8')).toBe('disk');
  });

  it('turns the link to a new build and removes the old one', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const first = await publishFiles(cache.store, {'disk.raw': 'one'});
    const second = await publishFiles(cache.store, {'disk.raw': 'two', more: ''});
    const {path} = delivered(cache.store, output, parcel(first));
    deliver(cache.store, output, {...parcel(first), target: 'other'});
    deliver(cache.store, output, parcel(second));
    expect(readFileSync(join(path, 'disk.raw'), 'utf8')).toBe('two');
    expect(readdirSync(join(output, '.builds')).sort()).toEqual(
      [`web.openstack.${second.slice(0, 16)}`, `web.other.${first.slice(0, 16)}`].sort(),
    );
    expect(readFileSync(join(output, 'web/other/disk.raw'), 'utf8')).toBe('one');
    expect(readdirSync(join(output, 'web')).sort()).toEqual(['openstack', 'other']);
  });

  it('replaces what a process left that ended in the middle', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const name = `web.openstack.${digest.slice(0, 16)}`;
    for (const left of [name, `.${name}.${process.pid}`]) {
      mkdirSync(join(output, '.builds', left), {recursive: true});
      writeFileSync(join(output, '.builds', left, 'half'), '');
    }
    mkdirSync(join(output, 'web'));
    symlinkSync('nowhere', join(output, 'web', `.openstack.${process.pid}`));
    const {path} = delivered(cache.store, output, parcel(digest));
    expect(readdirSync(path).sort()).toEqual(['disk.raw', 'manifest.json']);
    expect(readdirSync(join(output, '.builds'))).toEqual([name]);
    expect(readdirSync(join(output, 'web'))).toEqual(['openstack']);
  });

  it.each<[string, (output: string) => void]>([
    ['the output is a file', (output) => writeFileSync(output, '')],
    [
      'a file is in the place of the image',
      (output) => {
        mkdirSync(output);
        writeFileSync(join(output, 'web'), '');
      },
    ],
    [
      'a folder of the user is in the place of the link',
      (output) => mkdirSync(join(output, 'web/openstack/mine'), {recursive: true}),
    ],
  ])('says what the user can mend when %s', async (_, prepare) => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    prepare(output);
    expect(() => deliver(cache.store, output, parcel(digest))).toThrow(
      expect.objectContaining({
        code: 'OUTPUT_UNUSABLE',
        message: expect.stringContaining(
          `Cannot write the artifact to ${join(output, 'web/openstack')}`,
        ) as string,
        hint: 'Name a folder that you can write with --output',
      }),
    );
  });

  it('keeps a folder of the user that is in the place of the link', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    mkdirSync(join(output, 'web/openstack/mine'), {recursive: true});
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    expect(() => deliver(cache.store, output, parcel(digest))).toThrow();
    expect(lstatSync(join(output, 'web/openstack')).isDirectory()).toBe(true);
    expect(existsSync(join(output, 'web/openstack/mine'))).toBe(true);
  });

  it('keeps a folder of the user that a link of the user leads to', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    mkdirSync(join(output, 'web'), {recursive: true});
    mkdirSync(cache.folder.join('mine/deep'), {recursive: true});
    symlinkSync('../../mine', join(output, 'web/openstack'));
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    deliver(cache.store, output, parcel(digest));
    expect(existsSync(cache.folder.join('mine/deep'))).toBe(true);
  });

  it('leaves nothing behind when the link cannot be put in its place', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    mkdirSync(join(output, 'web/openstack'), {recursive: true});
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    expect(() => deliver(cache.store, output, parcel(digest))).toThrow();
    expect(readdirSync(join(output, 'web'))).toEqual(['openstack']);
  });
});

describe('deliver() with documents', () => {
  const made = async (store: Store, text: string): Promise<string> =>
    publishFiles(store, {'inventory.json': text, 'sbom.spdx.json': '{}'});

  it('puts them beside the artifact and tells them apart from it', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const documents = await made(cache.store, 'one');
    const {path} = delivered(cache.store, output, {...parcel(digest), documents});
    expect(readdirSync(path).sort()).toEqual([
      'disk.raw',
      'inventory.json',
      'manifest.json',
      'sbom.spdx.json',
    ]);
    expect(JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8'))).toEqual({
      image: 'web',
      files: [{path: 'disk.raw', size_bytes: 4, sha256: sha256('disk')}],
      documents: [
        {path: 'inventory.json', size_bytes: 3, sha256: sha256('one')},
        {path: 'sbom.spdx.json', size_bytes: 2, sha256: sha256('{}')},
      ],
    });
    expect(deliveredFiles(path)?.files.map(([name]) => name)).toEqual([
      'disk.raw',
      'inventory.json',
      'sbom.spdx.json',
      'manifest.json',
    ]);
    expect(delivered(cache.store, output, {...parcel(digest), documents}).changed).toBe(false);
  });

  it('says of each by itself whether it is there', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const [digest, other] = ['aa'.repeat(32), 'bb'.repeat(32)];
    const place = {image: 'web', target: 'openstack'};
    const disk = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const documents = await made(cache.store, 'one');
    expect(isDelivered(output, {...place, documents})).toBe(false);
    const {path} = delivered(cache.store, output, {...parcel(disk), documents});
    expect(isDelivered(output, {...place, digest: disk})).toBe(true);
    expect(isDelivered(output, {...place, documents})).toBe(true);
    expect(isDelivered(output, {...place, digest: disk, documents})).toBe(true);
    expect(isDelivered(output, {...place, digest, documents})).toBe(false);
    expect(isDelivered(output, {...place, digest: disk, documents: other})).toBe(false);
    expect(isDelivered(output, {...place, target: 'open', documents})).toBe(false);
    // Where one file is not whole, nothing is.
    writeFileSync(join(path, 'sbom.spdx.json'), '');
    expect(isDelivered(output, {...place, digest: disk})).toBe(false);
    expect(isDelivered(output, {...place, documents})).toBe(false);
  });

  it('renews the set when only they have changed, without the artifact in the cache', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk', 'sub/readme': 'text'});
    const [first, second] = [await made(cache.store, 'one'), await made(cache.store, 'two')];
    const {path} = delivered(cache.store, output, {...parcel(digest), documents: first});
    const {ino} = statSync(join(path, 'disk.raw'));
    rmSync(cache.store.objectPath(digest), {recursive: true});
    expect(delivered(cache.store, output, {...parcel(digest), documents: second})).toEqual({
      path,
      changed: true,
    });
    expect(readFileSync(join(path, 'inventory.json'), 'utf8')).toBe('two');
    expect(readFileSync(join(path, 'sub/readme'), 'utf8')).toBe('text');
    expect(statSync(join(path, 'disk.raw'))).toMatchObject({ino, nlink: 1});
    expect(readdirSync(join(output, '.builds'))).toEqual([
      `web.openstack.${digest.slice(0, 16)}-${second.slice(0, 16)}`,
    ]);
    expect(deliveredFiles(path)?.files).toHaveLength(5);
  });

  it('hands out nothing when one of them is not what was made', async () => {
    using cache = new TemporaryStore();
    const output = cache.folder.join('artifacts');
    const digest = await publishFiles(cache.store, {'disk.raw': 'disk'});
    const [first, second] = [await made(cache.store, 'one'), await made(cache.store, 'two')];
    const {path} = delivered(cache.store, output, {...parcel(digest), documents: first});
    writeFileSync(join(cache.store.treePath(second), 'inventory.json'), 'tww');
    expect(deliver(cache.store, output, {...parcel(digest), documents: second})).toEqual({
      ok: false,
      error: {digest: second, path: 'inventory.json'},
    });
    expect(readFileSync(join(path, 'inventory.json'), 'utf8')).toBe('one');
    expect(readdirSync(join(output, '.builds'))).toHaveLength(1);
  });
});

describe('artifactFiles()', () => {
  it('tells the digests that the cache knows, of files only', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {'a/vmlinuz': 'kernel', b: ''});
    expect(artifactFiles(cache.store, digest)).toEqual([
      {path: 'a/vmlinuz', size_bytes: 6, sha256: sha256('kernel')},
      {path: 'b', size_bytes: 0, sha256: sha256('')},
    ]);
  });

  it('finds a file whose name the manifest writes in another way', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {'boot menu.ipxe': 'x'});
    expect(artifactFiles(cache.store, digest)).toMatchObject([{path: 'boot menu.ipxe', size_bytes: 1}]);
  });
});
