import {quote} from './diagnostic.ts';
import {sizeBytes} from './fields.ts';
import type {Reporter} from './report.ts';
import {positionOf} from './source.ts';
import {child, entriesAt, itemsAt, type Tree, textAt} from './tree.ts';

/** Whether the parts of `storage` fit each other, and the targets. */
export function checkStorage(body: Tree, report: Reporter): void {
  checkFit(body, report);
  checkLoader(body, report);
  checkPartitions(body, report);
  checkMounts(body, report);
  checkSizes(body, report);
}

function checkFit(body: Tree, report: Reporter): void {
  const fit = textAt(body, 'storage', 'fit');
  if (fit === undefined || textAt(body, 'storage', 'size') === undefined) return;
  report.at(fit.site, {
    message: '`fit` is how a disk without a size is fitted to its content, and storage has a `size`',
    hint: 'Remove one of them',
  });
}

function checkLoader(body: Tree, report: Reporter): void {
  const loader = textAt(body, 'storage', 'loader');
  if (loader?.value !== 'systemd-boot') return;
  if (textAt(body, 'storage', 'table')?.value === 'mbr')
    report.at(loader.site, {
      message: 'systemd-boot wants a GPT, and `table` is mbr',
      hint: 'Write `table: gpt`, or `loader: grub`',
    });
  for (const [, {value}] of entriesAt(body, 'targets')) {
    const firmware = textAt(value, 'firmware');
    if (firmware?.value !== 'bios') continue;
    report.at(firmware.site, {
      message: 'systemd-boot starts under UEFI only, and this target is for BIOS',
      hint: 'Write `firmware: uefi`, or `loader: grub` in storage',
    });
  }
}

/** Without the EFI system partition, which is the target's matter: with it the stage `pack` tells the same. */
function checkPartitions(body: Tree, report: Reporter): void {
  const table = textAt(body, 'storage', 'table');
  if (table?.value !== 'mbr') return;
  const storage = child(body, 'storage');
  const others = ['boot', 'swap'].filter((key) => storage !== undefined && child(storage, key) !== undefined);
  const count = 1 + others.length + itemsAt(body, 'storage', 'mounts').length;
  if (count <= 4) return;
  report.at(table.site, {
    message: `An MBR has room for four partitions, and storage has ${String(count)} with the root`,
    hint: 'Write `table: gpt`',
  });
}

/** Where the system itself puts something, or looks before it has mounted anything. */
const taken = /^\/(?:dev|proc|run|sys)(?:\/|$)|^\/(?:bin|etc|lib|lib32|lib64|sbin)$/;

function checkMounts(body: Tree, report: Reporter): void {
  const first = new Map<string, Tree>();
  for (const mount of itemsAt(body, 'storage', 'mounts')) {
    const path = textAt(mount, 'path');
    if (path === undefined) continue;
    const before = first.get(path.value);
    const problem =
      before === undefined ? mountProblem(path.value) : twice(path.value, positionOf(before.site).line);
    if (problem !== undefined) report.at(path.site, problem);
    if (before === undefined) first.set(path.value, path);
  }
}

function mountProblem(path: string): {readonly message: string; readonly hint: string} | undefined {
  if (path === '/boot')
    return {message: 'A partition for /boot is `boot` of storage', hint: 'Write `boot: {size: 1GiB}`'};
  if (path === '/boot/efi' || path.startsWith('/boot/efi/'))
    return {
      message: `${path} lies in the EFI system partition, which the target makes`,
      hint: 'Remove it',
    };
  if (taken.test(path))
    return {message: `Nothing can be mounted on ${path}`, hint: 'Name a folder for data: /srv, /home, /var'};
  return undefined;
}

function twice(path: string, line: number): {readonly message: string; readonly hint: string} {
  return {
    message: `There are two mounts on ${quote(path)}, the first in line ${String(line)}`,
    hint: 'Remove one of them',
  };
}

const mebibyte = 2 ** 20;
/** MiB below which a file system has no room for its own structures. */
const leastMiB: Readonly<Record<string, number>> = {ext4: 8, xfs: 96, btrfs: 128};

function checkSizes(body: Tree, report: Reporter): void {
  const usual = textAt(body, 'storage', 'filesystem')?.value ?? 'ext4';
  const boot =
    child(body, 'storage') === undefined ? undefined : child(child(body, 'storage') ?? body, 'boot');
  const parts: readonly (readonly [Tree | undefined, string])[] = [
    [boot, 'ext4'],
    ...itemsAt(body, 'storage', 'mounts').map((mount) => [mount, usual] as const),
  ];
  for (const [part, otherwise] of parts) {
    const size = textAt(part, 'size');
    const filesystem = textAt(part, 'filesystem')?.value ?? otherwise;
    const least = leastMiB[filesystem];
    if (size === undefined || least === undefined || !(sizeBytes(size.value) < least * mebibyte)) continue;
    report.at(size.site, {
      message: `${size.value} are too few for ${filesystem}`,
      hint: `Write ${String(least)}MiB or more`,
    });
  }
}
