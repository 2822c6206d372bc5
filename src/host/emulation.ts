import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {HostCheck} from './host-check.ts';
import {probe} from './probe.ts';

const timeoutMs = 10_000;
/** What the tiny program ends with. */
const arrivedExitCode = 42;
const registrations = '/proc/sys/fs/binfmt_misc';

const name = 'programs of arm64';
const install = 'sudo apt-get install qemu-user-static binfmt-support';

/**
 * Whether programs of arm64 run in an image's root, where nothing of the host is in reach: through binfmt_misc and a QEMU
 * that it has opened when it was registered (Documentation/admin-guide/binfmt-misc.rst of Linux, flag F). Tried as a
 * build does it; a container is told nothing of what its host has registered.
 */
export async function checkEmulation(): Promise<HostCheck> {
  const folder = await mkdtemp(join(tmpdir(), 'fgimage-arm64-')).catch(() => undefined);
  if (folder === undefined)
    return lack(`not known: ${tmpdir()} cannot be written`, 'Set TMPDIR to a folder that you can write');
  try {
    await writeFile(join(folder, 'probe'), armProgram(), {mode: 0o755});
    const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
    const {exitCode} = await probe(['unshare', ...user, `--root=${folder}`, '--wd=/', '/probe'], {timeoutMs});
    if (exitCode === arrivedExitCode)
      return {name, ok: true, severity: 'optional', found: 'run through binfmt_misc'};
    return emulationLack(await readRegistrations());
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

/** What is registered: undefined where binfmt_misc cannot be looked at. */
export interface Registrations {
  readonly filesystem: boolean;
  /** The texts of the entries; absent where binfmt_misc is not mounted. */
  readonly entries?: readonly string[];
}

function lack(found: string, mend: string): HostCheck {
  return {name, ok: false, severity: 'optional', found, mend};
}

/** Why programs of arm64 do not run, and what mends it. */
export function emulationLack({filesystem, entries}: Registrations): HostCheck {
  if (!filesystem)
    return lack(
      'no: the kernel has no binfmt_misc',
      'sudo modprobe binfmt_misc; in a container, set it up on the machine that it runs on',
    );
  if (entries === undefined)
    return lack(
      'no: binfmt_misc is not mounted, and nothing is registered',
      `sudo mount -t binfmt_misc binfmt_misc ${registrations} && ${install}; in a container, set it up on the machine that it runs on`,
    );
  const entry = entries.find(isArm);
  if (entry === undefined)
    return lack('no: nothing is registered for them', `${install}; from Debian 14 on, qemu-user-binfmt`);
  if (!entry.startsWith('enabled'))
    return lack('no: their registration is disabled', 'sudo update-binfmts --enable qemu-aarch64');
  if (!/^flags: .*F/m.test(entry))
    return lack(
      'no: registered without the flag F, so that QEMU is out of reach in an image',
      `${install} in the place of what has registered it`,
    );
  return lack('no: what is registered for them does not run', `${install} anew`);
}

/** The ELF header of a 64-bit, little-endian program for machine 183, as a registration has it in its magic. */
function isArm(entry: string): boolean {
  return /^magic 7f454c460201.{24}b700/m.test(entry);
}

async function readRegistrations(): Promise<Registrations> {
  const filesystems = await readFile('/proc/filesystems', 'utf8').catch(() => '');
  const names = await readdir(registrations).catch((): string[] => []);
  const filesystem = /\bbinfmt_misc\b/.test(filesystems) || names.length > 0;
  if (!names.includes('status')) return {filesystem};
  const entries = await Promise.all(
    names
      .filter((one) => one !== 'status' && one !== 'register')
      .map((one) => readFile(join(registrations, one), 'utf8').catch(() => '')),
  );
  return {filesystem, entries};
}

/** A program of arm64 that ends at once (ELF-64 object file format; Linux's system call 93, exit). */
export function armProgram(): Buffer {
  const code = Buffer.alloc(12);
  // mov x0, #42; mov x8, #93; svc #0
  for (const [index, word] of [0xd2800540, 0xd2800ba8, 0xd4000001].entries())
    code.writeUInt32LE(word, index * 4);
  const header = Buffer.alloc(elfBytes + segmentBytes);
  const size = header.length + code.length;
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(183, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(loadAddress + header.length), 24);
  header.writeBigUInt64LE(BigInt(elfBytes), 32);
  header.writeUInt16LE(elfBytes, 52);
  header.writeUInt16LE(segmentBytes, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, elfBytes);
  header.writeUInt32LE(5, elfBytes + 4);
  for (const at of [16, 24]) header.writeBigUInt64LE(BigInt(loadAddress), elfBytes + at);
  for (const at of [32, 40]) header.writeBigUInt64LE(BigInt(size), elfBytes + at);
  header.writeBigUInt64LE(0x10000n, elfBytes + 48);
  return Buffer.concat([header, code]);
}

const elfBytes = 64;
const segmentBytes = 56;
const loadAddress = 0x400000;
