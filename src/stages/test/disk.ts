import {constants} from 'node:fs';
import {access, copyFile} from 'node:fs/promises';
import {join} from 'node:path';
import {FgError} from '../../errors.ts';
import type {Os} from '../../spec/image.ts';
import {requireTool, runTool} from './tools.ts';

/** Reading a whole disk may take its time. */
export const longMs = 600_000;

const sectorBytes = 512;

/** What is added to the disk, so that a root that grows can be told from one that fits. */
const addedBytes = 2 * 1024 ** 3;

/** In qemu-img's words. */
export type BackingFormat = 'qcow2' | 'raw' | 'vmdk' | 'vpc' | 'vdi';

export interface Overlay {
  readonly disk: string;
  readonly format: BackingFormat;
  readonly path: string;
  readonly signal: AbortSignal;
}

/** Makes a larger qcow2 on top of the artifact: the guest writes there, and the artifact is only read. */
export async function makeOverlay({disk, format, path, signal}: Overlay): Promise<void> {
  const info: unknown = JSON.parse(
    await requireTool('qemu-img', ['info', '--output=json', '-f', format, disk], {signal}),
  );
  if (
    typeof info !== 'object' ||
    info === null ||
    !('virtual-size' in info) ||
    typeof info['virtual-size'] !== 'number'
  ) {
    throw new FgError(
      'STAGE_FAILED',
      `The boot test could not be prepared: qemu-img gives no size of ${disk}`,
    );
  }
  const size = String(info['virtual-size'] + addedBytes);
  await requireTool('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', disk, '-F', format, path, size], {
    signal,
  });
}

/** Makes a raw copy, holes and all, that an infrastructure may write into; as large as the artifact. */
export async function copyRaw({disk, format, path, signal}: Overlay): Promise<void> {
  await requireTool('qemu-img', ['convert', '-f', format, '-O', 'raw', disk, path], {
    signal,
    timeoutMs: longMs,
  });
}

/** Where the root of a raw disk begins: in the last partition, or at once where there is none. */
export async function rootOffsetBytes(disk: string, signal: AbortSignal): Promise<number> {
  const {exitCode, stdout} = await runTool('sfdisk', ['--json', disk], {signal});
  if (exitCode !== 0) return 0;
  const table: unknown = JSON.parse(stdout);
  const starts = [...JSON.stringify(table).matchAll(/"start":(?<sector>\d+)/g)].map(({groups}) =>
    Number(groups?.['sector']),
  );
  return Math.max(0, ...starts) * sectorBytes;
}

/** OVMF as Debian installs it: code to read, variables to copy. Newer releases have the 4 MiB build only. */
const flashPairs = {
  amd64: [
    {code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd'},
    {code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd'},
  ],
  // Both 64 MiB, as `virt` wants them.
  arm64: [{code: '/usr/share/AAVMF/AAVMF_CODE.fd', variables: '/usr/share/AAVMF/AAVMF_VARS.fd'}],
} as const;

/** The UEFI firmware with variables of this guest's own. */
export async function prepareUefi(
  folder: string,
  architecture: Os['architecture'],
): Promise<{readonly code: string; readonly variables: string}> {
  for (const {code, variables} of flashPairs[architecture]) {
    const own = join(folder, 'variables.fd');
    if (!(await isReadable(code)) || !(await isReadable(variables))) continue;
    await copyFile(variables, own);
    return {code, variables: own};
  }
  const isArm = architecture === 'arm64';
  throw new FgError(
    'HOST_TOOL_MISSING',
    `The UEFI firmware ${isArm ? 'AAVMF' : 'OVMF'} is not installed, and boot tests${isArm ? ' of arm64' : ''} need it`,
    {hint: isArm ? 'Run "sudo apt-get install qemu-efi-aarch64"' : 'Run "fgimage doctor --install"'},
  );
}

async function isReadable(path: string): Promise<boolean> {
  return await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
