import {access, constants, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {isErrno} from '../errors.ts';
import type {HostCheck} from './host-check.ts';
import {arrivedExitCode, exitPort, guestRom} from './kvm-guest.ts';
import {type ProbeResult, probe} from './probe.ts';

/** The guest arrives within a tenth of a second; a KVM that cannot run it often hangs. */
const timeoutMs = 5_000;
const emulation = 'no, software emulation is used';
const absent = {name: 'KVM', ok: false, severity: 'optional'} as const;

/** Whether virtual machines can use KVM, and why not. Runs a tiny guest: that /dev/kvm opens does not tell. */
export async function checkKvm({
  qemu,
  userName,
}: {
  readonly qemu: string | undefined;
  readonly userName: string;
}): Promise<HostCheck> {
  if (qemu === undefined) return {...absent, found: 'not tried: qemu-system-x86_64 is missing'};
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM')) return {...absent, found: `${emulation}: there is no /dev/kvm`};
    return {
      ...absent,
      found: `${emulation}: /dev/kvm may not be opened`,
      mend: `sudo usermod -aG kvm ${userName}`,
    };
  }
  return kvmCheck(await bootGuest(qemu, 'kvm'));
}

/** Boots the tiny guest with `-cpu max`, as a boot test does, on an accelerator of QEMU. */
export async function bootGuest(qemu: string, accelerator: 'kvm' | 'tcg'): Promise<ProbeResult> {
  const folder = await mkdtemp(join(tmpdir(), 'fgimage-kvm-'));
  try {
    const bios = join(folder, 'guest.rom');
    await writeFile(bios, guestRom());
    const machine = ['-machine', 'pc', '-accel', accelerator, '-cpu', 'max', '-m', '16', '-bios', bios];
    const devices = [
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-serial',
      'none',
      '-monitor',
      'none',
    ];
    const exit = ['-device', `isa-debug-exit,iobase=${exitPort},iosize=4`];
    return await probe([qemu, ...machine, ...devices, ...exit], {timeoutMs, folder});
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** What the guest's end means. */
export function kvmCheck({exitCode, output, timedOut}: ProbeResult): HostCheck {
  if (exitCode === arrivedExitCode) return {...absent, ok: true, found: 'works'};
  if (timedOut) return {...absent, found: `${emulation}: a guest hangs on its way to 64-bit mode`};
  const reason = output.split('\n').find((line) => /error|failed|could not|invalid/i.test(line));
  return {...absent, found: `${emulation}: ${reason ?? 'QEMU cannot use it'}`};
}
