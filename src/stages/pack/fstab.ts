import type {Filesystem} from '../../../targets/contract.ts';
import type {DiskParts} from './layout.ts';

/** Options and the pass of fsck, fstab(5): xfs and btrfs are checked by their own tools only. */
const rows: Readonly<Record<Filesystem, {readonly options: string; readonly pass: number}>> = {
  ext4: {options: 'defaults', pass: 2},
  xfs: {options: 'defaults', pass: 0},
  btrfs: {options: 'defaults', pass: 0},
};

/** /etc/fstab: the root, what is mounted in it, the EFI system partition, swap. */
export function fstab({volumes, esp, swap}: DiskParts): string {
  const lines = volumes.map(({path, filesystem, uuid}) => {
    const {options, pass} = rows[filesystem];
    if (path !== '/') return `UUID=${uuid} ${field(path)} ${filesystem} ${options} 0 ${String(pass)}`;
    return filesystem === 'ext4'
      ? `UUID=${uuid} / ext4 errors=remount-ro 0 1`
      : `UUID=${uuid} / ${filesystem} ${options} 0 0`;
  });
  if (esp !== undefined) {
    const id = `${esp.id.slice(0, 4)}-${esp.id.slice(4)}`.toUpperCase();
    lines.push(`UUID=${id} /boot/efi vfat umask=0077,nofail 0 2`);
  }
  if (swap !== undefined) lines.push(`UUID=${swap.uuid} none swap sw 0 0`);
  return `${lines.join('\n')}\n`;
}

/** Blanks and backslashes are written in octal. */
function field(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
