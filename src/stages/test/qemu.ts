import {type ChildProcess, spawn} from 'node:child_process';
import {Duplex, Readable} from 'node:stream';
import {isErrno} from '../../errors.ts';
import {machineOf} from '../../spec/distributions.ts';
import type {Os} from '../../spec/image.ts';
import type {GuestNetwork} from './network.ts';
import {missingTool, toolEnvironment} from './tools.ts';

export type Accelerator = 'kvm' | 'tcg';

/** A guest, as data. */
export interface Machine {
  readonly accelerator: Accelerator;
  readonly architecture: Os['architecture'];
  readonly memoryMiB: number;
  readonly processors: number;
  /** The two flash files of OVMF; absent: SeaBIOS. `variables` is written to. */
  readonly uefi?: {readonly code: string; readonly variables: string};
  /** In boot order. */
  readonly disks: readonly MachineDisk[];
  /** Discs in drives of their own. */
  readonly cdRoms?: readonly string[];
  readonly smbios?: readonly SmbiosTable[];
  readonly scsiAdapter?: 'virtio-scsi-pci' | 'pvscsi';
  /** Started in the place of a boot loader. */
  readonly kernel?: {readonly path: string; readonly initrd: string; readonly cmdline: string};
  readonly network?: MachineNetwork;
  /** Boot from the network: this file of this folder by TFTP, loaded by the card's iPXE. */
  readonly netboot?: {readonly folder: string; readonly script: string};
}

export type DiskBus = 'virtio' | 'nvme' | 'scsi' | 'ide';

export interface MachineDisk {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  readonly readOnly: boolean;
  /** virtio where it is left out. */
  readonly bus?: DiskBus;
}

/** A structure of the SMBIOS tables, by the names of its fields in qemu-system-x86_64(1). */
export interface SmbiosTable {
  readonly type: 0 | 1 | 2 | 3;
  readonly values: Readonly<Record<string, string>>;
}

export interface MachineNetwork {
  readonly guest: GuestNetwork;
  readonly card: 'virtio-net-pci' | 'vmxnet3';
  readonly macAddress: string;
  /** The name that DHCP gives. */
  readonly hostName?: string;
  /** The guest's address whose SSH port is had from this host, at a free port that QEMU chooses. */
  readonly sshAddress: string;
  readonly services: readonly ForwardedService[];
}

/** A command that is started, in the boot's folder, for each connection to an address outside the guest. */
export interface ForwardedService {
  readonly address: string;
  readonly port: number;
  readonly command: string;
}

/** Numbers of the open files that carry the second serial port and the monitor. */
const resultsFd = 3;
const monitorFd = 4;

const fixedArguments: readonly string[] = [
  ...['-name', 'fgimage-test', '-nodefaults', '-no-user-config', '-no-reboot'],
  ...['-display', 'none', '-rtc', 'base=utc', '-boot', 'strict=on'],
];

/**
 * A processor with what x86-64-v3 wants, and without what QEMU does not emulate and would warn of. A guest of `max` takes
 * two fifths more of the host's processor for a boot.
 */
const emulatedProcessor = [
  'EPYC',
  ...[
    'rdseed',
    'sha-ni',
    'fxsr-opt',
    'misalignsse',
    '3dnowprefetch',
    'osvw',
    'topoext',
    'nrip-save',
    'xsavec',
  ].map((feature) => `${feature}=off`),
].join(',');

const processorArguments: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', emulatedProcessor],
};

/** The pointer authentication of `max` takes most of the time in emulation (QEMU's manual, "Arm CPU features"). */
const armProcessor: readonly string[] = ['-accel', 'tcg,thread=multi', '-cpu', 'cortex-a72'];

/** The emulator of an architecture's machines. */
export function qemuProgram(architecture: Os['architecture']): string {
  return `qemu-system-${machineOf(architecture)}`;
}

/** Machines of arm64 are one kind, `virt`. */
function machineWords({architecture, uefi}: Machine): readonly string[] {
  const flash = uefi === undefined ? '' : ',pflash0=flash0,pflash1=flash1';
  if (architecture === 'arm64') return ['-machine', `virt${flash}`];
  return ['-vga', 'std', '-machine', `${uefi === undefined ? 'pc' : 'q35'},graphics=off${flash}`];
}

/** /dev/ttyS1: a PC has it. What `virt` has is a PL011, and two ports are plugged in; the kernel's console may be the first. */
function resultsWords(architecture: Os['architecture']): readonly string[] {
  if (architecture !== 'arm64') return ['-serial', 'chardev:results'];
  const device = (chardev: string): readonly string[] => ['-device', `pci-serial,chardev=${chardev}`];
  return ['-chardev', 'null,id=unused', ...device('unused'), ...device('results')];
}

/**
 * QEMU's arguments (qemu-system-x86_64(1)). The first serial port, which firmware and console share, is stdout; the
 * second is file descriptor 3, the monitor 4. Paths go as JSON or with their commas doubled, so that QEMU does not split
 * them.
 */
