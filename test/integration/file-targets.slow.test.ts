import {execFileSync} from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import {readXml} from '../rig/xml.ts';
import {Project} from './real-build.ts';
import {type RealServer, startRegistry} from './remote-servers.ts';

/** The artifacts of targets that are files, built once for real, and looked at with programs that are not ours. */
const project = new Project('file-targets');
let registry: RealServer;

const artifact = (path: string): string => join(project.folder, 'artifacts/demo', path);
const run = (program: string, ...args: readonly string[]): string =>
  execFileSync(program, args, {encoding: 'utf8', cwd: project.folder});

beforeAll(async () => {
  registry = await startRegistry(join(inject('testRoot'), 'file-targets-registry'));
  for (const folder of ['store', 'pool']) mkdirSync(join(project.folder, folder));
  project.write({
    'fgimage.yaml': `version: 1
name: demo
description: A demo of <files> & boxes
os: {distribution: debian, release: bookworm}
policy: {tests: optional}
targets:
  ova: {vendor: Example, register: {folder: store}}
  azure: {register: {folder: store, name: demo, permissions: "0600"}}
  gcp: {register: {folder: store}}
  libvirt: {register: {pool: pool}}
  vagrant:
    register: {folder: store, catalog: {box: example/demo, url: "file://${project.folder}/store"}}
  oci: {register: {repository: "127.0.0.1:${registry.port}/lab/demo", tags: [latest]}}
`,
  });
  project.sharePackages();
  const built = await project.build(['--no-test']);
  expect(built.code, built.told).toBe(0);
  project.keepPackages();
});

afterAll(async () => {
  await registry[Symbol.asyncDispose]();
});

interface ImageInfo {
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'format-specific'?: {readonly data?: {readonly 'create-type'?: string}};
}

const imageInfo = (path: string, format: string): ImageInfo =>
  JSON.parse(run('qemu-img', 'info', '--output=json', '-f', format, path)) as ImageInfo;

const virtualSize = (target: string): unknown =>
  (project.json(`artifacts/demo/${target}/manifest.json`) as {readonly virtual_size_bytes: unknown})
    .virtual_size_bytes;

describe('ova', () => {
  it('is an archive with descriptor, manifest and disk, whose digests and sizes are right', () => {
    const listed = run('tar', '--list', '--file', artifact('ova/demo.ova')).trim().split('\n');
    expect(listed).toEqual(['demo.ovf', 'demo.mf', 'demo-disk1.vmdk']);
    mkdirSync(join(project.folder, 'ova'));
    run('tar', '--extract', '--directory', 'ova', '--file', artifact('ova/demo.ova'));
    const sums = readFileSync(join(project.folder, 'ova/demo.mf'), 'utf8').trim().split('\n');
    expect(sums).toEqual(
      ['demo.ovf', 'demo-disk1.vmdk'].map((name) => {
        const [sum = ''] = run('sha256sum', join('ova', name)).split(' ');
        return `SHA256(${name})= ${sum}`;
      }),
    );
    const {Envelope} = readXml(project.read('ova/demo.ovf')) as {
      readonly Envelope: {
        readonly References: {readonly File: {readonly '@size': string}};
        readonly DiskSection: {readonly Disk: {readonly '@capacity': string}};
      };
    };
    expect(Number(Envelope.References.File['@size'])).toBe(
      statSync(join(project.folder, 'ova/demo-disk1.vmdk')).size,
    );
    expect(Number(Envelope.DiskSection.Disk['@capacity'])).toBe(virtualSize('ova'));
    const info = imageInfo('ova/demo-disk1.vmdk', 'vmdk');
    expect(info['format-specific']?.data?.['create-type']).toBe('streamOptimized');
    expect(info['virtual-size']).toBe(virtualSize('ova'));
    run('qemu-img', 'check', '-f', 'vmdk', 'ova/demo-disk1.vmdk');
  });
});

describe('azure', () => {
  it('is a fixed VHD of whole mebibytes with a footer that is right', () => {
    const path = artifact('azure/disk.vhd');
    const {size} = statSync(path);
    expect(size - 512).toBe(virtualSize('azure'));
    expect((size - 512) % 2 ** 20).toBe(0);
    const footer = Buffer.alloc(512);
    const file = openSync(path, 'r');
    readSync(file, footer, 0, 512, size - 512);
    closeSync(file);
    expect(footer.toString('latin1', 0, 8)).toBe('conectix');
    expect(footer.readUInt32BE(60)).toBe(2);
    expect(footer.readBigUInt64BE(40)).toBe(BigInt(size - 512));
    expect(footer.readBigUInt64BE(48)).toBe(BigInt(size - 512));
    const checksum = footer.readUInt32BE(64);
    footer.fill(0, 64, 68);
    expect(checksum).toBe(~footer.reduce((sum, byte) => sum + byte, 0) >>> 0);
  });
});

