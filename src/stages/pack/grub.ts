import type {Filesystem} from '../../../targets/contract.ts';

/**
 * GRUB written into a disk image by hand, as grub-bios-setup(8) would do it on a device: the boot sector is told where
 * the core image lies, and the core image where its own rest lies (GRUB's grub-core/boot/i386/pc/boot.S and diskboot.S).
 */
export interface BiosBoot {
  /** boot.img of grub-pc-bin, 512 bytes. */
  readonly bootImage: Buffer;
  /** core.img of grub-mkimage -O i386-pc. */
  readonly coreImage: Buffer;
  /** First sector of the BIOS boot partition; 1 on a disk with an MBR, whose gap then holds it. */
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

/** Where GRUB finds its modules and the kernels. */
export interface GrubPlace {
  /** UUID of the file system with the kernels: that of `/boot` where it has one of its own. */
  readonly bootUuid: string;
  readonly filesystem: Filesystem;
  /** Path of /boot in it. */
  readonly folder: '/boot' | '';
  readonly table: 'gpt' | 'mbr';
}

export interface GrubConfig extends GrubPlace {
  readonly rootUuid: string;
  readonly cmdline: string;
  readonly kernels: readonly string[];
  readonly title: string;
}

const tableModules = {gpt: 'part_gpt', mbr: 'part_msdos'} as const;
const filesystemModules = {ext4: 'ext2', xfs: 'xfs', btrfs: 'btrfs'} as const;

/** What the core image needs to reach its other modules. */
export function coreModules({table, filesystem}: GrubPlace): readonly string[] {
  return [
    'biosdisk',
    tableModules[table],
    filesystemModules[filesystem],
    ...['search', 'search_fs_uuid', 'configfile', 'normal'],
  ];
}

/** /boot/grub/grub.cfg for the first boots; update-grub in the guest writes its own over it. */
export function grubConfig(config: GrubConfig): string {
  const {rootUuid, bootUuid, folder, cmdline, kernels, title} = config;
  const entry = (
    version: string,
    name: string,
  ): string => `menuentry '${name}' --class debian --class gnu-linux {
\tlinux ${folder}/vmlinuz-${version} root=UUID=${rootUuid} ro ${cmdline}
\tinitrd ${folder}/initrd.img-${version}
}
`;
  return `# Written by fgimage. update-grub replaces it from /etc/default/grub and /etc/default/grub.d.
set default=0
set timeout=1
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
insmod ${tableModules[config.table]}
insmod ${filesystemModules[config.filesystem]}
search --no-floppy --fs-uuid --set=root ${bootUuid}
${kernels.map((version, index) => entry(version, index === 0 ? title : `${title}, Linux ${version}`)).join('')}`;
}

/** What the core image of BIOS does first. */
export function coreConfig({bootUuid, folder}: GrubPlace): string {
  return `search.fs_uuid ${bootUuid} root
set prefix=($root)${folder}/grub
`;
}

/** EFI/debian/grub.cfg on the ESP: leads the signed GRUB to the one beside the kernels. */
export function espGrubConfig(place: GrubPlace): string {
  return `${coreConfig(place)}configfile $prefix/grub.cfg
`;
}
