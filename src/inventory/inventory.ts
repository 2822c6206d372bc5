/**
 * `inventory.json` as data: what is inside an image, as the image itself tells it. Made by the `sbom` stage
 * (src/stages/sbom), read by `fgimage diff` and the documents of src/inventory. Holds no times, no names of an image or
 * of a host, and no secret: of a password only whether there is one. Every list is sorted as its comment says, so that
 * two equal trees give two equal files.
 */
export interface Inventory {
  readonly version: typeof inventoryVersion;
  readonly os: InventoryOs;
  /** By name, then architecture. */
  readonly packages: readonly InventoryPackage[];
  /** Kernels in /boot, the newest first. */
  readonly kernels: readonly string[];
  /** By name. */
  readonly users: readonly InventoryUser[];
  /** By name. */
  readonly groups: readonly InventoryGroup[];
  /** Units of systemd that are enabled, or masked, and those that could be enabled and are not; by name. */
  readonly units: readonly InventoryUnit[];
  /** Files with the set-user-ID or the set-group-ID bit, whoever owns them; by path. */
  readonly setuid: readonly InventorySetuid[];
  readonly files: {
    /** What no package brought (docs/reference/sbom.md tells what is left out); by path. */
    readonly unowned: readonly InventoryFile[];
    /** Configuration files of packages that are not, or no longer, what the package brought; by path. */
    readonly changed: readonly InventoryChangedFile[];
  };
  readonly size: InventorySize;
}

/** Raised when the meaning of a field changes; fields may be added without. */
export const inventoryVersion = 1;

/** os-release(5). */
export interface InventoryOs {
  /** `ID`, e.g. `debian`. */
  readonly id: string;
  /** `VERSION_ID`, e.g. `12`; empty for a release that has none. */
  readonly version_id: string;
  /** `VERSION_CODENAME`, e.g. `bookworm`. */
  readonly codename: string;
  /** `PRETTY_NAME`. */
  readonly name: string;
  /** dpkg's own, e.g. `amd64`; rpm's, e.g. `x86_64`, where that has the packages. */
  readonly architecture: string;
}

/** An installed package: deb-control(5), and what apt and the package's copyright file tell beside it; or rpm's tags. */
export interface InventoryPackage {
  readonly name: string;
  readonly version: string;
  /** `amd64` or `all`; of rpm `x86_64` or `noarch`. */
  readonly architecture: string;
  readonly source: {readonly name: string; readonly version: string};
  readonly section: string;
  readonly priority: string;
  readonly maintainer: string;
  readonly homepage?: string;
  readonly essential: boolean;
  /** Came as a dependency of another (apt-mark(8)); false where apt knows nothing of it. */
  readonly automatic: boolean;
  /** The licences that its copyright file names, as SPDX ids or `LicenseRef-…`; sorted. Empty: it cannot be told. */
  readonly licences: readonly string[];
  /** The packages in this image that satisfy Pre-Depends and Depends, as `name` or, of a foreign architecture, `name:architecture`; sorted. */
  readonly depends: readonly string[];
  /** `Installed-Size`, in KiB. */
  readonly installed_size_kib: number;
  /** The .deb it came from, where that is known. */
  readonly deb?: InventoryDeb;
  /** The .rpm, of a package that is one. */
  readonly rpm?: InventoryDeb;
}

export interface InventoryDeb {
  /** Relative to the root of its archive, e.g. `pool/main/b/bash/bash_5.2.15-2+b7_amd64.deb`. */
  readonly path: string;
  readonly sha256: string;
}

/** passwd(5), and of shadow(5) whether a password lets somebody in. */
export interface InventoryUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** `locked`: none is accepted. `hash`: there is one. `empty`: none is needed. */
  readonly password: 'locked' | 'hash' | 'empty';
}

/** group(5). */
export interface InventoryGroup {
  readonly name: string;
  readonly gid: number;
  /** As the file lists them, sorted; users whose primary group it is are not among them. */
  readonly members: readonly string[];
}

export interface InventoryUnit {
  /** e.g. `ssh.service`. */
  readonly name: string;
  /**
   * As the links in /etc/systemd/system tell. `disabled`: has an [Install] section that nobody followed; a unit without
   * one, which is started by others, is not told.
   */
  readonly state: 'enabled' | 'disabled' | 'masked';
}

export interface InventorySetuid {
  readonly path: string;
  /** Octal, four digits, e.g. `4755`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Whether a package brought it. */
  readonly owned: boolean;
}

export interface InventoryFile {
  readonly path: string;
  /** `other`: a device, a socket, a pipe. Folders are not told. */
  readonly type: 'file' | 'link' | 'other';
  /** Octal, four digits, e.g. `0644`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** Of a file. */
  readonly size_bytes?: number;
  /** Of a file. */
  readonly sha256?: string;
  /** Of a link: where it leads. */
  readonly target?: string;
}

export interface InventoryChangedFile {
  readonly path: string;
  readonly package: string;
  readonly state: 'changed' | 'removed';
  /** Absent where it was removed. */
  readonly sha256?: string;
}

export interface InventorySize {
  /** Bytes of all regular files, by every name that they have. */
  readonly bytes: number;
  readonly files: number;
  readonly links: number;
  readonly folders: number;
  /** Sum of the packages' `Installed-Size`. */
  readonly packages_kib: number;
}

/** The files of the `sbom` stage's output, and of `artifacts/<image>/<target>`. */
export const documentNames = {
  inventory: 'inventory.json',
  spdx: 'sbom.spdx.json',
  cyclonedx: 'sbom.cdx.json',
} as const;