describe('gcp', () => {
  it('is disk.raw alone, of whole gibibytes, in the old GNU format', () => {
    const path = artifact('gcp/disk.tar.gz');
    expect(run('tar', '--list', '--gzip', '--file', path).trim()).toBe('disk.raw');
    mkdirSync(join(project.folder, 'gcp'));
    run('tar', '--extract', '--sparse', '--gzip', '--directory', 'gcp', '--file', path);
    const {size} = statSync(join(project.folder, 'gcp/disk.raw'));
    expect(size).toBe(virtualSize('gcp'));
    expect(size % 2 ** 30).toBe(0);
    expect(run('sh', '-c', `zcat "$1" | dd bs=1 skip=257 count=8 2>/dev/null`, 'sh', path)).toBe('ustar  \0');
    expect(run('sfdisk', '--list', 'gcp/disk.raw')).toMatch(/EFI System[\s\S]*Linux root/);
  });
});

describe('libvirt', () => {
  it('is a disk, and a domain with a UUID of its own', () => {
    run('qemu-img', 'check', '-f', 'qcow2', artifact('libvirt/disk.qcow2'));
    const {domain} = readXml(readFileSync(artifact('libvirt/domain.xml'), 'utf8')) as {
      readonly domain: {readonly name: string; readonly uuid: string};
    };
    expect(domain.name).toBe('demo');
    expect(domain.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe('fgimage register', () => {
  it('puts the files where they belong, and does nothing the second time', async () => {
    const first = await register();
    expect(first).toEqual([
      'azure created',
      'gcp created',
      'libvirt created',
      'oci created',
      'ova created',
      'vagrant created',
    ]);
    const stored = readdirSync(join(project.folder, 'store')).sort();
    expect(stored.map((name) => name.replace(/[0-9a-f]{12}/, '…'))).toEqual([
      'demo-….box',
      'demo-….box.fgimage.json',
      'demo-….ova',
      'demo-….ova.fgimage.json',
      'demo-….tar.gz',
      'demo-….tar.gz.fgimage.json',
      'demo.vhd',
      'demo.vhd.fgimage.json',
      'example-demo.json',
    ]);
    expect(statSync(join(project.folder, 'store/demo.vhd')).mode & 0o777).toBe(0o600);
    run('cmp', artifact('azure/disk.vhd'), 'store/demo.vhd');
    const [volume = ''] = readdirSync(join(project.folder, 'pool')).filter((name) => name.endsWith('.qcow2'));
    const xml = readFileSync(join(project.folder, 'pool', volume.replace('.qcow2', '.xml')), 'utf8');
    expect(xml).toContain(`<source file='${join(project.folder, 'pool', volume)}'/>`);
    const from = `docker://127.0.0.1:${registry.port}/lab/demo:latest`;
    const inspected = JSON.parse(run('skopeo', 'inspect', '--tls-verify=false', '--raw', from)) as {
      readonly annotations: unknown;
    };
    expect(inspected.annotations).toMatchObject({fgimage_lineage: 'demo/demo/oci'});

    const second = await register();
    expect(second).toEqual([
      'azure kept',
      'gcp kept',
      'libvirt kept',
      'oci kept',
      'ova kept',
      'vagrant kept',
    ]);
  });

  it('gives a catalog that Vagrant takes the box from', () => {
    const home = join(project.folder, 'vagrant');
    mkdirSync(home);
    execFileSync('vagrant', ['box', 'add', `file://${project.folder}/store/example-demo.json`], {
      stdio: 'pipe',
      env: {...process.env, HOME: home, VAGRANT_HOME: home, TMPDIR: home, VAGRANT_CHECKPOINT_DISABLE: '1'},
    });
    const boxes = join(home, 'boxes/example-VAGRANTSLASH-demo');
    const [version = ''] = readdirSync(boxes).filter((name) => /^\d/.test(name));
    expect(existsSync(join(boxes, version, 'libvirt/box.img'))).toBe(true);
  });
});

/** What became of each target. */
async function register(): Promise<readonly string[]> {
  const running = project.start(['register', '--json', '--no-test']);
  const code = await running.end;
  const failures = running.stdout.split('\n').filter((line) => /"(stage|registration)-failed"/.test(line));
  expect([code, ...failures], running.stderr).toEqual([0]);
  return running.stdout
    .split('\n')
    .filter((line) => line.includes('"registration-finished"'))
    .map((line) => JSON.parse(line) as {readonly registration: string; readonly did: string})
    .map(({registration, did}) => `${registration.split('/').at(-1) ?? ''} ${did}`)
    .sort();
}
