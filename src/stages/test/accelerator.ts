import {constants} from 'node:fs';
import {access, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Accelerator} from './qemu.ts';
import {runTool} from './tools.ts';

/**
 * A boot sector that ends QEMU: mov dx,0xf4; mov al,0x10; out dx,al; hlt; jmp. The isa-debug-exit device turns the
 * byte into the exit code 0x10 * 2 + 1.
 */
const probeCode = [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd];
const probeExitCode = 33;

/** A machine that really virtualizes needs well under a second. */
const probeTimeoutMs = 5000;

let known: Promise<Accelerator> | undefined;

/**
 * `kvm` where a guest really runs under it, else `tcg`. That /dev/kvm is there proves little: nested or restricted
 * hosts have it and fail or hang later. Asked once a process.
 */
export async function findAccelerator(signal: AbortSignal): Promise<Accelerator> {
  known ??= probeKvm(signal).then((works) => (works ? 'kvm' : 'tcg'));
  try {
    return await known;
  } catch (error) {
    known = undefined;
    throw error;
  }
}

async function probeKvm(signal: AbortSignal): Promise<boolean> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  return await probe(['-accel', 'kvm', '-cpu', 'host'], signal);
}

/** Whether a guest's own code runs with these arguments. */
export async function probe(accelerator: readonly string[], signal: AbortSignal): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'fgimage-probe-'));
  try {
    const disk = join(folder, 'probe.img');
    await writeFile(disk, bootSector());
    const file = JSON.stringify({driver: 'raw', 'node-name': 'disk', file: {driver: 'file', filename: disk}});
    const {exitCode} = await runTool(
      'setpriv',
      [
        ...[
          '--pdeathsig',
          'KILL',
          '--',
          'qemu-system-x86_64',
          '-nodefaults',
          '-no-user-config',
          '-no-reboot',
        ],
        ...['-display', 'none', '-machine', 'pc', ...accelerator, '-m', '64M', '-boot', 'strict=on'],
        ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x01'],
        ...['-blockdev', file, '-device', 'ide-hd,drive=disk,bootindex=1'],
      ],
      {signal, timeoutMs: probeTimeoutMs},
    );
    return exitCode === probeExitCode;
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** PC boot protocol: 512 bytes, signed 55 AA. */
function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  sector.set(probeCode);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
