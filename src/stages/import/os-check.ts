import {closeSync, openSync, readSync} from 'node:fs';
import {machineOf, versionOf} from '../../spec/distributions.ts';
import type {Os} from '../../spec/image.ts';
import {ImportError} from './entry.ts';
import type {TreeWriter} from './tree-writer.ts';

/**
 * Compares what a root says it is (os-release(5)), and what its programs are made for, with `os` of the spec. Whatever is
 * called `other` there need not say anything.
 */
export function checkOs(writer: TreeWriter, os: Pick<Os, 'distribution' | 'release' | 'architecture'>): void {
  if (os.distribution !== 'other') checkRelease(writer, os);
  const machine = machineOfPrograms(writer);
  if (machine === undefined || machine === machineOf(os.architecture)) return;
  throw new ImportError(`Its programs are made for ${machine}, and os.architecture is ${os.architecture}`, {
    hint: 'Write the architecture that it is for, or import another image',
  });
}

function checkRelease(writer: TreeWriter, os: Pick<Os, 'distribution' | 'release'>): void {
  const path = writer.follow('/etc/os-release') ?? writer.follow('/usr/lib/os-release');
  const said = path === undefined ? undefined : osRelease(begin(path, osReleaseBytes).toString('utf8'));
  const wanted = `${os.distribution} ${os.release}`;
  if (said === undefined)
    throw new ImportError(`It says nowhere what it is: there is no /etc/os-release, and os is ${wanted}`, {
      hint: 'Check that it holds a whole root and not what lies in a folder of an archive',
    });
  const {ID: id = '', VERSION_ID: version = '', VERSION_CODENAME: codename = ''} = said;
  const isSame = id === os.distribution && isRelease({version, codename}, os);
  if (isSame) return;
  const found = [id, version, codename === '' ? '' : `(${codename})`].filter((word) => word !== '').join(' ');
  throw new ImportError(`It is ${found} by its /etc/os-release, and os is ${wanted}`, {
    hint: 'Write in `os` what it is, or import another image',
  });
}

function isRelease(
  {version, codename}: {version: string; codename: string},
  os: Pick<Os, 'distribution' | 'release'>,
): boolean {
  const wanted = versionOf(os);
  // A release that is not out yet has a code name at most: sid says that of the next release.
  if (version === '') return codename === os.release || codename === '' || !/^\d/.test(wanted);
  return version === wanted || codename === os.release || version.startsWith(`${wanted}.`);
}

/** Lines of NAME=value, quoted like a shell's. */
export function osRelease(text: string): Readonly<Record<string, string | undefined>> {
  const found = text.matchAll(
    /^(?<name>[A-Z_]+)=(?:"(?<double>[^"\n]*)"|'(?<single>[^'\n]*)'|(?<bare>[^\s"']*))\s*$/gm,
  );
  return Object.fromEntries(
    [...found].map(({groups}) => [
      groups?.['name'] ?? '',
      groups?.['double'] ?? groups?.['single'] ?? groups?.['bare'] ?? '',
    ]),
  );
}

/** e_machine of the ELF header (elf(5)) of a program that every system has; undefined: none was found. */
function machineOfPrograms(writer: TreeWriter): string | undefined {
  for (const path of ['/bin/sh', '/usr/bin/env', '/bin/ls', '/sbin/init']) {
    const found = writer.follow(path);
    const header = found === undefined ? undefined : begin(found, elfHeaderBytes);
    if (header?.length !== elfHeaderBytes || header.toString('latin1', 0, 4) !== '\x7fELF') continue;
    const machine = header.readUInt16LE(18);
    return machines[machine] ?? `machine ${String(machine)}`;
  }
  return undefined;
}

/** EM_X86_64, EM_AARCH64 and what else Debian is made for (elf.h). */
const machines: Readonly<Record<number, string>> = {
  3: 'i386',
  21: 'ppc64',
  22: 's390',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv',
};

/** Up to `e_machine`. */
const elfHeaderBytes = 20;
/** Of a file that has twenty lines where it is one. */
const osReleaseBytes = 64 * 1024;

/** The first bytes of a file, as many as there are. */
function begin(path: Buffer, count: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, readSync(file, bytes, 0, count, 0));
  } finally {
    closeSync(file);
  }
}
