import type {z} from 'zod';
import type {Image, JsonObject} from '../src/spec/image.ts';

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

/** A partitioned disk. */
export interface DiskPackPlan {
  readonly kind: 'disk';
  readonly format: 'qcow2' | 'raw';
  /** Name of the file in the artifact folder. */
  readonly fileName: string;
  /** Virtual size; absent: fitted to the tree. */
  readonly sizeBytes?: number;
  readonly firmware: 'bios' | 'uefi' | 'both';
  readonly cmdline: string;
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

/** One way of booting the artifact in `test:<target>`. */
export type BootPlan =
  | {
      readonly kind: 'disk';
      readonly name: string;
      readonly firmware: 'bios' | 'uefi';
      readonly seed: 'nocloud';
      readonly memoryMiB: number;
    }
  | {readonly kind: 'netboot'; readonly name: string; readonly memoryMiB: number};
