import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import type {DiskPackPlan} from '../../../targets/contract.ts';
import {packageRoot} from '../../package-root.ts';
import type {PackedSystem} from '../../plan/packed-system.ts';
import type {Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import {applyChanges, type Change} from '../changes.ts';
import {requiredInput} from '../inputs.ts';
import type {StageContext} from '../stage.ts';
import {runInTree, scratchFile, sourceDateEpoch} from '../tree.ts';
import {settleTimes} from './boot-layer.ts';
import type {BootNames} from './boot-names.ts';
import {fstab} from './fstab.ts';
import {
  coreConfig,
  coreModules,
  espGrubConfig,
  type GrubConfig,
  type GrubPlace,
  grubConfig,
  loaderEntry,
} from './grub.ts';
import type {DiskParts, Volume} from './layout.ts';
import {efiNamesOf} from './system.ts';
import {type UkiSection, writeUnifiedKernel} from './uki.ts';

/** A disk while it is packed. */
export interface DiskJob {
  readonly plan: DiskPackPlan;
  readonly system: PackedSystem;
  readonly names: BootNames;
  readonly parts: DiskParts;
  /** Kernel versions in the tree, the newest first. */
  readonly kernels: readonly string[];
}

/** A file of the EFI system partition: its place in the work folder and in the partition. */
export interface EspFile {
  readonly from: string;
  readonly to: string;
}

/** The layer with what depends on this disk's own ids: fstab, GRUB's files, the initial RAM disks. */
export const bootLayer = (context: StageContext): string => join(context.work, 'boot-layer');
/** Below the work folder: what goes beside the file systems. */
export const bootFolder = 'boot';

/** Makes the boot layer and what goes beside the file systems. */
export async function makeBootFiles(
  context: StageContext,
  job: DiskJob,
): Promise<Result<void, StageFailure>> {
  const {plan, parts, system} = job;
  const out = join(context.work, bootFolder);
  for (const folder of [bootLayer(context), out]) mkdirSync(folder);
  const inLayer: StageContext = {...context, output: bootLayer(context)};
  const written = await applyChanges(inLayer, textChanges(job));
  if (!written.ok) return written;
  const place = grubPlace(job);
  scratchFile(context, `${bootFolder}/grub.cfg`, espGrubConfig(place));
  context.progress('Preparing the boot loader');
  const script = '/run/fgimage/disk-boot.sh';
  const initramfs = initramfsFolder(context);
  const binds: readonly Bind[] = [
    {source: join(packageRoot, 'src/stages/scripts/disk-boot.sh'), path: script, kind: 'file', mode: 'ro'},
    {
      source: scratchFile(context, 'bios.cfg', coreConfig(place)),
      path: '/run/fgimage/bios.cfg',
      kind: 'file',
      mode: 'ro',
    },
    {source: out, path: '/run/fgimage/out', kind: 'dir', mode: 'rw'},
    ...(initramfs === undefined
      ? []
      : [{source: initramfs, path: '/run/fgimage/initramfs', kind: 'dir', mode: 'ro'} as const]),
  ];
  const made = await runInTree(inLayer, {
    command: [
      '/bin/sh',
      script,
      '/run/fgimage/out',
      plan.loader,
      plan.firmware,
      efiNamesOf(system).suffix,
      coreModules(place).join(' '),
      ...mountPoints(parts).map(({path}) => path),
    ],
    writable: true,
    binds,
    env: {FAMILY: job.names.hasEntries ? 'rpm' : 'deb', VENDOR: system.efi_vendor},
    hint: 'The boot loader comes from the packages of the target: was one of them in remove_packages?',
  });
  if (!made.ok) return made;
  if (plan.loader === 'systemd-boot') makeUnifiedKernels(context, job);
  settleTimes(bootLayer(context), sourceDateEpoch(context));
  settleTimes(join(out, 'mounts'), sourceDateEpoch(context));
  return made;
}

/** What the stage `initramfs` made; absent where the image has no kernel. */
export function initramfsFolder(context: StageContext): string | undefined {
  const id = context.node.dependsOn.find((one) => one.startsWith('initramfs:'));
  return id === undefined ? undefined : requiredInput(context, id).path;
}

/** The volumes that lie in folders of others. */
function mountPoints({volumes}: DiskParts): readonly Volume[] {
  return volumes.filter(({path}) => path !== '/');
}

/** Binds that leave out of a volume what lies in others: an empty folder in the place of each. */
export function maskOthers(context: StageContext, parts: DiskParts, volume: Volume): readonly Bind[] {
  const points = mountPoints(parts);
  const holder = (path: string): Volume | undefined =>
    parts.volumes.toReversed().find((one) => one.path !== path && isBelow(path, one.path));
  return points.flatMap((point, index) =>
    holder(point.path) === volume
      ? [
          {
            source: join(context.work, bootFolder, 'mounts', String(index)),
            path: point.path,
            kind: 'dir',
            mode: 'ro',
          } as const,
        ]
      : [],
  );
}

function isBelow(path: string, folder: string): boolean {
  return folder === '/' || path.startsWith(`${folder}/`);
}

function textChanges(job: DiskJob): readonly Change[] {
  const {plan, parts, kernels, system} = job;
  const {names} = job;
  const config: GrubConfig = {
    ...grubPlace(job),
    rootUuid: rootOf(parts).uuid,
    cmdline: plan.cmdline,
    kernels,
    title: system.title,
    menuClass: system.efi_vendor,
    serial: system.architecture === 'amd64',
  };
  return [
    textFile('/etc/fstab', fstab(parts)),
    ...(plan.loader === 'grub'
      ? [
          textFile(`/boot/${names.grub}/grub.cfg`, grubConfig(config), names.hasEntries ? '0600' : '0444'),
          ...(names.hasEntries ? loaderEntries(job, {...config, names}) : []),
        ]
      : []),
    ...(plan.loader === 'systemd-boot' ? kernelInstall(job) : []),
  ];
}

/** The kernels of now in the menu, and what kernel-install(8) gives those to come. */
function loaderEntries(job: DiskJob, config: GrubConfig & {readonly names: BootNames}): readonly Change[] {
  const entries = job.kernels.map((version) => loaderEntry(version, config));
  return [
    ...entries.map(({fileName, content}) => textFile(`/boot/loader/entries/${fileName}`, content)),
    textFile('/etc/kernel/cmdline', `${kernelCmdline(job)}\n`),
  ];
}

/** What kernel-install(8) does with later kernels: entries in the EFI system partition, with the same command line. */
function kernelInstall(job: DiskJob): readonly Change[] {
  return [
    textFile('/etc/kernel/cmdline', `${kernelCmdline(job)}\n`),
    textFile('/etc/kernel/install.conf', 'layout=bls\n'),
  ];
}

function textFile(path: string, content: string, permissions = '0644'): Change {
  return {do: 'file', path, owner: 'root:root', permissions, content: {text: content}};
}

/** As the loader gives it. */
function kernelCmdline({plan, parts}: Pick<DiskJob, 'plan' | 'parts'>): string {
  return `root=UUID=${rootOf(parts).uuid} ro ${plan.cmdline}`;
}

function grubPlace({plan: {storage}, parts, names}: DiskJob): GrubPlace {
  const boot = parts.volumes.find(({path}) => path === '/boot');
  const {uuid, filesystem} = boot ?? rootOf(parts);
  return {
    bootUuid: uuid,
    filesystem,
    folder: boot === undefined ? '/boot' : '',
    names,
    table: storage.table === 'mbr' ? 'mbr' : 'gpt',
  };
}

function rootOf({volumes}: DiskParts): Volume {
  const [root] = volumes;
  if (root === undefined) throw new Error('The disk has no root');
  return root;
}

const loaderConfig = 'timeout 1\n';

function makeUnifiedKernels(context: StageContext, job: DiskJob): void {
  const at = (name: string): string => join(context.work, bootFolder, name);
  scratchFile(context, `${bootFolder}/loader.conf`, loaderConfig);
  const stub = readFileSync(at(`linux${efiNamesOf(job.system).suffix}.efi.stub`));
  for (const version of job.kernels)
    writeUnifiedKernel(at(unifiedKernel(version)), {
      stub,
      sections: [
        {name: '.osrel', bytes: readFileSync(at('os-release'))},
        {name: '.cmdline', bytes: Buffer.from(kernelCmdline(job))},
        {name: '.uname', bytes: Buffer.from(version)},
        {name: '.initrd', file: join(initramfsFolder(context) ?? '', `initrd.img-${version}`)},
        kernelSection(at(`vmlinuz-${version}`)),
      ],
    });
}

/** A kernel of arm64 does not unpack itself: GRUB does it, systemd's stub does not. */
function kernelSection(path: string): UkiSection {
  const bytes = readFileSync(path);
  const isPacked = bytes.readUInt16BE(0) === gzipMagic;
  return isPacked ? {name: '.linux', bytes: gunzipSync(bytes)} : {name: '.linux', file: path};
}

/** RFC 1952, 2.3.1. */
const gzipMagic = 0x1f8b;

function unifiedKernel(version: string): string {
  return `fgimage-${version}.efi`;
}

/** What the EFI system partition holds, in this order. */
export function espFiles({plan, kernels, system}: DiskJob): readonly EspFile[] {
  const file = (from: string, to: string): EspFile => ({from: join(bootFolder, from), to});
  const {suffix, removable} = efiNamesOf(system);
  const [shim, grub, systemdBoot] = [`shim${suffix}.efi`, `grub${suffix}.efi`, `systemd-boot${suffix}.efi`];
  const vendor = `/EFI/${system.efi_vendor}`;
  if (plan.loader === 'grub')
    return [
      file(shim, removable),
      file(grub, `/EFI/BOOT/${grub}`),
      file(shim, `${vendor}/${shim}`),
      file(grub, `${vendor}/${grub}`),
      file('grub.cfg', `${vendor}/grub.cfg`),
    ];
  return [
    file(systemdBoot, removable),
    file(systemdBoot, `/EFI/systemd/${systemdBoot}`),
    ...kernels.map((version) => file(unifiedKernel(version), `/EFI/Linux/${unifiedKernel(version)}`)),
    file('loader.conf', '/loader/loader.conf'),
  ];
}
