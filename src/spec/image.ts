import type {ImageBase} from './base.ts';
import type {PolicySettings} from './policy.ts';

/**
 * The abstract image: one entry of a spec after `extends`, `images`, `matrix`, `from` and the defaults are folded
 * in. Bound to no infrastructure. Plain JSON, in the spelling of fgimage.yaml, so that `fgimage config` prints it
 * and the cache keys hash it. Every list is present, empty where the spec has none; paths are relative to the
 * project folder (the folder of the spec), with forward slashes and no `..`.
 */
export interface Image {
  readonly name: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly os: Os;
  /** An existing image that it is built on, in the place of a root by the distribution's packages. */
  readonly base?: ImageBase;
  /** Another image of the same spec whose customized tree this one starts from. */
  readonly from?: string;
  readonly repositories: readonly Repository[];
  readonly packages: readonly PackageRequest[];
  readonly remove_packages: readonly string[];
  readonly groups: readonly Group[];
  readonly users: readonly User[];
  readonly write_files: readonly WriteFile[];
  readonly copy: readonly Copy[];
  readonly provision: readonly Provisioner[];
  readonly services: Services;
  readonly hostname?: string;
  readonly locale?: string;
  /** A name of the tz database, e.g. `Europe/Berlin`. */
  readonly timezone?: string;
  readonly kernel: Kernel;
  readonly storage: Storage;
  readonly tests: readonly ImageTest[];
  /** What must hold before it is registered, where the spec says anything of it. */
  readonly policy?: PolicySettings;
  readonly targets: readonly ImageTarget[];
}

export interface Os {
  /** A folder of `templates/`. */
  readonly distribution: string;
  /** The code name; the spec may say the version instead. Empty where the distribution is `other`. */
  readonly release: string;
  /** In Debian's words. */
  readonly architecture: 'amd64' | 'arm64';
  /** URI of an archive's root (the folder that holds `dists`). Absent: the host's own, else mmdebstrap's default. */
  readonly mirror?: string;
  /** The OpenPGP key of the archive, armored or binary: a file of the project. Absent: the distribution's keyring. */
  readonly signed_by?: string;
  /** UTC time of a snapshot of the archive, `YYYYMMDDTHHMMSSZ`. */
  readonly snapshot?: string;
  /**
   * Where packages of fgimage.lock are had that the mirror has no more: a URI with `@SNAPSHOTID@`, and `@PATH@` where it
   * serves several archives. Absent: what the host's apt knows.
   */
  readonly snapshots?: string;
}

/** A further repository, always verified against its own key: sources.list(5), deb822 style, or one of rpm packages. */
export interface Repository {
  readonly name: string;
  readonly uri: string;
  /** None where packages are installed by dnf. */
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** The OpenPGP key, armored or binary: a file of the project. */
  readonly signed_by: string;
  /** Of rpm packages, which always are signed: whether the metadata about them is not. */
  readonly unsigned_metadata?: boolean;
}

export interface PackageRequest {
  readonly name: string;
  /** An exact Debian version, as in `apt-get install name=version`. */
  readonly version?: string;
}

/** cloud-init's `groups`, as objects. */
export interface Group {
  readonly name: string;
  readonly gid?: number;
  readonly system?: boolean;
  readonly members: readonly string[];
}

/** cloud-init's `users`. */
export interface User {
  readonly name: string;
  readonly gecos?: string;
  readonly uid?: number;
  readonly primary_group?: string;
  readonly groups: readonly string[];
  readonly homedir?: string;
  readonly shell?: string;
  /** sudoers(5) rules for the user, without the user's name: `ALL=(ALL) NOPASSWD:ALL`. */
  readonly sudo: readonly string[];
  readonly ssh_authorized_keys: readonly string[];
  /** A crypt(5) hash, never a password. */
  readonly hashed_passwd?: string;
  /** Whether the password is locked; true unless a hash is given and this says false. */
  readonly lock_passwd: boolean;
  readonly system: boolean;
}

