/**
 * GRUB written into a disk image by hand, as grub-bios-setup(8) would do it on a device: the boot sector is told where
 * the core image lies, and the core image where its own rest lies (GRUB's grub-core/boot/i386/pc/boot.S and diskboot.S).
 */
export interface BiosBoot {
  /** boot.img of grub-pc-bin, 512 bytes. */
  readonly bootImage: Buffer;
  /** core.img of grub-mkimage -O i386-pc. */
  readonly coreImage: Buffer;
  /** First sector of the BIOS boot partition. */
  readonly firstSector: number;
}

const sectorBytes = 512;
/** Offset in boot.img of the core image's sector, 64 bits (GRUB_BOOT_MACHINE_KERNEL_SECTOR). */
const kernelSectorOffset = 0x5c;
/** Offset in boot.img of a jump that is replaced by no-ops, so that the BIOS's drive number is used (GRUB_BOOT_MACHINE_DRIVE_CHECK). */
const driveCheckOffset = 0x66;
/** Offset in core.img's first sector of its one block list entry: sector, 64 bits; count, 16 bits; segment, 16 bits. */
const blockListOffset = 0x1f4;
/** The part of boot.img before the disk signature and partition table of the MBR. */
const bootCodeBytes = 440;

/** Gives the bytes for the start of the disk and for the start of the BIOS boot partition. */
export function biosBootCode({bootImage, coreImage, firstSector}: BiosBoot): {
  readonly bootCode: Buffer;
  readonly core: Buffer;
} {
  const boot = Buffer.from(bootImage);
  boot.writeBigUInt64LE(BigInt(firstSector), kernelSectorOffset);
  boot.writeUInt16LE(0x9090, driveCheckOffset);
  const sectors = Math.ceil(coreImage.length / sectorBytes);
  const core = Buffer.alloc(sectors * sectorBytes);
  coreImage.copy(core);
  core.writeBigUInt64LE(BigInt(firstSector + 1), blockListOffset);
  core.writeUInt16LE(sectors - 1, blockListOffset + 8);
  return {bootCode: boot.subarray(0, bootCodeBytes), core};
}

export interface GrubConfig {
  readonly rootUuid: string;
  readonly cmdline: string;
  readonly kernels: readonly string[];
  readonly title: string;
}

/** /boot/grub/grub.cfg for the first boots; update-grub in the guest writes its own over it. */
export function grubConfig({rootUuid, cmdline, kernels, title}: GrubConfig): string {
  const entry = (
    version: string,
    name: string,
  ): string => `menuentry '${name}' --class debian --class gnu-linux {
\tlinux /boot/vmlinuz-${version} root=UUID=${rootUuid} ro ${cmdline}
\tinitrd /boot/initrd.img-${version}
}
`;
  return `# Written by fgimage. update-grub replaces it from /etc/default/grub and /etc/default/grub.d.
set default=0
set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
insmod part_gpt
insmod ext2
search --no-floppy --fs-uuid --set=root ${rootUuid}
${kernels.map((version, index) => entry(version, index === 0 ? title : `${title}, Linux ${version}`)).join('')}`;
}

/** EFI/debian/grub.cfg on the ESP: leads the signed GRUB to the one in the root file system. */
export function espGrubConfig(rootUuid: string): string {
  return `search.fs_uuid ${rootUuid} root
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
`;
}
