import {execFileSync, spawnSync} from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {afterAll, describe, expect, inject, it} from 'vitest';
import {digestOf, importBase, pathsIn, smallRoot, writeLayout, writeTree} from './import-forms.ts';
import {Project} from './real-build.ts';
import {startRegistry} from './remote-servers.ts';

/** A folder of a test that is a project. */
function folder(name: string): string {
  const path = join(inject('testRoot'), `import-${name}`);
  mkdirSync(path, {recursive: true});
  return path;
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, {stdio: 'pipe'});
}

/** What an import makes of `smallRoot`. */
const cleaned = ['etc', 'etc/machine-id', 'etc/os-release', 'etc/ssh', 'usr', 'usr/bin', 'usr/bin/tool'];
const madeBeside = ['dev', 'proc', 'run', 'sys', 'tmp'];

describe('an imported archive', () => {
  it('keeps owners, modes, times, links and attributes, and loses who it was', async () => {
    const project = folder('tar');
    const root = join(project, 'root');
    writeTree(root, smallRoot);
    linkSync(join(root, 'usr/bin/tool'), join(root, 'usr/bin/same'));
    symlinkSync('/usr/bin/tool', join(root, 'usr/bin/link'));
    chmodSync(join(root, 'usr/bin/tool'), 0o4750);
    run('chown', '33:44', join(root, 'usr/bin/tool'));
    chmodSync(join(root, 'usr/bin/tool'), 0o4750);
    run('touch', '-d', '@1500000000', join(root, 'usr/bin/tool'));
    run('setfattr', '-n', 'user.note', '-v', 'kept', join(root, 'usr/bin/tool'));
    run('mkfifo', join(root, 'usr/pipe'));
    run('tar', '-C', root, '--xattrs', '--format=posix', '-cJf', join(project, 'root.tar.xz'), '.');

    const {tree, log, refused} = await importBase(project, {source: 'root.tar.xz'});
    expect(refused).toBeUndefined();
    expect(log).toEqual(['left out: 1 device nodes, pipes and sockets']);
    expect(pathsIn(tree)).toEqual([...cleaned, ...madeBeside, 'usr/bin/link', 'usr/bin/same'].sort());
    const tool = statSync(join(tree, 'usr/bin/tool'));
    expect([tool.uid, tool.gid, tool.mode & 0o7777, tool.mtimeMs, tool.nlink]).toEqual([
      33, 44, 0o4750, 1_500_000_000_000, 2,
    ]);
    expect(statSync(join(tree, 'usr/bin/same')).ino).toBe(tool.ino);
    expect(readlinkSync(join(tree, 'usr/bin/link'))).toBe('/usr/bin/tool');
    expect(
      execFileSync('getfattr', ['--only-values', '-n', 'user.note', join(tree, 'usr/bin/tool')], {
        encoding: 'utf8',
      }),
    ).toBe('kept');
    expect(readFileSync(join(tree, 'etc/machine-id'), 'utf8')).toBe('');
  });

  it('writes nothing outside of its tree, wherever entries and links lead', async () => {
    const project = folder('escape');
    const [root, outside] = [join(project, 'root'), join(project, 'outside')];
    writeTree(root, smallRoot);
    writeTree(outside, {canary: 'alive', 'etc/passwd': 'mine'});
    // Links to the outside, and later in the archive entries that go through them.
    const name = `canary-${String(process.pid)}`;
    symlinkSync(outside, join(root, 'opt'));
    symlinkSync('../../../../../../../../../var/lib', join(root, 'up'));
    run('tar', '-C', root, '-cf', join(project, 'through.tar'), '.');
    const inner = join(project, 'inner');
    writeTree(inner, {'opt/canary': 'dead', [`up/${name}`]: 'inside'});
    run('tar', '-C', inner, '-rf', join(project, 'through.tar'), 'opt/canary', `up/${name}`);
    run('tar', '-C', outside, '-rPf', join(project, 'through.tar'), '--transform', 's,^,/,', 'etc/passwd');
    const through = await importBase(project, {source: 'through.tar'});
    expect(through.refused).toBeUndefined();
    expect(readFileSync(join(outside, 'canary'), 'utf8')).toBe('alive');
    expect(readFileSync(join(through.tree, 'var/lib', name), 'utf8')).toBe('inside');
    expect(existsSync(join('/var/lib', name))).toBe(false);
    expect(readFileSync(join(through.tree, 'etc/passwd'), 'utf8')).toBe('mine');

    run('tar', '-C', outside, '-cPf', join(project, 'up.tar'), '--transform', 's,^,../../,', 'canary');
    expect((await importBase(project, {source: 'up.tar'})).refused?.message).toBe(
      'up.tar cannot be imported: An entry leads out of the root: "../../canary"',
    );
    // A hard link to a file of the host.
    linkSync(join(outside, 'canary'), join(outside, 'other'));
    run(
      'tar',
      '-C',
      outside,
      '-cPf',
      join(project, 'hard.tar'),
      '--transform',
      'flags=h;s,.*,/etc/hostname,',
      'canary',
      'other',
    );
    expect((await importBase(project, {source: 'hard.tar'})).refused?.message).toBe(
      'hard.tar cannot be imported: "other" is a hard link to what is not there: "etc/hostname"',
    );
  });

  it('is refused where it is another system, or none', async () => {
    const project = folder('other');
    writeTree(join(project, 'root'), {...smallRoot, 'etc/os-release': 'ID=alpine\nVERSION_ID=3.20.1\n'});
    run('tar', '-C', join(project, 'root'), '-czf', join(project, 'alpine.tar.gz'), '.');
    run('tar', '-C', join(project, 'root/usr'), '-czf', join(project, 'part.tar.gz'), '.');
    writeFileSync(join(project, 'text'), 'no archive at all, however long it may be. '.repeat(40));
    const messages = await Promise.all(
      ['alpine.tar.gz', 'part.tar.gz', 'text'].map(
        async (source) => (await importBase(project, {source})).refused?.message,
      ),
    );
    expect(messages).toEqual([
      'alpine.tar.gz cannot be imported: It is alpine 3.20.1 by its /etc/os-release, and os is debian bookworm',
      'part.tar.gz cannot be imported: It says nowhere what it is: there is no /etc/os-release, and os is debian bookworm',
      'text cannot be imported: It is no tar archive, or a header of it is damaged',
    ]);
  });
});

