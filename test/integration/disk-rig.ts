import {execFileSync} from 'node:child_process';
import {
  accessSync,
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {programFolders} from '../../src/host/program-folders.ts';
import {packedSystem} from '../../src/plan/packed-system.ts';
import {CommandLog} from '../../src/sandbox/process.ts';
import type {JsonObject} from '../../src/spec/image.ts';
import {readTemplate} from '../../src/spec/template.ts';
import {runDiskPack} from '../../src/stages/pack/disk.ts';
import type {StageContext} from '../../src/stages/stage.ts';
import type {DiskOutput, DiskPackPlan, StorageLayout} from '../../targets/contract.ts';

/** Midsummer 2023: the time of everything that a pack writes here. */
export const epoch = 1_687_305_600;
export const kernelVersion = '6.1.0-test';

/** What runs in the tree when it is packed: the host's own programs. */
const programs = [...['sh', 'cat', 'chmod', 'cp', 'mkdir', 'perl', 'sed', 'sha1sum', 'sort', 'tar']];

/** Stand-ins: what they make is told apart from nothing, and never runs. */
const scripts: Readonly<Record<string, string>> = {
  'usr/bin/dpkg-query': '#!/bin/sh\nprintf "ii \\tsmall\\t1.0\\tamd64\\n"\n',
  'usr/bin/grub-mkimage':
    '#!/bin/sh\nfor word; do case $word in --output=*) out=${word#--output=};; esac; done\nexec cat /usr/lib/grub/core > "$out"\n',
};

/** A folder like a cache's, with a small tree in it that is packed into disks without a build. */
export class DiskRig {
  readonly folder: string;
  readonly tree: string;
  #packs = 0;

  constructor(folder: string) {
    this.folder = folder;
    this.tree = join(folder, 'objects/small/tree');
    makeTree(this.tree);
    const initramfs = join(folder, 'objects/initramfs/tree');
    mkdirSync(initramfs, {recursive: true});
    writeFileSync(join(initramfs, `initrd.img-${kernelVersion}`), Buffer.alloc(300_000, 'initrd'));
  }

  /** Packs the tree, and gives the folder of the artifact and what the stage told. */
  async pack(plan: DiskPackPlan): Promise<Packed> {
    this.#packs += 1;
    const run = join(this.folder, `tmp/${String(this.#packs)}`);
    const work = join(run, 'work');
    const output = join(run, 'output');
    for (const folder of [work, output]) mkdirSync(folder, {recursive: true});
    const log = new CommandLog(join(run, 'log'), () => undefined);
    const warnings: string[] = [];
    const input = (id: string) => ({digest: id, path: join(this.folder, 'objects', id, 'tree'), result: {}});
    const context = {
      node: {
        id: 'pack:small/disk',
        layers: ['small'],
        dependsOn: ['initramfs:small', 'small'],
        params: {
          plan: plan as unknown as JsonObject,
          system: packedSystem({architecture: 'amd64'}, readTemplate('debian')),
          source_date_epoch: epoch,
        },
      },
      inputs: new Map([
        ['small', input('small')],
        ['initramfs:small', input('initramfs')],
      ]),
      store: {layout: {root: this.folder}} as unknown as Store,
      run: {path: run},
      projectDir: this.folder,
      work,
      output,
      log,
      signal: new AbortController().signal,
      tool: programPath,
      progress: () => undefined,
      warn: (message: string) => warnings.push(message),
    } as unknown as StageContext;
    const outcome = await runDiskPack(context);
    await log.close();
    rmSync(work, {recursive: true, force: true});
    return {
      output,
      log: readFileSync(join(run, 'log'), 'utf8'),
      ...(outcome.ok ? {result: outcome.value.result} : {failure: outcome.error.failure}),
    };
  }
}

export interface Packed {
  readonly output: string;
  readonly log: string;
  readonly result?: JsonObject;
  readonly failure?: object;
}

export function diskPlan(
  storage: Partial<StorageLayout>,
  {
    outputs = [{kind: 'image', format: 'raw', fileName: 'disk.raw'}],
    ...rest
  }: Partial<Omit<DiskPackPlan, 'storage'>> & {outputs?: readonly DiskOutput[]} = {},
): DiskPackPlan {
  return {
    kind: 'disk',
    firmware: 'both',
    loader: 'grub',
    cmdline: 'console=ttyS0',
    storage: {table: 'gpt', root: {filesystem: 'ext4'}, mounts: [], ...storage},
    outputs,
    ...rest,
  };
}

export function programPath(name: string): string {
  for (const folder of programFolders()) {
    const path = join(folder, name);
    try {
      accessSync(path);
      return path;
    } catch {}
  }
  throw new Error(`There is no program ${name}`);
}

function makeTree(tree: string): void {
  for (const folder of [
    'usr/bin',
    'usr/lib',
    'usr/lib64',
    'etc',
    'boot',
    'dev',
    'proc',
    'run',
    'srv/data',
    'tmp',
    'var/tmp',
  ])
    mkdirSync(join(tree, folder), {recursive: true});
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(tree, name));
  const file = (path: string, content: string | Buffer, mode = 0o644): void => {
    mkdirSync(dirname(join(tree, path)), {recursive: true});
    writeFileSync(join(tree, path), content);
    chmodSync(join(tree, path), mode);
  };
  for (const name of programs) copyProgram(tree, programPath(name));
  for (const folder of execFileSync('perl', ['-e', 'print join "\\n", @INC'], {encoding: 'utf8'}).split(
    '\n',
  )) {
    if (!folder.includes('perl-base') || !existsSync(folder)) continue;
    mkdirSync(dirname(join(tree, folder)), {recursive: true});
    execFileSync('cp', ['-a', folder, join(tree, folder)]);
  }
  for (const [path, content] of Object.entries(scripts)) file(path, content, 0o755);
  file('etc/os-release', 'ID=small\nPRETTY_NAME="Small"\nVERSION_ID=1\n');
  file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n');
  file('etc/group', 'root:x:0:\n');
  file(`boot/vmlinuz-${kernelVersion}`, Buffer.alloc(700_000, 'kernel'));
  file('usr/lib/grub/core', Buffer.alloc(30_000, 'core'));
  for (const name of ['i386-pc/boot.img', 'i386-pc/normal.mod', 'i386-pc/moddep.lst'])
    file(`usr/lib/grub/${name}`, Buffer.alloc(512, 'boot'));
  for (const name of ['normal.mod', 'moddep.lst']) file(`usr/lib/grub/x86_64-efi/${name}`, 'module');
  file('usr/lib/shim/shimx64.efi.signed', Buffer.alloc(5000, 'shim'));
  file('usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed', Buffer.alloc(6000, 'grub'));
  file('usr/lib/systemd/boot/efi/systemd-bootx64.efi', Buffer.alloc(7000, 'loader'));
  file('usr/lib/systemd/boot/efi/linuxx64.efi.stub', smallestStub());
  fillFolders(tree, file);
}

