import {closeSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import type {DiskPackPlan} from '../../../targets/contract.ts';
import {packageRoot} from '../../package-root.ts';
import {derivedUuid} from '../../plan/key.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {runProcess} from '../../sandbox/process.ts';
import {cleanEnvironment} from '../../sandbox/sandbox.ts';
import {applyChanges} from '../changes.ts';
import {tied} from '../host-command.ts';
import {requiredInput} from '../inputs.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {commandResult, mountPoint, runInTree, scratchFile, sourceDateEpoch} from '../tree.ts';
import {biosBootCode, espGrubConfig, grubConfig} from './grub.ts';
import {takeInventory} from './inventory.ts';
import {mebibyte, type PlacedPartition, partitionType, placePartitions, sfdiskScript} from './partitions.ts';

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

  const ids = {
    disk: derivedUuid(context.key, 'disk'),
    root: derivedUuid(context.key, 'root'),
    esp: derivedUuid(context.key, 'esp').slice(0, 8),
  };
  const boot = await bootFiles(context, {plan, ids, kernels});
  if (!boot.ok) return fail({failure: boot.error});

  const size = diskSize(context, plan);
  if (!size.ok) return fail({failure: size.error});
  const partitions = placePartitions(
    [
      ...(plan.firmware === 'uefi'
        ? []
        : [{name: 'bios', type: partitionType.biosBoot, uuid: derivedUuid(context.key, 'bios'), sizeMiB: 1}]),
      ...(plan.firmware === 'bios'
        ? []
        : [
            {
              name: 'esp',
              type: partitionType.efiSystem,
              uuid: derivedUuid(context.key, 'efi'),
              sizeMiB: espMiB,
            },
          ]),
      {name: 'root', type: partitionType.rootAmd64, uuid: derivedUuid(context.key, 'root-partition')},
    ],
    size.value / mebibyte,
  );
  const disk = join(context.work, 'disk.raw');
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, size.value);

  for (const step of [
    () => writeTable(context, {disk, diskUuid: ids.disk, partitions}),
    () => writeRoot(context, {disk, uuid: ids.root, partition: partitionNamed(partitions, 'root')}),
    () => writeEsp(context, {disk, id: ids.esp, partition: partitions.find(({name}) => name === 'esp')}),
    () =>
      Promise.resolve(
        writeBiosBoot(context, {disk, partition: partitions.find(({name}) => name === 'bios')}),
      ),
    () => convert(context, {disk, plan}),
  ]) {
    const done = await step();
    if (!done.ok) return fail({failure: done.error});
  }
  rmSync(disk);
  return ok({
    result: {
      artifact: plan.fileName,
      format: plan.format,
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
const bootFolder = (context: StageContext): string => join(context.work, 'boot');

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
  if (plan.sizeBytes === undefined) return ok(Math.ceil((least * 1.2) / (gibibyte / 2)) * (gibibyte / 2));
  if (plan.sizeBytes >= least) return ok(Math.ceil(plan.sizeBytes / mebibyte) * mebibyte);
  const wanted = `${String(Math.ceil(least / mebibyte))}MiB`;
  return fail({
    reason: 'refused',
    message: `A disk of ${String(Math.floor(plan.sizeBytes / mebibyte))} MiB is too small for a tree of ${String(Math.ceil(treeBytes / mebibyte))} MiB`,
    hint: `Set storage.size to ${wanted} or more, or leave it out to have it fitted`,
  });
}

async function writeTable(
  context: StageContext,
  {disk, diskUuid, partitions}: {disk: string; diskUuid: string; partitions: readonly PlacedPartition[]},
): Promise<Result<void, StageFailure>> {
  const script = scratchFile(context, 'partitions', sfdiskScript(diskUuid, partitions));
  // sfdisk reads its script from standard input only.
  return runHost(context, [
    '/bin/sh',
    '-c',
    'exec "$1" --quiet --no-reread --no-tell-kernel "$2" < "$3"',
    'sh',
    context.tool('sfdisk'),
    disk,
    script,
  ]);
}

async function writeRoot(
  context: StageContext,
  {disk, uuid, partition}: {disk: string; uuid: string; partition: PlacedPartition},
): Promise<Result<void, StageFailure>> {
  context.progress('Writing the root file system');
  const epoch = String(sourceDateEpoch(context));
  return runInTree(context, {
    inside: 'host',
    above: [upper(context)],
    command: [
      context.tool('mke2fs'),
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
      `offset=${String(partition.firstSector * 512)},hash_seed=${uuid},lazy_itable_init=1,nodiscard`,
      '-d',
      mountPoint(context),
      disk,
      `${String(partition.sectors / 2)}k`,
    ],
    env: {E2FSPROGS_FAKE_TIME: epoch, MKE2FS_DEVICE_SECTSIZE: '512'},
  });
}

async function writeEsp(
  context: StageContext,
  {disk, id, partition}: {disk: string; id: string; partition: PlacedPartition | undefined},
): Promise<Result<void, StageFailure>> {
  if (partition === undefined) return ok(undefined);
  context.progress('Writing the EFI system partition');
  const made = await runHost(context, [
    context.tool('mkfs.vfat'),
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
    disk,
    String(partition.sectors / 2),
  ]);
  if (!made.ok) return made;
  const image = `${disk}@@${String(partition.firstSector * 512)}`;
  const boot = bootFolder(context);
  const folders = await runHost(context, [
    context.tool('mmd'),
    '-i',
    image,
    '::/EFI',
    '::/EFI/BOOT',
    '::/EFI/debian',
  ]);
  if (!folders.ok) return folders;
  for (const [from, to] of [
    ['shimx64.efi', 'BOOT/BOOTX64.EFI'],
    ['grubx64.efi', 'BOOT/grubx64.efi'],
    ['shimx64.efi', 'debian/shimx64.efi'],
    ['grubx64.efi', 'debian/grubx64.efi'],
    ['grub.cfg', 'debian/grub.cfg'],
  ] as const) {
    const copied = await runHost(context, [
      context.tool('mcopy'),
      '-i',
      image,
      join(boot, from),
      `::/EFI/${to}`,
    ]);
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

async function convert(
  context: StageContext,
  {disk, plan}: {disk: string; plan: DiskPackPlan},
): Promise<Result<void, StageFailure>> {
  const target = join(context.output, plan.fileName);
  context.progress(`Writing ${plan.fileName}`);
  const compression = plan.format === 'qcow2' ? ['-c', '-o', 'compression_type=zstd'] : [];
  // Without -W: out-of-order writes make other bytes at every run.
  return runHost(context, [
    context.tool('qemu-img'),
    'convert',
    '-f',
    'raw',
    '-O',
    plan.format,
    ...compression,
    disk,
    target,
  ]);
}

async function runHost(
  context: StageContext,
  command: readonly [string, ...string[]],
): Promise<Result<void, StageFailure>> {
  const env = {
    ...cleanEnvironment,
    SOURCE_DATE_EPOCH: String(sourceDateEpoch(context)),
    MTOOLS_SKIP_CHECK: '1',
    MTOOLSRC: '/dev/null',
  };
  const outcome = await runProcess(tied(...command), {env, log: context.log, signal: context.signal});
  return commandResult(context, {outcome, shown: command});
}

function partitionNamed(partitions: readonly PlacedPartition[], wanted: string): PlacedPartition {
  const found = partitions.find(({name}) => name === wanted);
  if (found === undefined) throw new Error(`The disk has no ${wanted} partition`);
  return found;
}