describe('an imported disk', () => {
  /** A disk with a root and a `/boot` of its own, with e2fsprogs and sfdisk as any builder makes it. */
  function makeDisk(project: string, fstab: string): string {
    const [root, boot] = [join(project, 'root'), join(project, 'boot')];
    writeTree(root, {...smallRoot, 'etc/fstab': fstab});
    writeTree(boot, {'vmlinuz-6.1': 'a kernel'});
    mkdirSync(join(root, 'boot'), {recursive: true});
    const disk = join(project, 'disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 64 << 20);
    execFileSync('sfdisk', ['--quiet', disk], {
      input: 'label: gpt\nsize=16MiB, type=L\ntype=L\n',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const [tree, at, uuid, size] of [
      [boot, 1, '11111111-2222-4333-8444-555555555555', 16],
      [root, 17, '66666666-7777-4888-9999-aaaaaaaaaaaa', 46],
    ] as const) {
      const offset = `offset=${String(at << 20)}`;
      run('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, '-U', uuid, '-E', offset, disk, `${String(size)}M`);
    }
    return disk;
  }

  it('is read with all that its fstab mounts, as qcow2 and raw, and is not mounted', async () => {
    const project = folder('disk');
    const disk = makeDisk(
      project,
      'UUID=66666666-7777-4888-9999-AAAAAAAAAAAA / ext4 defaults 0 1\nUUID=11111111-2222-4333-8444-555555555555 /boot ext4 defaults 0 2\nUUID=ABCD-1234 /boot/efi vfat umask=0077 0 1\n/swapfile none swap sw 0 0\n',
    );
    run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk, join(project, 'disk.qcow2'));
    const trees = await Promise.all(
      ['disk.raw', 'disk.qcow2'].map(async (source) => {
        const {tree, refused} = await importBase(project, {source});
        expect(refused).toBeUndefined();
        expect(readFileSync(join(tree, 'boot/vmlinuz-6.1'), 'utf8')).toBe('a kernel');
        return pathsIn(tree);
      }),
    );
    expect(trees[0]).toEqual([...cleaned, ...madeBeside, 'boot', 'boot/vmlinuz-6.1'].sort());
    expect(trees[1]).toEqual(trees[0]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(project);
  });

  it('is refused where it is not whole, or of a kind that is not read', async () => {
    const project = folder('disk-refused');
    makeDisk(project, 'UUID=deadbeef-7777-4888-9999-aaaaaaaaaaaa /usr ext4 defaults 0 2\n');
    run(
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-b',
      '/etc/hostname',
      '-F',
      'raw',
      join(project, 'thin.qcow2'),
      '1M',
    );
    const xfs = join(project, 'xfs.raw');
    writeFileSync(xfs, Buffer.concat([Buffer.from('XFSB'), Buffer.alloc(1 << 20)]));
    const messages = await Promise.all(
      ['disk.raw', 'thin.qcow2', 'xfs.raw'].map(
        async (source) => (await importBase(project, {source})).refused?.message,
      ),
    );
    expect(messages).toEqual([
      'disk.raw cannot be imported: What the disk mounts at "/usr" is not found on it: "UUID=deadbeef-7777-4888-9999-aaaaaaaaaaaa"',
      'thin.qcow2 cannot be imported: The disk is not whole: it names another file that it builds on',
      'xfs.raw cannot be imported: There is no ext4 file system with an operating system on the disk, only xfs',
    ]);
  });
});

describe('an imported OCI image', () => {
  /** Two layers: the second replaces, removes and empties what the first has. */
  function layers(project: string): readonly [string, string] {
    const [lower, upper] = [join(project, 'lower'), join(project, 'upper')];
    writeTree(lower, {...smallRoot, 'opt/gone': '1', 'opt/stays': '2', 'srv/old/file': '3'});
    symlinkSync('usr/bin', join(lower, 'bin'));
    writeTree(upper, {'opt/.wh.gone': '', 'srv/.wh..wh..opq': '', 'srv/new': '4', 'bin/more': '5'});
    return [lower, upper];
  }

  const after = [
    ...[...cleaned, ...madeBeside, 'bin', 'bin/more', 'opt', 'opt/stays', 'srv', 'srv/new'],
  ].sort();

  it('has its layers applied with what they take away, from a folder, an archive and docker save', async () => {
    const project = folder('oci');
    const [lower, upper] = layers(project);
    const sha256 = writeLayout(join(project, 'layout'), [lower, upper]);
    run('tar', '-C', join(project, 'layout'), '-cf', join(project, 'layout.tar'), '.');
    const saved = join(project, 'saved');
    for (const [index, tree] of [lower, upper].entries()) {
      mkdirSync(join(saved, String(index)), {recursive: true});
      run('tar', '-C', tree, '-cf', join(saved, String(index), 'layer.tar'), '.');
    }
    writeFileSync(
      join(saved, 'manifest.json'),
      JSON.stringify([{Config: 'config.json', RepoTags: null, Layers: ['0/layer.tar', '1/layer.tar']}]),
    );
    run('tar', '-C', saved, '-czf', join(project, 'saved.tar.gz'), 'manifest.json', '0', '1');
    for (const source of ['layout', 'layout.tar', 'saved.tar.gz']) {
      const {tree, refused} = await importBase(project, {source, ...(source === 'layout' ? {sha256} : {})});
      expect([source, refused]).toEqual([source, undefined]);
      expect([source, pathsIn(tree)]).toEqual([source, after]);
    }
  });

  it('is pulled from a registry by its digest, and refused where any byte is another', async () => {
    const project = folder('registry');
    const [lower, upper] = layers(project);
    const layout = join(project, 'layout');
    const sha256 = writeLayout(layout, [lower, upper]);
    await using registry = await startRegistry(join(project, 'registry'));
    const name = `127.0.0.1:${String(registry.port)}/team/root`;
    await push(layout, `http://127.0.0.1:${String(registry.port)}/v2/team/root`, 'v1');

    const pulled = await importBase(project, {source: `oci:${name}:v1`, sha256});
    expect(pulled.refused).toBeUndefined();
    expect(pathsIn(pulled.tree)).toEqual(after);
    expect(pathsIn((await importBase(project, {source: `oci:${name}@sha256:${sha256}`})).tree)).toEqual(
      after,
    );

    const wrong = await importBase(project, {source: `oci:${name}:v1`, sha256: '0'.repeat(64)});
    expect(wrong.refused?.message).toBe(
      `oci:${name}:v1 cannot be imported: v1 is not what was asked for: its digest is sha256:${sha256}, not sha256:${'0'.repeat(64)}`,
    );
    const absent = await importBase(project, {source: `oci:${name}:v2`, sha256});
    expect(absent.refused?.message).toBe(`oci:${name}:v2 cannot be imported: There is no v2`);
    const foreign = {distribution: 'debian', release: 'bookworm', architecture: 'arm64'};
    expect(
      (await importBase(project, {source: `oci:${name}:v1`, sha256, os: foreign})).refused?.message,
    ).toBe(`oci:${name}:v1 cannot be imported: It has no image for linux/arm64, only for linux/amd64`);
  });

  it('is refused where a layer in a folder is damaged', async () => {
    const project = folder('damaged');
    const [lower] = layers(project);
    const layout = join(project, 'layout');
    writeLayout(layout, [lower]);
    const blobs = pathsIn(join(layout, 'blobs/sha256')).map((name) => join(layout, 'blobs/sha256', name));
    const layer = blobs.find((path) => readFileSync(path)[0] === 0x1f) ?? '';
    const bytes = readFileSync(layer);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(layer, bytes);
    expect((await importBase(project, {source: 'layout'})).refused?.message).toMatch(
      /^layout cannot be imported: Its layer sha256:[0-9a-f]{64} is damaged: its digest is sha256:[0-9a-f]{64}$/,
    );
  });
});

/** Puts a layout into a registry as distribution-spec 1.1 says. */
async function push(layout: string, repository: string, tag: string): Promise<void> {
  for (const name of pathsIn(join(layout, 'blobs/sha256'))) {
    const body = readFileSync(join(layout, 'blobs/sha256', name));
    const started = await fetch(`${repository}/blobs/uploads/`, {method: 'POST'});
    const location = started.headers.get('location') ?? '';
    const put = await fetch(`${location}&digest=sha256:${name}`, {method: 'PUT', body, headers: octets});
    expect(put.status).toBe(201);
  }
  const index = readFileSync(join(layout, 'index.json'));
  const {manifests} = JSON.parse(index.toString('utf8')) as {
    readonly manifests: readonly {readonly digest: string; readonly platform: {readonly os: string}}[];
  };
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  for (const {digest, platform} of manifests) {
    if (platform.os === 'unknown') continue;
    const body = readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
    const put = await fetch(`${repository}/manifests/${digest}`, {
      method: 'PUT',
      body,
      headers: {'content-type': manifestType},
    });
    expect(put.status).toBe(201);
  }
  const put = await fetch(`${repository}/manifests/${tag}`, {
    method: 'PUT',
    body: index,
    headers: {'content-type': 'application/vnd.oci.image.index.v1+json'},
  });
  expect(put.status).toBe(201);
}

const octets = {'content-type': 'application/octet-stream'};

describe('an image on an imported base', () => {
  const user = `fgimage-imp-${String(process.pid)}`;
  afterAll(() => {
    spawnSync('userdel', ['--remove', user]);
  });

  it('is made by an ordinary user, with packages by apt, and cloned for an image that wants more of them', async () => {
    const source = new Project('import-source');
    source.sharePackages();
    source.write({
      'fgimage.yaml': `version: 1
name: root
os: {distribution: debian, release: bookworm}
kernel: {package: none}
targets: {tarball: {compression_level: 1}}
`,
    });
    const made = await source.build(['--no-test']);
    expect(made.told.trim()).toBe('');
    source.keepPackages();
    const archive = join(source.folder, 'artifacts/root/tarball/root.tar.zst');

    execFileSync('useradd', ['--create-home', user]);
    const id = Number(execFileSync('id', ['-u', user], {encoding: 'utf8'}));
    const own = new Project('import-own');
    own.sharePackages();
    own.write({
      'fgimage.yaml': `version: 1
name: own
os: {distribution: debian, release: bookworm}
base: {import: root.tar.zst, sha256: ${digestOf(readFileSync(archive))}}
kernel: {package: none}
targets: {tarball: {compression_level: 1}}
images:
  one: {packages: [tree]}
  two: {packages: [tree, less]}
`,
    });
    copyFileSync(archive, join(own.folder, 'root.tar.zst'));
    execFileSync('chown', ['-R', `${String(id)}:${String(id)}`, own.folder]);
    const one = await own.build(['one', '--no-test'], {as: id});
    expect(one.told.trim()).toBe('');
    expect(one.stages('stage-finished')).toContain('base:import-root.tar.zst');

    const two = await own.build(['two', '--no-test'], {as: id});
    expect(two.told.trim()).toBe('');
    expect(two.stages('stage-cached')).toEqual([
      'archive:debian-bookworm',
      'base:import-root.tar.zst',
      'customize:two/shared',
    ]);
    const listed = execFileSync('tar', ['-tf', join(own.folder, 'artifacts/two/tarball/root.tar.zst')], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    expect(listed.split('\n')).toEqual(expect.arrayContaining(['./usr/bin/tree', './usr/bin/less']));

    renameSync(join(own.folder, 'root.tar.zst'), join(own.folder, 'moved'));
    writeFileSync(join(own.folder, 'root.tar.zst'), 'something else');
    const replaced = own.start(['build', 'one'], {as: id});
    expect(await replaced.end).toBe(2);
    expect(replaced.stderr).toMatch(
      /^error: root\.tar\.zst is not what base\.sha256 says: it is [0-9a-f]{64}\n/,
    );
    const locked = own.start(['lock'], {as: id});
    expect(await locked.end).toBe(2);
    expect(locked.stderr).toContain('error: An image with an imported base cannot be locked: one, two of ');
    expect(existsSync(join(own.folder, 'fgimage.lock'))).toBe(false);
  });
});