export function qemuArguments(machine: Machine): readonly string[] {
  const {architecture, uefi, disks, cdRoms = [], smbios = [], kernel} = machine;
  return [
    ...fixedArguments,
    ...machineWords(machine),
    ...(architecture === 'arm64' ? armProcessor : processorArguments[machine.accelerator]),
    ...['-m', `${machine.memoryMiB}M`, '-smp', String(machine.processors)],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=results,fd=${resultsFd}`, ...resultsWords(architecture)],
    ...['-chardev', `socket,id=monitor,fd=${monitorFd}`, '-mon', 'chardev=monitor,mode=control'],
    ...smbios.flatMap(smbiosArguments),
    ...(uefi === undefined ? [] : flashArguments(uefi)),
    ...(kernel === undefined
      ? []
      : ['-kernel', kernel.path, '-initrd', kernel.initrd, '-append', kernel.cmdline]),
    ...(disks.some(({bus}) => bus === 'scsi')
      ? ['-device', `${machine.scsiAdapter ?? 'virtio-scsi-pci'},id=scsi`]
      : []),
    ...disks.flatMap(diskArguments),
    ...(architecture === 'arm64' && cdRoms.length > 0 ? ['-device', 'virtio-scsi-pci,id=cd'] : []),
    ...cdRoms.flatMap((path, index) => cdRomArguments(path, index, architecture)),
    ...networkArguments(machine),
    ...['-device', 'virtio-rng-pci'],
  ];
}

function smbiosArguments({type, values}: SmbiosTable): readonly string[] {
  const fields = Object.entries(values).map(([name, value]) => `,${name}=${escaped(value)}`);
  return ['-smbios', `type=${type}${fields.join('')}`];
}

function flashArguments({
  code,
  variables,
}: {
  readonly code: string;
  readonly variables: string;
}): readonly string[] {
  const node = (name: string, filename: string, readOnly: boolean): readonly string[] => [
    '-blockdev',
    JSON.stringify({driver: 'file', 'node-name': name, filename, 'read-only': readOnly}),
  ];
  return [...node('flash0', code, true), ...node('flash1', variables, false)];
}

const diskDevices: Readonly<Record<DiskBus, string>> = {
  virtio: 'virtio-blk-pci',
  nvme: 'nvme,serial=fgimage',
  scsi: 'scsi-hd,bus=scsi.0',
  ide: 'ide-hd',
};

function diskArguments(
  {path, format, readOnly, bus = 'virtio'}: MachineDisk,
  index: number,
): readonly string[] {
  const node = `disk${index}`;
  const file = {driver: 'file', filename: path, 'read-only': readOnly};
  // The disk is thrown away, so nobody waits for its flushes.
  const cache = {direct: false, 'no-flush': true};
  return [
    '-blockdev',
    JSON.stringify({driver: format, 'node-name': node, 'read-only': readOnly, cache, file}),
    '-device',
    `${diskDevices[bus]},drive=${node},bootindex=${index + 1}`,
  ];
}

/** `virt` has no IDE. */
function cdRomArguments(path: string, index: number, architecture: Os['architecture']): readonly string[] {
  const node = `cd${index}`;
  const file = {driver: 'file', filename: path, 'read-only': true};
  return [
    '-blockdev',
    JSON.stringify({driver: 'raw', 'node-name': node, 'read-only': true, file}),
    '-device',
    `${architecture === 'arm64' ? 'scsi-cd,bus=cd.0' : 'ide-cd'},drive=${node}`,
  ];
}

function networkArguments({network, netboot}: Machine): readonly string[] {
  const boot =
    netboot === undefined ? [] : [`tftp=${escaped(netboot.folder)}`, `bootfile=${escaped(netboot.script)}`];
  const {card = 'virtio-net-pci', macAddress} = network ?? {};
  return [
    '-netdev',
    ['user,id=net0', ...(network === undefined ? [] : backendWords(network)), ...boot].join(','),
    '-device',
    [
      `${card},netdev=net0`,
      ...(macAddress === undefined ? [] : [`mac=${macAddress}`]),
      netboot === undefined ? 'romfile=' : 'bootindex=1',
    ].join(','),
  ];
}

function backendWords({guest, hostName, sshAddress, services}: MachineNetwork): readonly string[] {
  return [
    `net=${guest.range},host=${guest.host},dns=${guest.nameServer},dhcpstart=${guest.guest}`,
    ...(hostName === undefined ? [] : [`hostname=${hostName}`]),
    `hostfwd=tcp:127.0.0.1:0-${sshAddress}:22`,
    ...services.map(({address, port, command}) => `guestfwd=tcp:${address}:${port}-cmd:${escaped(command)}`),
  ];
}

function escaped(path: string): string {
  return path.replaceAll(',', ',,');
}

export interface RunningQemu {
  readonly console: Readable;
  readonly results: Readable;
  readonly messages: Readable;
  /** The QEMU machine protocol. */
  readonly monitor: Duplex;
  /** Settles when QEMU is gone and its output is read. */
  readonly done: Promise<{readonly exitCode: number | null; readonly signal: string | null}>;
  kill(): void;
}

/**
 * Starts QEMU in a process group of its own. setpriv(1) makes the kernel kill it when this process ends, however
 * that happens, so no guest outlives its test.
 */
export function startQemu(machine: Machine, folder: string): RunningQemu {
  const program = qemuProgram(machine.architecture);
  const args = ['--pdeathsig', 'KILL', '--', program, ...qemuArguments(machine)];
  const child = spawn('setpriv', args, {
    cwd: folder,
    detached: true,
    env: {...toolEnvironment, TMPDIR: folder},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  const [, console, messages, results, monitor] = child.stdio;
  if (console === null || messages === null || !(results instanceof Readable) || !(monitor instanceof Duplex))
    throw new Error('QEMU was started without pipes');
  return {console, messages, results, monitor, done: ended(child), kill: () => killGroup(child)};
}

async function ended(child: ChildProcess): Promise<{exitCode: number | null; signal: string | null}> {
  return await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(isErrno(error, 'ENOENT') ? missingTool('setpriv') : error));
    child.once('close', (exitCode, signal) => resolve({exitCode, signal}));
  });
}

function killGroup({pid}: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}
