import {closeSync, openSync, truncateSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import type {DiskOutput, DiskPackPlan} from '../../../targets/contract.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {runTool} from '../tool.ts';
import {scratchFile} from '../tree.ts';
import {writeBiosBoot} from './boot-code.ts';
import {bootLayer, type DiskJob, espFiles, makeBootFiles, maskOthers} from './boot-files.ts';
import {bootNames} from './boot-names.ts';
import {writeEsp} from './esp.ts';
import {writeFileSystem} from './file-system.ts';
import {packIdentity} from './identity.ts';
import {takeInventory} from './inventory.ts';
import {diskParts, type PlacedDisk, placeDisk} from './layout.ts';
import {type Content, measureTree, withLayer} from './measure.ts';
import {writeOutputs} from './outputs.ts';
import {type PlacedPartition, sfdiskScript} from './partitions.ts';
import {swapHeader} from './swap.ts';
import {systemOf} from './system.ts';

/** The disk while it is written, in the work folder. */
const disk = 'disk.raw';

/**
 * Packs a tree into a disk and what is made of it, without mounting and without a loop device: the partition table, the
 * file systems and the boot code are written into one sparse file, so that an ordinary user can do it as well.
 */
export const runDiskPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as DiskPackPlan;
  const identity = packIdentity(context);
  const parts = diskParts(plan, identity);
  const [inventory, measured] = await Promise.all([
    takeInventory(context),
    measureTree(
      context,
      parts.volumes.map(({path}) => path),
    ),
  ]);
  if (!inventory.ok) return fail({failure: inventory.error});
  if (!measured.ok) return fail({failure: measured.error});
  const {kernels, packages} = inventory.value;
  if (plan.loader === 'systemd-boot' && plan.firmware !== 'uefi') return fail({failure: needsUefi()});
  if (plan.loader !== 'none' && plan.firmware !== 'uefi' && systemOf(context).architecture === 'arm64')
    return fail({failure: armNeedsUefi()});

  const job: DiskJob = {plan, kernels, parts, system: systemOf(context), names: bootNames(context)};
  const boot = await makeBootFiles(context, job);
  if (!boot.ok) return fail({failure: boot.error});
  const content = withLayer(measured.value, bootLayer(context));
  const {architecture} = job.system;
  const placed = placeDisk({plan, parts, identity, content, architecture});
  if (!placed.ok) return fail({failure: placed.error});

  const {sizeBytes} = placed.value;
  const written = await writeDisk(context, {job, placed: placed.value, content});
  if (!written.ok) return fail({failure: written.error});
  const {outputs} = plan;
  const made = await writeOutputs(context, {disk, sizeBytes, identity, kernel: kernels[0], outputs});
  if (!made.ok) return fail({failure: made.error});
  const [first] = outputs;
  return ok({
    result: {
      artifact: first?.fileName ?? '',
      format: formatOf(first),
      virtual_size_bytes: sizeBytes,
      root_uuid: parts.volumes[0]?.uuid ?? '',
      packages: packages.map(({name, version, architecture}) => ({name, version, architecture})),
      kernels: [...kernels],
    },
  });
};

/** As `images` shows it: of an archive it is `tar`. */
function formatOf(output: DiskOutput | undefined): string {
  if (output === undefined) return '';
  return output.kind === 'image' ? output.format : output.kind === 'archive' ? 'tar' : output.kind;
}

interface DiskRequest {
  readonly job: DiskJob;
  readonly placed: PlacedDisk;
  readonly content: ReadonlyMap<string, Content>;
}

async function writeDisk(
  context: StageContext,
  {job, placed, content}: DiskRequest,
): Promise<Result<void, StageFailure>> {
  const {plan, parts} = job;
  const {partitions, sizeBytes} = placed;
  const path = join(context.work, disk);
  closeSync(openSync(path, 'w'));
  truncateSync(path, sizeBytes);
  if (plan.storage.table !== 'none') {
    const table = await writeTable(context, {
      table: plan.storage.table,
      diskUuid: parts.diskUuid,
      partitions,
    });
    if (!table.ok) return table;
  }
  // Side by side: they lie in other places of the disk.
  const [filesystems, esp] = await Promise.all([
    writeVolumes(context, {job, placed, content}),
    parts.esp === undefined
      ? ok(undefined)
      : writeEsp(context, {
          disk,
          partition: partitionNamed(partitions, 'esp'),
          id: parts.esp.id,
          files: espFiles(job),
        }),
  ]);
  if (!filesystems.ok) return filesystems;
  if (!esp.ok) return esp;
  if (parts.swap !== undefined) {
    const {firstSector, sectors} = partitionNamed(partitions, 'swap');
    const header = swapHeader({sizeBytes: sectors * 512, uuid: parts.swap.uuid});
    const file = openSync(path, 'r+');
    writeSync(file, header, 0, header.length, firstSector * 512);
    closeSync(file);
  }
  if (parts.biosBoot) writeBiosBoot(context, {disk, partitions});
  return ok(undefined);
}

async function writeVolumes(
  context: StageContext,
  {job: {parts}, placed: {partitions}, content}: DiskRequest,
): Promise<Result<void, StageFailure>> {
  for (const volume of parts.volumes) {
    const partition = partitionNamed(partitions, volume.name);
    const inside = content.get(volume.path);
    if (inside === undefined) throw new Error(`What is below ${volume.path} was not measured`);
    const written = await writeFileSystem(context, {
      volume,
      disk,
      offset: partition.firstSector * 512,
      sizeBytes: partition.sectors * 512,
      above: [bootLayer(context)],
      binds: maskOthers(context, parts, volume),
      content: inside,
    });
    if (!written.ok) return written;
  }
  return ok(undefined);
}

function writeTable(
  context: StageContext,
  {
    table,
    diskUuid,
    partitions,
  }: {table: 'gpt' | 'mbr'; diskUuid: string; partitions: readonly PlacedPartition[]},
): Promise<Result<void, StageFailure>> {
  scratchFile(context, 'partitions', sfdiskScript(table, diskUuid, partitions));
  return runTool(context, {
    program: 'sfdisk',
    args: (at) => ['--quiet', '--no-reread', '--no-tell-kernel', at('work', disk)],
    // sfdisk reads its script from standard input only.
    input: (at) => at('work', 'partitions'),
  });
}

function partitionNamed(partitions: readonly PlacedPartition[], wanted: string): PlacedPartition {
  const found = partitions.find(({name}) => name === wanted);
  if (found === undefined) throw new Error(`The disk has no partition ${wanted}`);
  return found;
}

function armNeedsUefi(): StageFailure {
  return {
    reason: 'refused',
    message: 'Machines of arm64 have no BIOS, and the disk is to boot under one',
    hint: 'Write `firmware: uefi` in the target',
  };
}

function needsUefi(): StageFailure {
  return {
    reason: 'refused',
    message: 'systemd-boot starts under UEFI only, and the disk is to boot under BIOS',
    hint: 'Write `loader: grub` in storage, or `firmware: uefi` in the target',
  };
}