/** What file systems differ in: names, links, holes, devices, attributes, folders of every size. */
function fillFolders(
  tree: string,
  file: (path: string, content: string | Buffer, mode?: number) => void,
): void {
  const odd = (name: string): string => join(tree, 'opt/odd', name);
  file('opt/odd/first', 'one\n', 0o4755);
  linkSync(odd('first'), odd('second'));
  linkSync(odd('first'), join(tree, 'srv/third'));
  file('opt/odd/with a blank, "quotes" and \\', 'odd\n');
  file('opt/odd/empty', '');
  file('opt/odd/2048 bytes', Buffer.alloc(2048, 1));
  file('opt/odd/2049 bytes', Buffer.alloc(2049, 2));
  file('opt/odd/large', Buffer.alloc(3_000_001, 'large'));
  file('opt/odd/holes', Buffer.from('start'));
  truncateSync(odd('holes'), 6 << 20);
  symlinkSync('large', odd('link'));
  symlinkSync('x/'.repeat(400), odd('long link'));
  execFileSync('mkfifo', [odd('pipe')]);
  execFileSync('mknod', [odd('null'), 'c', '1', '3']);
  execFileSync('mknod', [odd('disk'), 'b', '259', '70000']);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', odd('large')]);
  execFileSync('setfacl', ['-m', 'u:7:rw', odd('empty')]);
  mkdirSync(odd('shared'));
  execFileSync('setfacl', ['-d', '-m', 'g:8:r', odd('shared')]);
  for (const [folder, count] of [
    ['few', 3],
    ['block', 60],
    ['leaf', 300],
    ['node', 1300],
  ] as const)
    for (let index = 0; index < count; index += 1)
      file(`opt/${folder}/a name of some length ${String(index)}`, '');
  file('srv/data/inner', 'inner\n');
  file('srv/outer', 'outer\n');
  execFileSync('chown', ['-h', '33:33', join(tree, 'srv/outer')]);
  chmodSync(join(tree, 'srv'), 0o2775);
  lutimesSync(join(tree, 'srv/outer'), 1_000_000_000, 1_000_000_000);
  lutimesSync(odd('link'), 1_000_000_001, 1_000_000_001);
}

function copyProgram(tree: string, path: string): void {
  const into = (source: string, target: string): void => {
    mkdirSync(dirname(join(tree, target)), {recursive: true});
    if (!existsSync(join(tree, target))) copyFileSync(realpathSync(source), join(tree, target));
  };
  into(path, `usr/bin/${path.slice(path.lastIndexOf('/') + 1)}`);
  for (const [, library] of execFileSync('ldd', [path], {encoding: 'utf8'}).matchAll(/(\/\S+) \(0x/g))
    if (library !== undefined) into(library, library.replace(/^\/lib/, '/usr/lib'));
}

/** The headers of a PE32+ file with one section, as systemd's stub has more of them. */
function smallestStub(): Buffer {
  const stub = Buffer.alloc(1024);
  stub.write('MZ', 0);
  stub.writeUInt32LE(0x40, 0x3c);
  stub.write('PE\0\0', 0x40);
  stub.writeUInt16LE(0x8664, 0x44);
  stub.writeUInt16LE(1, 0x46);
  stub.writeUInt16LE(240, 0x54);
  const optional = 0x58;
  stub.writeUInt16LE(0x20b, optional);
  stub.writeUInt32LE(0x1000, optional + 16);
  for (const at of [32, 36]) stub.writeUInt32LE(512, optional + at);
  stub.writeUInt32LE(0x1200, optional + 56);
  stub.writeUInt32LE(512, optional + 60);
  stub.writeUInt16LE(10, optional + 68);
  stub.writeUInt32LE(16, optional + 108);
  const section = optional + 240;
  stub.write('.text', section);
  for (const [at, value] of [
    [8, 512],
    [12, 0x1000],
    [16, 512],
    [20, 512],
    [36, 0x6000_0020],
  ] as const)
    stub.writeUInt32LE(value, section + at);
  return stub;
}
