import {type ChildProcess, spawn} from 'node:child_process';
import type {Readable} from 'node:stream';
import {isErrno} from '../../errors.ts';
import {missingTool, toolEnvironment} from './tools.ts';

export type Accelerator = 'kvm' | 'tcg';

/** A guest, as data. */
export interface Machine {
  readonly accelerator: Accelerator;
  readonly memoryMiB: number;
  readonly processors: number;
  /** The two flash files of OVMF; absent: SeaBIOS. `variables` is written to. */
  readonly uefi?: {readonly code: string; readonly variables: string};
  /** In boot order. */
  readonly disks: readonly MachineDisk[];
  /** Boot from the network: this file of this folder by TFTP, loaded by the card's iPXE. */
  readonly netboot?: {readonly folder: string; readonly script: string};
}

export interface MachineDisk {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  readonly readOnly: boolean;
}

/** Number of the open file that carries the second serial port. */
const resultsFd = 3;

const fixedArguments: readonly string[] = [
  ...['-name', 'fgimage-test', '-nodefaults', '-no-user-config', '-no-reboot'],
  ...['-display', 'none', '-vga', 'std', '-rtc', 'base=utc', '-boot', 'strict=on'],
];

/**
 * `max` as it is: with `svm=off`, which would spare the guest its nested virtualization, processes in a guest of
 * QEMU 7.2 end without having done anything.
 */
const processorArguments: Readonly<Record<Accelerator, readonly string[]>> = {
  kvm: ['-accel', 'kvm', '-cpu', 'host'],
  tcg: ['-accel', 'tcg,thread=multi', '-cpu', 'max'],
};

/**
 * QEMU's arguments (qemu-system-x86_64(1)). The first serial port, which firmware and console share, is stdout; the
 * second is file descriptor 3. Paths go as JSON or with their commas doubled, so that QEMU does not split them.
 */
export function qemuArguments(machine: Machine): readonly string[] {
  const {uefi, disks, netboot} = machine;
  const flash = uefi === undefined ? '' : ',pflash0=flash0,pflash1=flash1';
  return [
    ...fixedArguments,
    ...['-machine', `${uefi === undefined ? 'pc' : 'q35'},graphics=off${flash}`],
    ...processorArguments[machine.accelerator],
    ...['-m', `${machine.memoryMiB}M`, '-smp', String(machine.processors)],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=results,fd=${resultsFd}`, '-serial', 'chardev:results'],
    ...(uefi === undefined ? [] : flashArguments(uefi)),
    ...disks.flatMap(diskArguments),
    ...['-netdev', networkBackend(netboot)],
    ...['-device', `virtio-net-pci,netdev=net0,${netboot === undefined ? 'romfile=' : 'bootindex=1'}`],
    ...['-device', 'virtio-rng-pci'],
  ];
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

function diskArguments({path, format, readOnly}: MachineDisk, index: number): readonly string[] {
  const node = `disk${index}`;
  const file = {driver: 'file', filename: path, 'read-only': readOnly};
  // The disk is thrown away, so nobody waits for its flushes.
  const cache = {direct: false, 'no-flush': true};
  return [
    '-blockdev',
    JSON.stringify({driver: format, 'node-name': node, 'read-only': readOnly, cache, file}),
    '-device',
    `virtio-blk-pci,drive=${node},bootindex=${index + 1}`,
  ];
}

function networkBackend(netboot: Machine['netboot']): string {
  if (netboot === undefined) return 'user,id=net0';
  return `user,id=net0,tftp=${escaped(netboot.folder)},bootfile=${escaped(netboot.script)}`;
}

function escaped(path: string): string {
  return path.replaceAll(',', ',,');
}

export interface RunningQemu {
  readonly console: Readable;
  readonly results: Readable;
  readonly messages: Readable;
  /** Settles when QEMU is gone and its output is read. */
  readonly done: Promise<{readonly exitCode: number | null; readonly signal: string | null}>;
  kill(): void;
}

/**
 * Starts QEMU in a process group of its own. setpriv(1) makes the kernel kill it when this process ends, however
 * that happens, so no guest outlives its test.
 */
export function startQemu(machine: Machine, folder: string): RunningQemu {
  const args = ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...qemuArguments(machine)];
  const child = spawn('setpriv', args, {
    cwd: folder,
    detached: true,
    env: {...toolEnvironment, TMPDIR: folder},
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const [, console, messages, results] = child.stdio;
  if (console === null || messages === null || !isReadable(results))
    throw new Error('QEMU was started without pipes');
  return {console, messages, results, done: ended(child), kill: () => killGroup(child)};
}

function isReadable(stream: ChildProcess['stdio'][number] | undefined): stream is Readable {
  return stream !== null && stream !== undefined && 'readable' in stream;
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
