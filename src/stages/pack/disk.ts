import {closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import type {DiskPackPlan, ImageOutput} from '../../../targets/contract.ts';
import {packageRoot} from '../../package-root.ts';
import {derivedUuid} from '../../plan/key.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {applyChanges} from '../changes.ts';
import {requiredInput} from '../inputs.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {type Places, runTool} from '../tool.ts';
import {runInTree, scratchFile, sourceDateEpoch} from '../tree.ts';
import {biosBootCode, espGrubConfig, grubConfig} from './grub.ts';
import {packIdentity} from './identity.ts';
import {takeInventory} from './inventory.ts';
import {mebibyte, type PlacedPartition, partitionType, placePartitions, sfdiskScript} from './partitions.ts';
import {treeXattrs, writeExt4Xattrs} from './xattrs.ts';

const espMiB = 64;
const gibibyte = 1024 * mebibyte;

/**
 * Packs a tree into a partitioned disk image, without mounting and without a loop device: the partition table, the
 * file systems and the boot code are written into one sparse file, so that an ordinary user can do it as well.
 */
export const runDiskPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as DiskPackPlan;
  const inventory = await takeInventory(context);
  if (!inventory.ok) return fail({failure: inventory.error});
  const {kernels, packages} = inventory.value;

  const identity = packIdentity(context);
  const ids = {
    disk: derivedUuid(identity, 'disk'),
    root: derivedUuid(identity, 'root'),
    esp: derivedUuid(identity, 'esp').slice(0, 8),
  };
  const boot = await bootFiles(context, {plan, ids, kernels});
  if (!boot.ok) return fail({failure: boot.error});

  const size = diskSize(context, plan);
  if (!size.ok) return fail({failure: size.error});
  const partitions = placePartitions(
    [
      ...(plan.firmware === 'uefi'
        ? []
        : [{name: 'bios', type: partitionType.biosBoot, uuid: derivedUuid(identity, 'bios'), sizeMiB: 1}]),
      ...(plan.firmware === 'bios'
        ? []
        : [
            {
              name: 'esp',
              type: partitionType.efiSystem,
              uuid: derivedUuid(identity, 'efi'),
              sizeMiB: espMiB,
            },
          ]),
      {name: 'root', type: partitionType.rootAmd64, uuid: derivedUuid(identity, 'root-partition')},
    ],
    size.value / mebibyte,
  );
  const images = plan.outputs.filter((output) => output.kind === 'image');
  const disk = join(context.work, diskFile);
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, size.value);

  for (const step of [
    () => writeTable(context, {diskUuid: ids.disk, partitions}),
    () => writeRoot(context, {uuid: ids.root, partition: partitionNamed(partitions, 'root')}),
    () => writeEsp(context, {id: ids.esp, partition: partitions.find(({name}) => name === 'esp')}),
    () =>
      Promise.resolve(
        writeBiosBoot(context, {disk, partition: partitions.find(({name}) => name === 'bios')}),
      ),
    ...images.map((output) => () => convert(context, output)),
  ]) {
    const done = await step();
    if (!done.ok) return fail({failure: done.error});
  }
  rmSync(disk);
  return ok({
    result: {
      artifact: images[0]?.fileName ?? '',
      format: images[0]?.format ?? '',
      virtual_size_bytes: size.value,
      packages: packages.map(({name, version, architecture}) => ({name, version, architecture})),
      kernels: [...kernels],
    },
  });
};

interface DiskIds {
  readonly disk: string;
  readonly root: string;
  readonly esp: string;
}

