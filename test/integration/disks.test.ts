import {execFileSync, spawnSync} from 'node:child_process';
import {readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import {digestFile} from '../../cache/tree.ts';
import type {DiskFormat, DiskPackPlan, Filesystem} from '../../targets/contract.ts';
import {listVolume, treeListing} from './disk-listing.ts';
import {DiskRig, diskPlan, epoch, kernelVersion, type Packed, programPath} from './disk-rig.ts';

const mebibyte = 2 ** 20;
const asRoot = process.getuid?.() === 0;

let rig: DiskRig;

beforeAll(() => {
  if (asRoot) rig = new DiskRig(join(inject('testRoot'), 'disks'));
});

afterAll(() => {
  if (asRoot) rmSync(rig.folder, {recursive: true, force: true});
});

interface Table {
  readonly label: string;
  readonly partitions: readonly {
    readonly start: number;
    readonly size: number;
    readonly type: string;
    readonly name?: string;
    readonly bootable?: boolean;
  }[];
}

function tableOf(disk: string): Table {
  const printed = execFileSync(programPath('sfdisk'), ['--json', disk], {encoding: 'utf8'});
  return (JSON.parse(printed) as {partitiontable: Table}).partitiontable;
}

/** A partition as a file of its own. */
function cut(disk: string, index: number): string {
  const {start, size} = tableOf(disk).partitions[index] ?? {start: 0, size: 0};
  const part = `${disk}.${String(index)}`;
  execFileSync('dd', [
    `if=${disk}`,
    `of=${part}`,
    'bs=1M',
    `skip=${String(start / 2048)}`,
    `count=${String(size / 2048)}`,
    'conv=sparse',
    'status=none',
  ]);
  return part;
}

/** The checker of each file system, which finds nothing to mend. */
const checkers: Readonly<Record<Filesystem, readonly string[]>> = {
  ext4: ['e2fsck', '-fn'],
  xfs: ['xfs_repair', '-n'],
  btrfs: ['btrfs', 'check', '--check-data-csum'],
};

function check(filesystem: Filesystem, file: string): void {
  const [program = '', ...words] = checkers[filesystem];
  const {status, stdout, stderr} = spawnSync(programPath(program), [...words, file], {encoding: 'utf8'});
  expect({status, told: status === 0 ? '' : `${stdout}${stderr}`}).toEqual({status: 0, told: ''});
}

async function packed(plan: DiskPackPlan): Promise<Packed> {
  const made = await rig.pack(plan);
  expect(made.failure, made.log).toBeUndefined();
  return made;
}

function digests(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, digestFile(join(folder, name))]),
  );
}

describe.runIf(asRoot)('a disk without a table', () => {
  it.each(['ext4', 'xfs', 'btrfs'] as const)(
    'is an %s root with all that the tree has',
    async (filesystem) => {
      const plan = diskPlan({table: 'none', root: {filesystem}, fit: 'minimal'}, {loader: 'none'});
      const {output, result} = await packed(plan);
      const disk = join(output, 'disk.raw');
      check(filesystem, disk);
      expect(await listVolume(filesystem, disk)).toEqual(await treeListing(rig.tree));
      expect(result).toMatchObject({
        artifact: 'disk.raw',
        format: 'raw',
        virtual_size_bytes: statSync(disk).size,
        packages: [{name: 'small', version: '1.0', architecture: 'amd64'}],
        kernels: [kernelVersion],
      });
      const again = await packed(plan);
      expect(digests(again.output)).toEqual(digests(output));
    },
  );
});