/** cloud-init's `write_files`. Exactly one of `content` and `source` is there. */
export interface WriteFile {
  /** Absolute path in the image. */
  readonly path: string;
  /** The text, decoded when the spec says `encoding: b64` (then `content_base64` holds the bytes instead). */
  readonly content?: string;
  readonly content_base64?: string;
  /** A file of the project. */
  readonly source?: string;
  /** `user:group` by name or number. */
  readonly owner: string;
  /** Octal, four digits, e.g. `0644`. */
  readonly permissions: string;
  readonly append: boolean;
}

/** Files and trees of the project. */
export interface Copy {
  /** fast-glob patterns or plain paths, relative to the project. */
  readonly source: readonly string[];
  /** Absolute folder in the image; for one plain file without a trailing slash here, the file's own path. */
  readonly path: string;
  readonly owner: string;
  /** Octal, four digits, for files; folders get the execute bits that go with it. Absent: the project's own. */
  readonly permissions?: string;
  readonly exclude: readonly string[];
}

/** One entry of `provision`: a step that runs in the image while it is built. */
export interface Provisioner {
  /** Which module of src/stages/provision runs it. */
  readonly kind: string;
  /** What its own key of the entry says, as that kind understands it, with every default filled in. */
  readonly options: JsonObject;
  /** For which targets it is run, by name or type; absent: for all. Other conditions are decided when the spec is read. */
  readonly when?: {readonly target: readonly string[]};
  /** Whether it has a network; then what it gives may be another each time. */
  readonly network: boolean;
  readonly secrets: readonly Secret[];
  /** Absolute folders in the image whose content persists between runs and is no part of the layer. */
  readonly caches: readonly string[];
  /** Absent: it may take as long as it likes. */
  readonly timeout_seconds?: number;
}

/** Shown to one step as the file `/run/secrets/<name>`. Its value is in no key; `version` is. */
export interface Secret {
  readonly name: string;
  /** Where the value is: a file, absolute or relative to the project, … */
  readonly file?: string;
  /** … or an environment variable of fgimage. */
  readonly env?: string;
  /** Stands in for the value in the key: whoever wants the step run again with another value changes it. */
  readonly version: string;
}

export interface Services {
  readonly enable: readonly string[];
  readonly disable: readonly string[];
  readonly mask: readonly string[];
}

export interface Kernel {
  /** A Debian kernel package; absent: the template's for the architecture. */
  readonly package?: string;
  /** Appended to the target's own kernel command line. */
  readonly cmdline?: string;
}

/** How the disk of targets that have one is divided; what is left out is the target's choice. */
export interface Storage {
  /** Virtual size of the disk in bytes; absent: fitted to the tree. */
  readonly size_bytes?: number;
  /** `minimal`: next to nothing is free; it grows at boot. */
  readonly fit?: 'roomy' | 'minimal';
  readonly table?: 'gpt' | 'mbr';
  /** Of the root. */
  readonly filesystem?: 'ext4' | 'xfs' | 'btrfs';
  readonly loader?: 'grub' | 'systemd-boot';
  /** A `/boot` of its own. */
  readonly boot?: {readonly filesystem: 'ext4' | 'xfs' | 'btrfs'; readonly size_bytes: number};
  readonly swap_bytes?: number;
  readonly mounts?: readonly {
    readonly path: string;
    readonly filesystem: 'ext4' | 'xfs' | 'btrfs';
    readonly size_bytes: number;
  }[];
}

/** A check in the booted image, goss's vocabulary. */
export type ImageTest =
  | {
      readonly kind: 'command';
      readonly command: string;
      readonly exit_status: number;
      /** Texts that stdout must contain. */
      readonly stdout: readonly string[];
    }
  | {
      readonly kind: 'service';
      readonly service: string;
      readonly running?: boolean;
      readonly enabled?: boolean;
    }
  | {
      readonly kind: 'port';
      readonly port: number;
      readonly protocol: 'tcp' | 'udp';
      readonly listening: boolean;
    }
  | {
      readonly kind: 'file';
      readonly file: string;
      readonly exists: boolean;
      readonly contains: readonly string[];
      readonly owner?: string;
      readonly permissions?: string;
    };

export interface ImageTarget {
  /** The key under `targets`. */
  readonly name: string;
  readonly type: string;
  /** The remaining options, validated by the target's own schema and with its defaults filled in. */
  readonly options: JsonObject;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}