const upper = (context: StageContext): string => join(context.work, 'boot-layer');
const bootFolderName = 'boot';
const bootFolder = (context: StageContext): string => join(context.work, bootFolderName);
/** The disk while it is written, in the work folder. */
const diskFile = 'disk.raw';
const mtoolsEnvironment = {MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null'} as const;

/** What depends on this disk's own ids: fstab, GRUB's files, the initial RAM disks. It lies in a layer of its own. */
async function bootFiles(
  context: StageContext,
  {plan, ids, kernels}: {plan: DiskPackPlan; ids: DiskIds; kernels: readonly string[]},
): Promise<Result<void, StageFailure>> {
  for (const folder of [upper(context), bootFolder(context)]) mkdirSync(folder);
  const inUpper: StageContext = {...context, output: upper(context)};
  const esp = `${ids.esp.slice(0, 4)}-${ids.esp.slice(4)}`.toUpperCase();
  const fstab = [
    `UUID=${ids.root} / ext4 errors=remount-ro 0 1`,
    ...(plan.firmware === 'bios' ? [] : [`UUID=${esp} /boot/efi vfat umask=0077,nofail 0 2`]),
    '',
  ].join('\n');
  const config = grubConfig({rootUuid: ids.root, cmdline: plan.cmdline, kernels, title: 'Debian GNU/Linux'});
  const written = await applyChanges(inUpper, [
    {do: 'file', path: '/etc/fstab', owner: 'root:root', permissions: '0644', content: {text: fstab}},
    {
      do: 'file',
      path: '/boot/grub/grub.cfg',
      owner: 'root:root',
      permissions: '0444',
      content: {text: config},
    },
  ]);
  if (!written.ok) return written;
  scratchFile(context, 'boot/grub.cfg', espGrubConfig(ids.root));
  context.progress('Preparing the boot loader');
  return runInTree(inUpper, {
    command: ['/bin/sh', '/run/fgimage/disk-boot.sh', '/run/fgimage/out', plan.firmware],
    writable: true,
    binds: [
      {
        source: join(packageRoot, 'src/stages/scripts/disk-boot.sh'),
        path: '/run/fgimage/disk-boot.sh',
        kind: 'file',
        mode: 'ro',
      },
      {
        source: scratchFile(
          context,
          'bios.cfg',
          `search.fs_uuid ${ids.root} root\nset prefix=($root)/boot/grub\n`,
        ),
        path: '/run/fgimage/bios.cfg',
        kind: 'file',
        mode: 'ro',
      },
      {
        source: requiredInput(context, context.node.dependsOn[0] ?? '').path,
        path: '/run/fgimage/initramfs',
        kind: 'dir',
        mode: 'ro',
      },
      {source: bootFolder(context), path: '/run/fgimage/out', kind: 'dir', mode: 'rw'},
    ],
    hint: 'The boot loader comes from the packages of the target: was one of them in remove_packages?',
  });
}

/** The size asked for, or one that fits the tree with a third of it free, in whole half GiB. */
function diskSize(context: StageContext, plan: DiskPackPlan): Result<number, StageFailure> {
  const treeBytes = context.node.layers.reduce(
    (sum, id) => sum + Number(requiredInput(context, id).result['size_bytes'] ?? 0),
    0,
  );
  const least = Math.ceil(treeBytes * 1.15) + (espMiB + 192) * mebibyte;
  if (plan.storage.sizeBytes === undefined)
    return ok(Math.ceil((least * 1.2) / (gibibyte / 2)) * (gibibyte / 2));
  if (plan.storage.sizeBytes >= least) return ok(Math.ceil(plan.storage.sizeBytes / mebibyte) * mebibyte);
  const wanted = `${String(Math.ceil(least / mebibyte))}MiB`;
  return fail({
    reason: 'refused',
    message: `A disk of ${String(Math.floor(plan.storage.sizeBytes / mebibyte))} MiB is too small for a tree of ${String(Math.ceil(treeBytes / mebibyte))} MiB`,
    hint: `Set storage.size to ${wanted} or more, or leave it out to have it fitted`,
  });
}

async function writeTable(
  context: StageContext,
  {diskUuid, partitions}: {diskUuid: string; partitions: readonly PlacedPartition[]},
): Promise<Result<void, StageFailure>> {
  scratchFile(context, 'partitions', sfdiskScript(diskUuid, partitions));
  return runTool(context, {
    program: 'sfdisk',
    args: (at) => ['--quiet', '--no-reread', '--no-tell-kernel', at('work', diskFile)],
    // sfdisk reads its script from standard input only.
    input: (at) => at('work', 'partitions'),
  });
}

async function writeRoot(
  context: StageContext,
  {uuid, partition}: {uuid: string; partition: PlacedPartition},
): Promise<Result<void, StageFailure>> {
  const xattrs = await treeXattrs(context, [upper(context)]);
  if (!xattrs.ok) return xattrs;
  context.progress('Writing the root file system');
  const epoch = String(sourceDateEpoch(context));
  const offset = partition.firstSector * 512;
  const written = await runTool(context, {
    program: 'mke2fs',
    tree: {above: [upper(context)]},
    args: (at) => [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-b',
      '4096',
      '-m',
      '1',
      '-L',
      'root',
      '-U',
      uuid,
      // GRUB 2.06 and Debian 11's e2fsck know neither of these features.
      '-O',
      '^orphan_file,^metadata_csum_seed',
      '-E',
      `offset=${String(offset)},hash_seed=${uuid},lazy_itable_init=1,nodiscard${xattrs.value === undefined ? '' : ',no_copy_xattrs'}`,
      '-d',
      at('tree'),
      at('work', diskFile),
      `${String(partition.sectors / 2)}k`,
    ],
    // e2fsprogs before 1.47.1 knows the first of the two, and nothing of SOURCE_DATE_EPOCH.
    env: {E2FSPROGS_FAKE_TIME: epoch, MKE2FS_DEVICE_SECTSIZE: '512'},
  });
  if (!written.ok || xattrs.value === undefined) return written;
  return writeExt4Xattrs(context, {xattrs: xattrs.value, file: diskFile, offset});
}

async function writeEsp(
  context: StageContext,
  {id, partition}: {id: string; partition: PlacedPartition | undefined},
): Promise<Result<void, StageFailure>> {
  if (partition === undefined) return ok(undefined);
  context.progress('Writing the EFI system partition');
  const made = await runTool(context, {
    program: 'mkfs.vfat',
    args: (at) => [
      '--invariant',
      '-F',
      '32',
      '-s',
      '1',
      '-i',
      id,
      '-n',
      'ESP',
      `--offset=${String(partition.firstSector)}`,
      at('work', diskFile),
      String(partition.sectors / 2),
    ],
  });
  if (!made.ok) return made;
  const image = (at: Places): string => `${at('work', diskFile)}@@${String(partition.firstSector * 512)}`;
  const folders = await runTool(context, {
    program: 'mmd',
    args: (at) => ['-i', image(at), '::/EFI', '::/EFI/BOOT', '::/EFI/debian'],
    env: mtoolsEnvironment,
  });
  if (!folders.ok) return folders;
  for (const [from, to] of [
    ['shimx64.efi', 'BOOT/BOOTX64.EFI'],
    ['grubx64.efi', 'BOOT/grubx64.efi'],
    ['shimx64.efi', 'debian/shimx64.efi'],
    ['grubx64.efi', 'debian/grubx64.efi'],
    ['grub.cfg', 'debian/grub.cfg'],
  ] as const) {
    const copied = await runTool(context, {
      program: 'mcopy',
      args: (at) => ['-i', image(at), at('work', bootFolderName, from), `::/EFI/${to}`],
      env: mtoolsEnvironment,
    });
    if (!copied.ok) return copied;
  }
  return ok(undefined);
}

function writeBiosBoot(
  context: StageContext,
  {disk, partition}: {disk: string; partition: PlacedPartition | undefined},
): Result<void, StageFailure> {
  if (partition === undefined) return ok(undefined);
  const {bootCode, core} = biosBootCode({
    bootImage: readFileSync(join(bootFolder(context), 'boot.img')),
    coreImage: readFileSync(join(bootFolder(context), 'core.img')),
    firstSector: partition.firstSector,
  });
  const file = openSync(disk, 'r+');
  try {
    writeSync(file, bootCode, 0, bootCode.length, 0);
    writeSync(file, core, 0, core.length, partition.firstSector * 512);
  } finally {
    closeSync(file);
  }
  return ok(undefined);
}

async function convert(context: StageContext, plan: ImageOutput): Promise<Result<void, StageFailure>> {
  context.progress(`Writing ${plan.fileName}`);
  const compression = plan.format === 'qcow2' ? ['-c', '-o', 'compression_type=zstd'] : [];
  return runTool(context, {
    program: 'qemu-img',
    // Without -W: out-of-order writes make other bytes at every run.
    args: (at) => [
      'convert',
      '-f',
      'raw',
      '-O',
      plan.format,
      ...compression,
      at('work', diskFile),
      at('output', plan.fileName),
    ],
  });
}

function partitionNamed(partitions: readonly PlacedPartition[], wanted: string): PlacedPartition {
  const found = partitions.find(({name}) => name === wanted);
  if (found === undefined) throw new Error(`The disk has no ${wanted} partition`);
  return found;
}