describe.runIf(asRoot)('a disk with a GPT', () => {
  it('has the ESP, /boot, further mounts and swap before the root, each with its own part of the tree', async () => {
    const plan = diskPlan({
      root: {filesystem: 'xfs'},
      boot: {filesystem: 'ext4', sizeBytes: 64 * mebibyte},
      swapBytes: 32 * mebibyte,
      mounts: [
        {path: '/srv/data', filesystem: 'btrfs', sizeBytes: 160 * mebibyte},
        {path: '/srv', filesystem: 'ext4', sizeBytes: 32 * mebibyte},
      ],
    });
    const {output} = await packed(plan);
    const disk = join(output, 'disk.raw');
    const {label, partitions} = tableOf(disk);
    expect([label, ...partitions.map(({name}) => name)]).toEqual([
      'gpt',
      ...['bios', 'esp', 'boot', 'data2', 'data1', 'swap', 'root'],
    ]);
    const [, esp = '', boot = '', outer = '', inner = '', swap = '', root = ''] = partitions.map((_, index) =>
      cut(disk, index),
    );
    check('ext4', boot);
    check('ext4', outer);
    check('btrfs', inner);
    check('xfs', root);
    const tree = (path: string, leftOut: readonly string[] = []) =>
      treeListing(join(rig.tree, path), leftOut);
    expect(await listVolume('ext4', boot)).toEqual(await tree('boot'));
    // A file with names on both sides becomes one on each: their numbers of names differ.
    expect(await listVolume('ext4', outer, ['third'])).toEqual(await tree('srv', ['data/', 'third']));
    expect(await listVolume('btrfs', inner)).toEqual(await tree('srv/data'));
    const torn = ['opt/odd/first', 'opt/odd/second'];
    expect(await listVolume('xfs', root, torn)).toEqual(await tree('', ['boot/', 'srv/', ...torn]));
    expect(execFileSync(programPath('swaplabel'), [swap], {encoding: 'utf8'})).toMatch(
      /^LABEL: +swap\nUUID: +[0-9a-f-]{36}\n$/,
    );
    expect(espFiles(esp)).toMatchObject({
      '/EFI/BOOT/BOOTX64.EFI': treeDigest('usr/lib/shim/shimx64.efi.signed'),
      '/EFI/BOOT/grubx64.efi': treeDigest('usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed'),
    });
    const again = await packed(plan);
    expect(digestFile(join(again.output, 'disk.raw'))).toBe(digestFile(disk));
  });

  it('starts systemd-boot with a unified kernel image of the kernel, its initial RAM disk and the command line', async () => {
    const plan = diskPlan({fit: 'minimal'}, {loader: 'systemd-boot', firmware: 'uefi'});
    const {output, result} = await packed(plan);
    const disk = join(output, 'disk.raw');
    expect(tableOf(disk).partitions.map(({name}) => name)).toEqual(['esp', 'root']);
    const esp = cut(disk, 0);
    expect(Object.keys(espFiles(esp))).toEqual([
      '/EFI/BOOT/BOOTX64.EFI',
      `/EFI/Linux/fgimage-${kernelVersion}.efi`,
      '/EFI/systemd/systemd-bootx64.efi',
      '/loader/loader.conf',
    ]);
    const image = join(output, 'uki.efi');
    mcopy(esp, `/EFI/Linux/fgimage-${kernelVersion}.efi`, image);
    const section = (name: string): Buffer => {
      const to = join(output, 'section');
      execFileSync(programPath('objcopy'), ['-O', 'binary', `--only-section=${name}`, image, to]);
      return readFileSync(to);
    };
    expect(section('.linux').equals(readFileSync(join(rig.tree, `boot/vmlinuz-${kernelVersion}`)))).toBe(
      true,
    );
    expect(section('.initrd').equals(Buffer.alloc(300_000, 'initrd'))).toBe(true);
    expect(section('.cmdline').toString()).toBe(
      `root=UUID=${JSON.stringify(result?.['root_uuid']).slice(1, -1)} ro console=ttyS0`,
    );
    expect(section('.osrel').toString()).toContain('ID=small');
    const again = await packed(plan);
    expect(digestFile(join(again.output, 'disk.raw'))).toBe(digestFile(disk));
  });
});

describe.runIf(asRoot)('a disk with an MBR', () => {
  it('has GRUB behind the table, and an active root partition', async () => {
    const plan = diskPlan({table: 'mbr', root: {filesystem: 'btrfs'}, fit: 'minimal'}, {firmware: 'bios'});
    const {output} = await packed(plan);
    const disk = join(output, 'disk.raw');
    const {label, partitions} = tableOf(disk);
    expect({label, partitions}).toMatchObject({
      label: 'dos',
      partitions: [{start: 2048, type: '83', bootable: true}],
    });
    const core = readFileSync(disk).subarray(512, 512 + 500);
    expect(core.toString()).toBe(Buffer.alloc(500, 'core').toString());
    const root = cut(disk, 0);
    check('btrfs', root);
    expect(await listVolume('btrfs', root)).toEqual(await treeListing(rig.tree));
  });
});

