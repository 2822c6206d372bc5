import {hasRpms} from '../rpm-tree.ts';
import type {StageContext} from '../stage.ts';

/** What a distribution calls the files that it boots from: Debian and its kin one way, those of rpm packages another. */
export interface BootNames {
  /** GRUB's folder below /boot, and what its programs begin with. */
  readonly grub: 'grub' | 'grub2';
  readonly initrd: (version: string) => string;
  /** Whether later kernels get an entry each in /boot/loader/entries (Boot Loader Specification). */
  readonly hasEntries: boolean;
}

export const debianNames: BootNames = {
  grub: 'grub',
  initrd: (version) => `initrd.img-${version}`,
  hasEntries: false,
};

export const rpmNames: BootNames = {
  grub: 'grub2',
  initrd: (version) => `initramfs-${version}.img`,
  hasEntries: true,
};

export function bootNames({node}: Pick<StageContext, 'node'>): BootNames {
  return hasRpms(node) ? rpmNames : debianNames;
}
