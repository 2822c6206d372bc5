import type {z} from 'zod';
import type {Image, JsonObject} from '../src/spec/image.ts';
import type {OpenRegistrar} from './registrar.ts';

/**
 * What an infrastructure is to fgimage. A target says *what* is to be done, as data, so that it can be hashed and
 * explained; the engine (src/stages) does it. One folder per target, all alike: `index.ts` exports a `Target`,
 * `schema.ts` its options, `files/` what it puts into the image, README.md what it changes and why.
 */
export interface Target {
  readonly name: string;
  /** Raised whenever the same options would give another plan with the same inputs. */
  readonly version: number;
  adapt(image: Image, options: JsonObject): AdaptPlan;
  pack(image: Image, options: JsonObject): PackPlan;
  /** Ways of booting the artifact; none where nothing boots it: then it has no `test` stage. */
  boot(image: Image, options: JsonObject): readonly BootPlan[];
  /** How artifacts are made known to the infrastructure; absent: they are files, and nothing more. Loaded on demand. */
  readonly registrar?: () => Promise<OpenRegistrar>;
  /** What `register.name` is where the spec says nothing; absent: `{image}`. With `{digest}` where names are unique. */
  readonly usualName?: string;
}

/** The target's options under `targets.<name>`, without `type`. Kept in `schema.ts` so that zod loads on demand. */
export type TargetSchema = z.ZodType<JsonObject>;

/** What is added to the customized tree for one infrastructure. */
export interface AdaptPlan {
  /** Installed without recommended packages, on top of the customized tree. */
  readonly packages: readonly string[];
  /** Packages that the initial RAM disk needs: they are installed before it is made, `packages` beside it. */
  readonly initramfsPackages: readonly string[];
  readonly files: readonly TargetFile[];
  /** Files that the initial RAM disk's making reads, written before it is made (initramfs-tools(7) conf.d, hooks, scripts). */
  readonly initramfsFiles: readonly TargetFile[];
  readonly services: {
    readonly enable: readonly string[];
    readonly disable: readonly string[];
    readonly mask: readonly string[];
  };
}

export interface TargetFile {
  /** Absolute path in the image. */
  readonly path: string;
  readonly content: string;
  /** Octal, four digits. */
  readonly permissions: string;
}

/** Of a target that takes the customized tree as it is. */
export const nothingToAdapt: AdaptPlan = {
  packages: [],
  initramfsPackages: [],
  files: [],
  initramfsFiles: [],
  services: {enable: [], disable: [], mask: []},
};

export type PackPlan = DiskPackPlan | NetbootPackPlan | TarPackPlan | OciPackPlan;

export type Firmware = 'bios' | 'uefi' | 'both';
export type Filesystem = 'ext4' | 'xfs' | 'btrfs';
/** In qemu-img's words but for `vhd` (its `vpc`, fixed) and `vmdk` (streamOptimized). */
export type DiskFormat = 'qcow2' | 'raw' | 'vmdk' | 'vhd' | 'vdi';

/** A disk with the tree, and what is made of it. */
export interface DiskPackPlan {
  readonly kind: 'disk';
  readonly firmware: Firmware;
  /** `none`: whoever boots it brings the kernel. */
  readonly loader: 'grub' | 'systemd-boot' | 'none';
  readonly cmdline: string;
  readonly storage: StorageLayout;
  /** The files of the artifact; the first is the one that is booted and registered. */
  readonly outputs: readonly DiskOutput[];
}

/** How a disk is divided. The root comes last and takes what is left. */
export interface StorageLayout {
  /** `none`: the disk is the root file system. */
  readonly table: 'gpt' | 'mbr' | 'none';
  /** Virtual size; absent: fitted to the tree, with a third of it free (`minimal`: next to nothing free). */
  readonly sizeBytes?: number;
  readonly fit?: 'roomy' | 'minimal';
  /** The virtual size is a multiple of this. */
  readonly multipleOfBytes?: number;
  readonly root: {readonly filesystem: Filesystem};
  /** A `/boot` of its own. */
  readonly boot?: {readonly filesystem: Filesystem; readonly sizeBytes: number};
  readonly swapBytes?: number;
  readonly mounts: readonly {
    readonly path: string;
    readonly filesystem: Filesystem;
    readonly sizeBytes: number;
  }[];
}

