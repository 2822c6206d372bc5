import type {PackedSystem} from '../../plan/packed-system.ts';
import type {Os} from '../../spec/image.ts';
import type {StageContext} from '../stage.ts';

export function systemOf({node}: Pick<StageContext, 'node'>): PackedSystem {
  return node.params['system'] as unknown as PackedSystem;
}

/** Names of boot loaders by architecture (UEFI 2.10, 3.5.1.1, removable media; GRUB's platforms; systemd-boot(7)). */
export interface EfiNames {
  /** What ends the names of loaders: shimx64.efi, grubx64.efi, linuxx64.efi.stub. */
  readonly suffix: string;
  /** What firmware starts from a disk that it has no entry for. */
  readonly removable: string;
}

const efiNames: Readonly<Record<Os['architecture'], EfiNames>> = {
  amd64: {suffix: 'x64', removable: '/EFI/BOOT/BOOTX64.EFI'},
  arm64: {suffix: 'aa64', removable: '/EFI/BOOT/BOOTAA64.EFI'},
};

export function efiNamesOf({architecture}: PackedSystem): EfiNames {
  return efiNames[architecture];
}
