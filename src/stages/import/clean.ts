import {chmodSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {basename, dirname} from 'node:path';
import type {TreeWriter} from './tree-writer.ts';

/**
 * Takes out of an imported root who it was: what tells machines apart, what a machine noted down of itself, and where it
 * came from. virt-sysprep(1)'s list, as far as it is no user's own data. `*` stands for a part of one name.
 */
const identity = [
  '/etc/resolv.conf',
  '/etc/hostname',
  '/etc/machine-id',
  '/etc/*-',
  '/etc/ssh/ssh_host_*',
  '/etc/udev/rules.d/70-persistent-net.rules',
  '/root/.bash_history',
  '/root/.python_history',
  '/root/.viminfo',
  '/root/.lesshst',
  '/var/cache/apt/*.bin',
  '/var/cache/ldconfig/aux-cache',
  '/var/lib/cloud/data',
  '/var/lib/cloud/instance',
  '/var/lib/cloud/instances',
  '/var/lib/cloud/sem',
  '/var/lib/dbus/machine-id',
  '/var/lib/dhcp/*.leases',
  '/var/lib/NetworkManager/*.lease',
  '/var/lib/NetworkManager/secret_key',
  '/var/lib/systemd/credential.secret',
  '/var/lib/systemd/random-seed',
  '/var/log/*.log',
  '/var/log/apt/*',
  '/var/log/journal/*',
  '/var/log/btmp',
  '/var/log/wtmp',
  '/var/log/lastlog',
  '/var/log/faillog',
  '/.dockerenv',
  '/run/.containerenv',
];

/** Of a disk only: names of its partitions. */
const diskIdentity = ['/etc/fstab', '/etc/crypttab'];

/** What a running system fills itself. */
const emptied = ['/dev', '/proc', '/run', '/sys', '/tmp', '/var/tmp'];

export function cleanTree(
  writer: TreeWriter,
  {isDisk, epoch}: {readonly isDisk: boolean; readonly epoch: number},
): void {
  for (const pattern of [...identity, ...(isDisk ? diskIdentity : [])]) {
    for (const path of matches(writer, pattern)) remove(path, epoch);
  }
  for (const path of emptied) empty(writer, path, epoch);
  const etc = writer.folder('/etc');
  if (etc === undefined) return;
  // Empty, so that it is made at first boot and can be bound over where the root is read-only (machine-id(5)).
  writeFileSync(inside(etc, 'machine-id'), '', {mode: 0o444, flag: 'wx'});
  utimesSync(inside(etc, 'machine-id'), epoch, epoch);
  utimesSync(etc, epoch, epoch);
}

/** The sandbox, and every system, mounts something there: it has to be a folder. */
function empty(writer: TreeWriter, path: string, epoch: number): void {
  const there = writer.find(path);
  const folder = writer.folder(path);
  if (folder !== undefined) {
    for (const name of names(folder)) rmSync(inside(folder, name), {recursive: true, force: true});
    utimesSync(folder, epoch, epoch);
    return;
  }
  const above = writer.folder(dirname(path));
  if (above === undefined || there !== undefined) return;
  const made = inside(above, basename(path));
  mkdirSync(made);
  chmodSync(made, path.endsWith('tmp') ? 0o1777 : 0o755);
  utimesSync(made, epoch, epoch);
  utimesSync(above, epoch, epoch);
}

function matches(writer: TreeWriter, pattern: string): readonly Buffer[] {
  const name = basename(pattern);
  if (!name.includes('*')) {
    const path = writer.find(pattern);
    return path === undefined ? [] : [path];
  }
  const folder = writer.folder(dirname(pattern));
  if (folder === undefined) return [];
  const [begin = '', end = ''] = name.split('*');
  return names(folder)
    .filter((one) => one.startsWith(begin) && one.endsWith(end) && one.length > begin.length + end.length - 1)
    .map((one) => inside(folder, one));
}

/** Names are bytes, here as latin1 text: read as UTF-8 they could be those of something else. */
function names(folder: Buffer): readonly string[] {
  return readdirSync(folder, {encoding: 'latin1'});
}

function inside(folder: Buffer, name: string): Buffer {
  return Buffer.concat([folder, Buffer.from(`/${name}`, 'latin1')]);
}

function remove(path: Buffer, epoch: number): void {
  rmSync(path, {recursive: true, force: true});
  utimesSync(path.subarray(0, path.lastIndexOf('/')), epoch, epoch);
}