export type DiskOutput = ImageOutput | TextOutput | BootFileOutput | ArchiveOutput;

/** The disk in a format. */
export interface ImageOutput {
  readonly kind: 'image';
  /** Name in the artifact folder, or in the archive. */
  readonly fileName: string;
  readonly format: DiskFormat;
  /** Compressed with gzip as a whole. */
  readonly gzip?: boolean;
}

/**
 * A text about the disk. In it stand `{{virtual-size-bytes}}`, `{{virtual-size-gib}}` (rounded up), `{{size:<file>}}`
 * and `{{sha256:<file>}}` of another output or member, and `{{uuid:<word>}}`, derived from what is packed.
 */
export interface TextOutput {
  readonly kind: 'text';
  readonly fileName: string;
  readonly template: string;
}

/** The kernel, or its initial RAM disk, beside the disk. */
export interface BootFileOutput {
  readonly kind: 'kernel' | 'initrd';
  readonly fileName: string;
}

/** A tar archive of images and texts, in this order. `oldgnu` keeps holes (tar(1), --sparse --format=oldgnu). */
export interface ArchiveOutput {
  readonly kind: 'archive';
  readonly fileName: string;
  readonly format: 'ustar' | 'oldgnu';
  readonly gzip?: boolean;
  readonly members: readonly (ImageOutput | TextOutput)[];
}

/** Kernel, initial RAM disk, root image and boot scripts for machines that boot over the network. */
export interface NetbootPackPlan {
  readonly kind: 'netboot';
  readonly cmdline: string;
  readonly compression: {readonly algorithm: 'zstd' | 'xz' | 'gzip'; readonly level?: number};
  /** Boot scripts beside the fixed names of `netbootFiles`, by path in the artifact folder. */
  readonly scripts: readonly {readonly path: string; readonly content: string}[];
}

/** The tree as one archive. */
export interface TarPackPlan {
  readonly kind: 'tar';
  /** Name of the file in the artifact folder. */
  readonly fileName: string;
  readonly compression: TarCompression;
}

export interface TarCompression {
  readonly algorithm: 'zstd' | 'gzip' | 'none';
  readonly level?: number;
}

/** A container image of one layer. */
export interface OciPackPlan {
  readonly kind: 'oci';
  readonly compression: {readonly algorithm: 'zstd' | 'gzip'};
  /** `config` of the image configuration (OCI image specification, config.md). */
  readonly config: JsonObject;
}

/** What a netboot set's files are called in the artifact folder. */
export const netbootFiles = {
  kernel: 'vmlinuz',
  initrd: 'initrd.img',
  rootfs: 'root.squashfs',
  ipxe: 'boot.ipxe',
} as const;

/**
 * Whom the test machine believes that it runs on: what gives it its identity, SSH key and user data. `nocloud`: a seed
 * disk; `none`: nothing but the checks.
 */
export type Platform =
  | 'nocloud'
  | 'openstack'
  | 'config-drive'
  | 'ec2'
  | 'eucalyptus'
  | 'opennebula'
  | 'nimbus'
  | 'azure'
  | 'gcp'
  | 'vmware';

/** One way of booting the artifact in `test:<target>`. */
export type BootPlan =
  | {
      readonly kind: 'disk';
      readonly name: string;
      readonly firmware: 'bios' | 'uefi';
      readonly platform: Platform;
      /** How the disk is attached; virtio where it is left out. */
      readonly bus?: 'virtio' | 'nvme' | 'scsi' | 'ide';
      /** The kernel and initial RAM disk among the outputs are started in the place of the firmware's loader. */
      readonly direct?: boolean;
      readonly memoryMiB: number;
    }
  | {readonly kind: 'netboot'; readonly name: string; readonly memoryMiB: number};