describe.runIf(asRoot)('the files of an artifact', () => {
  it('are of one disk in every format, alike in two packs', async () => {
    const image = (format: DiskFormat, fileName = `disk.${format}`) =>
      ({kind: 'image', format, fileName}) as const;
    const plan = diskPlan(
      {fit: 'minimal', multipleOfBytes: 16 * mebibyte},
      {
        outputs: [
          ...(['qcow2', 'raw', 'vmdk', 'vhd', 'vdi'] as const).map((format) => image(format)),
          {...image('raw', 'disk.raw.gz'), gzip: true},
          {kind: 'kernel', fileName: 'kernel'},
          {kind: 'initrd', fileName: 'initrd'},
          {
            kind: 'text',
            fileName: 'facts.txt',
            template:
              '{{virtual-size-bytes}} {{virtual-size-gib}} {{size:disk.vmdk}} {{sha256:disk.raw}} {{sha256:bundle.tar.gz}} {{uuid:vm}}\n',
          },
          {
            kind: 'archive',
            fileName: 'bundle.tar.gz',
            format: 'oldgnu',
            gzip: true,
            members: [image('raw', 'disk.raw')],
          },
          {
            kind: 'archive',
            fileName: 'bundle.ova',
            format: 'ustar',
            members: [
              {kind: 'text', fileName: 'box.ovf', template: '<File size="{{size:box.vmdk}}"/>\n'},
              {kind: 'text', fileName: 'box.mf', template: 'SHA256(box.ovf)= {{sha256:box.ovf}}\n'},
              image('vmdk', 'box.vmdk'),
            ],
          },
        ],
      },
    );
    const {output, result} = await packed(plan);
    const at = (name: string): string => join(output, name);
    const size = statSync(at('disk.raw')).size;
    expect(size % (16 * mebibyte)).toBe(0);
    expect(result).toMatchObject({artifact: 'disk.qcow2', format: 'qcow2', virtual_size_bytes: size});

    for (const [format, driver] of [
      ['qcow2', 'qcow2'],
      ['vmdk', 'vmdk'],
      ['vhd', 'vpc'],
      ['vdi', 'vdi'],
    ] as const) {
      expect(qemuCompare(driver, at(`disk.${format}`), at('disk.raw'))).toBe('Images are identical.\n');
      if (format === 'qcow2' || format === 'vdi')
        execFileSync(programPath('qemu-img'), ['check', '-q', '-f', driver, at(`disk.${format}`)]);
    }
    expect(statSync(at('disk.vhd')).size).toBe(size + 512);
    expect(readFileSync(at('disk.vmdk')).toString('latin1', 512, 1024)).toContain(
      'createType="streamOptimized"',
    );
    expect(sh(`gzip -dc < ${at('disk.raw.gz')} | sha256sum`)).toContain(digestFile(at('disk.raw')));
    expect(digestFile(at('kernel'))).toBe(treeDigest(`boot/vmlinuz-${kernelVersion}`));
    expect(readFileSync(at('initrd')).equals(Buffer.alloc(300_000, 'initrd'))).toBe(true);

    const facts = readFileSync(at('facts.txt'), 'utf8').split(' ');
    expect(facts.slice(0, 5)).toEqual([
      String(size),
      '1',
      String(statSync(at('disk.vmdk')).size),
      digestFile(at('disk.raw')),
      digestFile(at('bundle.tar.gz')),
    ]);
    expect(facts[5]).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}\n$/);

    const listed = sh(`tar --numeric-owner --full-time -tvzf ${at('bundle.tar.gz')}`).replace(/ +/g, ' ');
    expect(listed).toBe(
      `-rw-r--r-- 0/0 ${String(size)} ${new Date(epoch * 1000).toISOString().slice(0, 10)} 00:00:00 disk.raw\n`,
    );
    expect(sh(`tar -xzOf ${at('bundle.tar.gz')} disk.raw | sha256sum`)).toContain(digestFile(at('disk.raw')));
    expect(Number(sh(`gzip -dc < ${at('bundle.tar.gz')} | wc -c`))).toBeLessThan(size / 2);
    expect(sh(`tar -tf ${at('bundle.ova')}`)).toBe('box.ovf\nbox.mf\nbox.vmdk\n');
    sh(`tar -C ${output} -xf ${at('bundle.ova')}`);
    // Its descriptor says what it is called.
    expect(qemuCompare('vmdk', at('box.vmdk'), at('disk.raw'))).toBe('Images are identical.\n');
    expect(readFileSync(at('box.ovf'), 'utf8')).toBe(
      `<File size="${String(statSync(at('box.vmdk')).size)}"/>\n`,
    );
    expect(readFileSync(at('box.mf'), 'utf8')).toBe(`SHA256(box.ovf)= ${digestFile(at('box.ovf'))}\n`);
    for (const name of ['box.ovf', 'box.mf', 'box.vmdk']) rmSync(at(name));

    const again = await packed(plan);
    expect(digests(again.output)).toEqual(digests(output));
  });
});

