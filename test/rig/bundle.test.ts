import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import type {BundleManifest} from '../../src/lock/bundle-manifest.ts';
import {FetchRig} from './fetched.ts';
import {spec} from './specs.ts';

const project = {
  'fgimage.yaml': spec(`extends: base.yaml
packages: [curl]
repositories:
  - {name: tools, uri: "http://deb.example.org/tools", suites: [bookworm], components: [main], signed_by: keys/tools.asc}
copy: [{source: tree, path: /opt/}]
write_files: [{path: /etc/motd, source: motd.txt}]
provision: [{shell: setup.sh}]
targets: {hpc: }
`),
  'base.yaml': 'version: 1\n',
  'keys/tools.asc': 'a key',
  'tree/file': 'in a tree',
  'motd.txt': 'hello',
  'setup.sh': 'true',
  'notes.txt': 'not named by the spec',
};

/** A project with a bit of everything, and a bundle of it. */
async function bundled(): Promise<FetchRig> {
  const bench = await FetchRig.start(project);
  const {code, stderr} = await bench.run(['bundle', '-o', 'web.tar']);
  if (code !== 0) throw new Error(stderr);
  return bench;
}

function manifestOf(archive: string): BundleManifest {
  return JSON.parse(
    execFileSync('tar', ['-xOf', archive, 'bundle.json'], {encoding: 'utf8'}),
  ) as BundleManifest;
}

describe('fgimage bundle', () => {
  it('holds the project, the lock, all packages, and the digests of the artifacts', async () => {
    await using bench = await FetchRig.start(project);
    const {rig, packages} = bench;
    const {code, stdout, stderr} = await bench.run(['bundle', '-o', 'web.tar']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      new RegExp(`^web\\.tar: \\d+ KiB, 1 image, 7 files, ${packages.length} packages\\n$`),
    );
    const manifest = manifestOf(rig.join('project/web.tar'));
    expect(Object.keys(manifest.members).filter((path) => !path.startsWith('packages/'))).toEqual([
      'README.txt',
      'project/base.yaml',
      'project/fgimage.lock',
      'project/fgimage.yaml',
      'project/keys/tools.asc',
      'project/motd.txt',
      'project/setup.sh',
      'project/tree/file',
    ]);
    expect(manifest.images).toEqual(['web']);
    expect(manifest.artifacts).toMatchObject([{image: 'web', target: 'hpc', files: [{path: 'artifact'}]}]);
    await bench.run(['bundle', '-o', 'again.tar']);
    expect(readFileSync(rig.join('project/again.tar'))).toEqual(readFileSync(rig.join('project/web.tar')));
    expect([rig.cached('tmp'), rig.cached('locks')]).toEqual([[], []]);
  }, 60_000);

  it('writes nothing where a package cannot be had', async () => {
    await using bench = await FetchRig.start(project);
    bench.mirror.behaviours.set('/debian/pool/main/curl_1.0_amd64.deb', {status: 404});
    const {code, stderr} = await bench.run(['bundle', '-o', 'web.tar']);
    expect([code, stderr.split('\n')[0]]).toEqual([1, 'error: curl 1.0 cannot be had']);
    expect(readdirSync(bench.rig.project).filter((name) => name.includes('web.tar'))).toEqual([]);
  });

  it('says where it cannot write', async () => {
    await using bench = await FetchRig.start(project);
    expect(await bench.run(['bundle', '-o', 'no/such/folder.tar'])).toMatchObject({
      code: 3,
      stderr: `error: Cannot write the bundle to ${bench.rig.join('project/no/such/folder.tar')}\n  mend: Name a file in a folder that you can write with -o\n`,
    });
  });
});

describe('fgimage build --bundle', () => {
  it('builds what is in the bundle, elsewhere, without its project and without a network', async () => {
    await using bench = await bundled();
    const {rig, mirror} = bench;
    for (const name of Object.keys(project)) rig.write({[name]: 'something else by now'});
    mkdirSync(rig.join('elsewhere'));
    const asked = mirror.asked.length;
    const ended = await rig.run(['build', '--bundle', '../project/web.tar', '-o', 'out', '--no-test'], {
      cwd: 'elsewhere',
      env: {http_proxy: mirror.at('')},
    });
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    expect(ended.stdout.split('\n')[0]).toBe(
      `0 packages from ../project/web.tar, ${bench.packages.length} were here already`,
    );
    expect(ended.stdout).toContain('web/hpc: the same, byte for byte, as where the bundle was made\n');
    expect(readFileSync(rig.join('elsewhere/out/web/hpc/artifact'), 'utf8')).toBe('content of pack:web/hpc');
    expect(mirror.asked).toHaveLength(asked);
    expect([rig.cached('tmp'), rig.cached('locks'), readdirSync(rig.join('tmp'))]).toEqual([[], [], []]);
  }, 60_000);

  it('takes the packages into a cache that has none, and keeps the project where that is wanted', async () => {
    await using bench = await bundled();
    const {rig, packages} = bench;
    rig.fakeTool('mmdebstrap', 'echo "mmdebstrap 1.0"; exit 9');
    const words = ['build', '--bundle', 'web.tar', '--unpack', 'kept', '--cache-dir', rig.join('fresh')];
    const ended = await rig.run([...words, '-o', 'out', '--no-test']);
    expect(ended.stdout.split('\n')[0]).toBe(`${packages.length} packages from web.tar`);
    for (const {name} of packages)
      expect(readFileSync(rig.join('fresh/packages', `${name}_1.0_amd64.deb`), 'utf8')).toBe(name);
    for (const [name, text] of Object.entries(project)) {
      const path = rig.join('project/kept', name);
      expect(existsSync(path) ? readFileSync(path, 'utf8') : undefined).toBe(
        name === 'notes.txt' ? undefined : text,
      );
    }
  }, 60_000);

  it('refuses a bundle in which a byte was changed, and takes nothing from it', async () => {
    await using bench = await bundled();
    const {rig} = bench;
    const path = rig.join('project/web.tar');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('in a tree');
    bytes[at] = 0x49;
    writeFileSync(path, bytes);
    const ended = await rig.run([
      'build',
      '--bundle',
      'web.tar',
      '--cache-dir',
      rig.join('fresh'),
      '-o',
      'out',
    ]);
    expect([ended.code, ended.stdout]).toEqual([2, '']);
    expect(ended.stderr).toMatch(
      /^error: web\.tar is no bundle that can be used: "project\/tree\/file" is not what bundle\.json says: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}\n/,
    );
    expect(existsSync(rig.join('fresh', 'packages'))).toBe(false);
    expect(readdirSync(rig.join('tmp'))).toEqual([]);
  });

  it('brings links back as they were, and says which image is not in it', async () => {
    await using bench = await FetchRig.start(project);
    const {rig} = bench;
    symlinkSync('/etc/hostname', rig.join('project/tree/link'));
    const {code} = await bench.run(['bundle', '-o', 'web.tar']);
    expect(code).toBe(0);
    expect(manifestOf(rig.join('project/web.tar')).links).toEqual([
      {path: 'tree/link', target: '/etc/hostname'},
    ]);
    expect(await rig.run(['build', 'wbe', '--bundle', 'web.tar'])).toMatchObject({
      code: 2,
      stderr: 'error: There is no image wbe in the bundle\n  mend: Its images are web\n',
    });
  });
});
