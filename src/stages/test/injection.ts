import {readFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {packageRoot} from '../../package-root.ts';
import {type CpioEntry, cpioArchive} from './cpio.ts';
import type {InjectedFile} from './platforms/platform.ts';
import {requireTool} from './tools.ts';

/**
 * How the checks get into a guest whose image has none of them: as the user data of its cloud, or in a netboot set as a
 * site overlay in a second initial RAM disk. The artifact stays as it is.
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

/** Where user data leave the checks. */
const runFolder = '/run/fgimage-test';

/**
 * User data in cloud-init's boothook format: it runs early and leaves the image's own cloud-config alone
 * (cloudinit.readthedocs.io, "User data formats").
 */
export function userData(plan: string, instanceId: string): string {
  return `#cloud-boothook\n${startScript(plan, instanceId)}`;
}

/** A script that starts the checks, and leaves the id of the instance that it was meant for. */
export function startScript(plan: string, instanceId: string): string {
  const write = (path: string, text: string): readonly string[] => [
    `base64 -d >${path} <<'END'`,
    ...(Buffer.from(text, 'utf8')
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    'END',
  ];
  return [
    '#!/bin/sh',
    'set -eu',
    `mkdir -p ${runFolder} /run/systemd/system`,
    `echo ${instanceId} >${runFolder}/instance`,
    ...write(`${runFolder}/run-checks.sh`, guestScript()),
    ...write(`${runFolder}/plan`, plan),
    ...write(`/run/systemd/system/${unitName}`, unitText(runFolder)),
    'systemctl daemon-reload',
    `systemctl start --no-block ${unitName}`,
    '',
  ].join('\n');
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

export interface Injection {
  /** A raw disk, which is changed. */
  readonly disk: string;
  /** Where its root file system begins, an ext4. */
  readonly offsetBytes: number;
  readonly files: readonly InjectedFile[];
  /** A private folder. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** Writes files into the root of a disk, for infrastructures that do so themselves. */
export async function injectFiles({disk, offsetBytes, files, folder, signal}: Injection): Promise<void> {
  const commands = files.flatMap(({path, mode}, index) => [
    `rm ${path}`,
    `write "${join(folder, `injected-${index}`)}" ${path}`,
    `set_inode_field ${path} mode 0${(0o100000 | mode).toString(8)}`,
    `set_inode_field ${path} uid 0`,
    `set_inode_field ${path} gid 0`,
  ]);
  for (const [index, {content}] of files.entries())
    await writeFile(join(folder, `injected-${index}`), content);
  const script = join(folder, 'debugfs');
  await writeFile(script, [...foldersOf(files).map((path) => `mkdir ${path}`), ...commands, ''].join('\n'));
  await requireTool('debugfs', ['-w', '-f', script, `${disk}?offset=${offsetBytes}`], {signal});
}

/** Every folder above; debugfs(8) says of one that is there that it is, and goes on. */
function foldersOf(files: readonly InjectedFile[]): readonly string[] {
  const folders = new Set<string>();
  for (const {path} of files) {
    const parts = path.split('/');
    for (let depth = 2; depth < parts.length; depth += 1) folders.add(parts.slice(0, depth).join('/'));
  }
  return [...folders];
}