describe.runIf(asRoot)('a disk that is too small', () => {
  it.each(['ext4', 'xfs', 'btrfs'] as const)(
    'for an %s root is refused with the least size, which then does',
    async (filesystem) => {
      const storage = {root: {filesystem}};
      const {failure} = await rig.pack(diskPlan({...storage, sizeBytes: 80 * mebibyte}));
      expect(failure).toMatchObject({
        reason: 'refused',
        message: expect.stringMatching(/^A disk of 80 MiB is too small for a tree of \d+ MiB$/) as string,
      });
      const least = /^Set storage\.size to (?<mib>\d+)MiB or more, or leave it out to have it fitted$/.exec(
        (failure as {hint: string}).hint,
      )?.groups?.['mib'];
      const {output} = await packed(diskPlan({...storage, sizeBytes: Number(least) * mebibyte}));
      expect(statSync(join(output, 'disk.raw')).size).toBe(Number(least) * mebibyte);
      check(filesystem, cut(join(output, 'disk.raw'), 2));
    },
  );

  it.each([
    [
      'for a mount',
      diskPlan({mounts: [{path: '/opt', filesystem: 'ext4', sizeBytes: 8 * mebibyte}]}),
      {
        message: '8 MiB are too few for /opt on ext4: there is 9 MiB in it',
        hint: 'Set the size of /opt in storage.mounts to 18MiB or more',
      },
    ],
    [
      'for /boot',
      diskPlan({boot: {filesystem: 'ext4', sizeBytes: 4 * mebibyte}}),
      {
        message: '4 MiB are too few for /boot on ext4: there is 1 MiB in it',
        hint: 'Set storage.boot.size to 10MiB or more',
      },
    ],
    [
      'for four partitions',
      diskPlan({
        table: 'mbr',
        swapBytes: 8 * mebibyte,
        boot: {filesystem: 'ext4', sizeBytes: 64 * mebibyte},
        mounts: [{path: '/opt', filesystem: 'ext4', sizeBytes: 64 * mebibyte}],
      }),
      {
        message:
          'An MBR has room for four partitions, and the disk would have 5: esp, boot, data1, swap, root',
        hint: 'Write `table: gpt` in storage, or leave one of the others out',
      },
    ],
  ])('%s is refused', async (_, plan, expected) => {
    expect((await rig.pack(plan)).failure).toEqual({reason: 'refused', ...expected});
  });
});

/** SHA-256 of what an EFI system partition has, by path. */
function espFiles(esp: string): Readonly<Record<string, string>> {
  const listed = execFileSync(programPath('mdir'), ['-/', '-b', '-i', esp, '::/'], {encoding: 'utf8'});
  const paths = listed
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith('/'))
    .map((line) => line.replace(/^::/, ''));
  return Object.fromEntries(
    paths.sort().map((path) => {
      mcopy(esp, path, `${esp}.file`);
      return [path, digestFile(`${esp}.file`)];
    }),
  );
}

function mcopy(esp: string, from: string, to: string): void {
  execFileSync(programPath('mcopy'), ['-n', '-o', '-i', esp, `::${from}`, to]);
}

function qemuCompare(driver: string, file: string, raw: string): string {
  const words = ['compare', '-f', driver, '-F', 'raw', file, raw];
  return execFileSync(programPath('qemu-img'), words, {encoding: 'utf8'});
}

function treeDigest(path: string): string {
  return digestFile(join(rig.tree, path));
}

function sh(script: string): string {
  return execFileSync('/bin/sh', ['-c', script], {encoding: 'utf8', env: {...process.env, TZ: 'UTC'}});
}
