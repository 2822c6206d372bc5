import type {Filesystem} from '../../../targets/contract.ts';
import {type BootNames, debianNames} from './boot-names.ts';

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
  /** What GRUB and initial RAM disks are called there; absent: as Debian calls them. */
  readonly names?: BootNames;
  readonly table: 'gpt' | 'mbr';
}

export interface GrubConfig extends GrubPlace {
  readonly rootUuid: string;
  readonly cmdline: string;
  readonly kernels: readonly string[];
  readonly title: string;
  /** The class of its menu entries, which themes have icons for. */
  readonly menuClass: string;
  /** Whether GRUB has a serial port of its own; else it is the firmware's console that goes there. */
  readonly serial: boolean;
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

/** grub.cfg in GRUB's folder for the first boots; the guest writes its own over it. */
export function grubConfig(config: GrubConfig): string {
  const {bootUuid, folder, kernels, title, menuClass, serial, names = debianNames} = config;
  const entry = (
    version: string,
    name: string,
  ): string => `menuentry '${name}' --class ${menuClass} --class gnu-linux {
\tlinux ${folder}/vmlinuz-${version} ${kernelWords(config)}
\tinitrd ${folder}/${names.initrd(version)}
}
`;
  const entries = kernels
    .map((version, index) => entry(version, index === 0 ? title : `${title}, Linux ${version}`))
    .join('');
  return `# Written by fgimage. ${names.hasEntries ? 'grub2-mkconfig replaces it from /etc/default/grub' : 'update-grub replaces it from /etc/default/grub and /etc/default/grub.d'}.
set default=0
set timeout=1
${serial ? serialTerminal : ''}insmod ${tableModules[config.table]}
insmod ${filesystemModules[config.filesystem]}
search --no-floppy --fs-uuid --set=root ${bootUuid}
${names.hasEntries ? withLoaderEntries(entries) : entries}`;
}

function kernelWords({rootUuid, cmdline}: Pick<GrubConfig, 'rootUuid' | 'cmdline'>): string {
  return `root=UUID=${rootUuid} ro ${cmdline}`;
}

/**
 * The menu of the entries in /boot/loader/entries, where kernel-install(8) adds later kernels, and the one that it notes
 * down in grubenv first. A GRUB of BIOS without that command has the kernels of now; the signed one of UEFI has it built in.
 */
function withLoaderEntries(entries: string): string {
  return `if [ -s $prefix/grubenv ]; then
load_env
fi
if [ -n "\${saved_entry}" ]; then
set default="\${saved_entry}"
fi
set entries=
if [ "$grub_platform" = efi ]; then
set entries=1
fi
if [ -f $prefix/i386-pc/blscfg.mod ]; then
set entries=1
fi
if [ -n "$entries" ]; then
insmod blscfg
blscfg
else
${entries}fi
`;
}

/** An entry of the Boot Loader Specification as GRUB's blscfg reads it, and its name in /boot/loader/entries. */
export function loaderEntry(
  version: string,
  config: GrubConfig & {readonly names: BootNames},
): {readonly fileName: string; readonly content: string} {
  const {folder, names, title, menuClass} = config;
  return {
    // No machine has this id: it stands for all that the image will be.
    fileName: `${'f'.repeat(32)}-${version}.conf`,
    content: `title ${title} (${version})
version ${version}
linux ${folder}/vmlinuz-${version}
initrd ${folder}/${names.initrd(version)}
options ${kernelWords(config)}
grub_users $grub_users
grub_arg --unrestricted
grub_class ${menuClass}
`,
  };
}

const serialTerminal = `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
`;

/** What the core image of BIOS does first. */
export function coreConfig({bootUuid, folder, names = debianNames}: GrubPlace): string {
  return `search.fs_uuid ${bootUuid} root
set prefix=($root)${folder}/${names.grub}
`;
}

/** EFI/<vendor>/grub.cfg on the ESP: leads the signed GRUB to the one beside the kernels. */
export function espGrubConfig(place: GrubPlace): string {
  return `${coreConfig(place)}configfile $prefix/grub.cfg
`;
}
