import {mkdir, writeFile} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join, resolve} from 'node:path';
import type {BootPlan} from '../../../targets/contract.ts';
import type {BootRequest} from './boot.ts';
import {writeDisc} from './disc.ts';
import {copyRaw, makeOverlay, prepareUefi, rootOffsetBytes} from './disk.ts';
import type {BootServer, ServedFile} from './http-server.ts';
import {injectFiles, overlayArchive, startScript, userData} from './injection.ts';
import {chainScript} from './netboot.ts';
import {privateNetwork} from './network.ts';
import type {Identity, Instance, PlatformModule, Surroundings} from './platforms/platform.ts';
import type {Accelerator, DiskBus, ForwardedService, Machine, MachineDisk} from './qemu.ts';

/** Makes the test machine: its disks, its discs, and what its platform gives it. */

type DiskBoot = Extract<BootPlan, {kind: 'disk'}>;

export interface Preparation {
  readonly request: BootRequest;
  readonly folder: string;
  /** The plan of the checks. */
  readonly text: string;
  readonly accelerator: Accelerator;
}

function commonMachine({request: {plan, architecture}, accelerator}: Preparation): Omit<Machine, 'disks'> {
  return {
    accelerator,
    architecture,
    memoryMiB: plan.memoryMiB,
    processors: Math.min(2, availableParallelism()),
  };
}

export function surroundingsOf(
  platform: PlatformModule,
  {
    identity,
    text,
    architecture,
  }: Pick<Instance, 'architecture'> & {readonly identity: Identity; readonly text: string},
): Surroundings {
  return platform.surroundings({
    ...identity,
    architecture,
    userData: userData(text, identity.id),
    startScript: startScript(text, identity.id),
  });
}

export interface DiskPreparation extends Preparation {
  readonly plan: DiskBoot;
  readonly identity: Identity;
  readonly surroundings: Surroundings;
  readonly services: readonly ForwardedService[];
}

export async function prepareDisk(preparation: DiskPreparation): Promise<Machine> {
  const {request, folder, plan, surroundings} = preparation;
  const {signal} = request;
  const discs = (surroundings.discs ?? []).map((disc, index) => ({
    ...disc,
    path: join(folder, `disc-${index}.iso`),
  }));
  for (const disc of discs) await writeDisc(disc.path, disc, signal);
  return {
    ...commonMachine(preparation),
    disks: [
      await prepareRoot(preparation),
      ...discs
        .filter(({drive}) => drive === 'disk')
        .map(({path}) => ({path, format: 'raw', readOnly: true}) as const),
    ],
    cdRoms: discs.filter(({drive}) => drive === 'cd-rom').map(({path}) => path),
    smbios: surroundings.smbios ?? [],
    ...(surroundings.scsiAdapter !== undefined && {scsiAdapter: surroundings.scsiAdapter}),
    ...(plan.direct === true && {kernel: directKernel(request, plan)}),
    ...(plan.firmware === 'uefi' && {uefi: await prepareUefi(folder, request.architecture)}),
    network: networkOf(preparation),
  };
}

async function prepareRoot({request, folder, plan, surroundings}: DiskPreparation): Promise<MachineDisk> {
  const {files, artifactDir, signal} = request;
  if (files.disk === undefined) throw new Error('A boot test of a disk needs its file');
  const {injected} = surroundings;
  const path = join(folder, injected === undefined ? 'disk.qcow2' : 'disk.raw');
  const bus = plan.bus ?? 'virtio';
  const disk = {disk: resolve(artifactDir, files.disk), format: files.diskFormat ?? 'qcow2', path, signal};
  if (injected === undefined) {
    await makeOverlay(disk);
    return {path, format: 'qcow2', readOnly: false, bus};
  }
  await copyRaw(disk);
  const offsetBytes = await rootOffsetBytes(path, signal);
  await injectFiles({disk: path, offsetBytes, files: injected, folder, signal});
  return {path, format: 'raw', readOnly: false, bus};
}

/** What the first disk of each bus is called; a disk that is booted so has no partitions. */
const rootDevices: Readonly<Record<DiskBus, string>> = {
  virtio: '/dev/vda',
  nvme: '/dev/nvme0n1',
  scsi: '/dev/sda',
  ide: '/dev/sda',
};

function directKernel(
  {files, artifactDir}: BootRequest,
  {bus = 'virtio'}: DiskBoot,
): NonNullable<Machine['kernel']> {
  const {kernel, initrd, cmdline = ''} = files;
  if (kernel === undefined || initrd === undefined)
    throw new Error('A boot test without a boot loader needs a kernel and its initial RAM disk');
  return {
    path: resolve(artifactDir, kernel),
    initrd: resolve(artifactDir, initrd),
    cmdline: `root=${rootDevices[bus]} ${cmdline}`.trim(),
  };
}

function networkOf({identity, surroundings, services}: DiskPreparation): NonNullable<Machine['network']> {
  const {network: guest, macAddress} = identity;
  return {
    guest,
    card: surroundings.networkCard ?? 'virtio-net-pci',
    macAddress,
    ...(surroundings.dhcpHostName !== undefined && {hostName: surroundings.dhcpHostName}),
    sshAddress: surroundings.address ?? guest.guest,
    services,
  };
}

const siteInitrdName = 'fgimage-test.img';

export interface NetbootPreparation extends Preparation {
  readonly server: BootServer;
  readonly served: Map<string, ServedFile>;
}

export async function prepareNetboot(preparation: NetbootPreparation): Promise<Machine> {
  const {request, folder, text, server, served} = preparation;
  const {ipxe} = request.files;
  if (ipxe === undefined) throw new Error('A boot test of a netboot set needs its iPXE script');
  served.set(siteInitrdName, {bytes: overlayArchive(text)});
  const tftp = join(folder, 'tftp');
  const baseUrl = `http://${privateNetwork.host}:${server.port}${server.folder}`;
  await mkdir(tftp);
  await writeFile(join(tftp, 'boot.ipxe'), chainScript({baseUrl, script: ipxe, siteInitrd: siteInitrdName}));
  return {...commonMachine(preparation), disks: [], netboot: {folder: tftp, script: 'boot.ipxe'}};
}
