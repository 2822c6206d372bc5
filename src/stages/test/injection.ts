import {readFileSync} from 'node:fs';
import {open, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {packageRoot} from '../../package-root.ts';
import {type CpioEntry, cpioArchive} from './cpio.ts';
import {requireTool} from './tools.ts';

/**
 * How the checks get into a guest whose image has none of them: a disk takes them as cloud-init user data, a netboot
 * set as a site overlay in a second initial RAM disk. The artifact stays as it is.
 */

const unitName = 'fgimage-test.service';

/** The second serial port, which no console uses. */
const resultPort = '/dev/ttyS1';

function guestScript(): string {
  return readFileSync(join(packageRoot, 'src/stages/test/guest/run-checks.sh'), 'utf8');
}

/** `exec`: started is done, so that the boot does not wait for checks that wait for the boot. */
function unitText(folder: string): string {
  return [
    '[Unit]',
    'Description=fgimage boot test',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=/bin/sh ${folder}/run-checks.sh ${folder}/plan ${resultPort}`,
    '',
  ].join('\n');
}

/**
 * User data in cloud-init's boothook format: it runs early and leaves the image's own cloud-config alone
 * (cloudinit.readthedocs.io, "User data formats").
 */
export function userData(plan: string): string {
  const folder = '/run/fgimage-test';
  const write = (path: string, text: string): readonly string[] => [
    `base64 -d >${path} <<'END'`,
    ...(Buffer.from(text, 'utf8')
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    'END',
  ];
  return [
    '#cloud-boothook',
    '#!/bin/sh',
    'set -eu',
    `mkdir -p ${folder} /run/systemd/system`,
    ...write(`${folder}/run-checks.sh`, guestScript()),
    ...write(`${folder}/plan`, plan),
    ...write(`/run/systemd/system/${unitName}`, unitText(folder)),
    'systemctl daemon-reload',
    `systemctl start --no-block ${unitName}`,
    '',
  ].join('\n');
}

/** Writes a NoCloud seed: a FAT image labelled CIDATA with the two files that cloud-init looks for. */
export async function writeSeed(
  image: string,
  {
    plan,
    instanceId,
    signal,
  }: {readonly plan: string; readonly instanceId: string; readonly signal: AbortSignal},
): Promise<void> {
  await requireTool(
    'mformat',
    ['-C', '-i', image, '-v', 'CIDATA', '-T', '8192', '-h', '16', '-s', '32', '::'],
    {signal},
  );
  for (const [name, text] of [
    ['user-data', userData(plan)],
    ['meta-data', `instance-id: ${instanceId}\n`],
  ] as const) {
    await writeFile(`${image}.${name}`, text);
    await requireTool('mcopy', ['-i', image, `${image}.${name}`, `::${name}`], {signal});
  }
  await clearPartitionTable(image);
}

/** mformat writes an entry for the whole disk into the boot sector, which a kernel would take for a partition. */
async function clearPartitionTable(image: string): Promise<void> {
  await using file = await open(image, 'r+');
  await file.write(Buffer.alloc(64), 0, 64, 446);
}

/**
 * A second initial RAM disk whose site overlay holds the checks, started with the default target. It is compressed
 * because the kernel takes a plain archive at a multiple of four bytes only, and UEFI puts it right behind the first.
 */
export function overlayArchive(plan: string): Buffer {
  const root = 'fgimage/overlay';
  const folder = '/var/lib/fgimage-test';
  const units = `${root}/etc/systemd/system`;
  const entries: readonly CpioEntry[] = [
    {kind: 'file', path: `${root}${folder}/run-checks.sh`, content: guestScript(), mode: 0o644},
    {kind: 'file', path: `${root}${folder}/plan`, content: plan, mode: 0o644},
    {kind: 'file', path: `${units}/${unitName}`, content: unitText(folder), mode: 0o644},
    {kind: 'link', path: `${units}/multi-user.target.wants/${unitName}`, target: `../${unitName}`},
  ];
  return gzipSync(cpioArchive(entries));
}
