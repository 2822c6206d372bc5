import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {Os} from './image.ts';

/** `templates/<distribution>/template.json`: a distribution as data. */
export interface DistributionTemplate {
  /** As people call it, in boot menus. */
  readonly title: string;
  /** `none`: fgimage installs nothing. Of what is neither apt's nor dnf's a root is imported, never made. */
  readonly package_manager: 'apt' | 'dnf' | 'apk' | 'none';
  /** Login shell of users, and what a container runs; absent: bash. */
  readonly shell?: string;
  /** What a base holds beside what its bootstrap brings by itself. */
  readonly packages: readonly string[];
  /** The kernel package by architecture: there is no other architecture of this distribution. */
  readonly kernel: Readonly<Record<string, string>>;
  /** Installed with every kernel. */
  readonly kernel_packages: readonly string[];
  /** Its folder in the EFI system partition, which its signed GRUB looks into. */
  readonly efi_vendor: string;
  /** The packages behind the words that targets use. A word that is not here is the name of a package. */
  readonly package_names?: PackageNames;
  /** Of a distribution whose package manager is apt. */
  readonly apt?: AptTemplate;
  /** Of one whose package manager is dnf. */
  readonly dnf?: DnfTemplate;
  /** Of one whose roots are only imported: the targets that can be made of them. */
  readonly targets?: readonly string[];
  readonly releases: Readonly<Record<string, Release>>;
  /** Of one whose package manager is apk: the folders of a release's repositories below the mirror, `{release}` in them. */
  readonly apk?: readonly string[];
  /** Of what is not told by releases, in their place. */
  readonly any_release?: Release;
}

export interface AptTemplate {
  /** mmdebstrap(1), --variant. */
  readonly variant: string;
  /** Keyring of the archive, the same path on the host and in the image. */
  readonly keyring: string;
  /** The package of a host that brings the keyring. */
  readonly keyring_package: string;
  readonly components: readonly string[];
  /** Where the security suites are: in an archive of their own beside `…/debian`, or among the others. */
  readonly security: 'sibling' | 'same';
  /** The architectures of its main archive, where the others have one elsewhere. */
  readonly main_architectures?: readonly string[];
}

export interface DnfTemplate {
  /** Repositories below the mirror. In `path`, `{release}` and `{machine}` stand for those of the OS. */
  readonly repositories: readonly {readonly id: string; readonly path: string}[];
  /** Whether repodata/repomd.xml has a signature beside it; packages always have theirs. */
  readonly signed_metadata: boolean;
  /** The targets that know its ways; of those that fgimage brings, it has no others. */
  readonly targets: readonly string[];
  /** Where a host may have the keys, `{release}` as above; those count that are there. */
  readonly keys: readonly string[];
}

/** What of dnf and rpm differs between releases. */
export interface DnfRelease {
  /** Folder of rpm's database in the image (`%_dbpath`). */
  readonly database: string;
  /** The oldest rpm that installs its packages as they are meant. */
  readonly least_rpm: string;
  /** For what modules are meant (`module_platform_id` of dnf.conf(5)). */
  readonly platform: string;
}

/** By a word of targets: packages, or packages by architecture. */
export type PackageNames = Readonly<
  Record<string, readonly string[] | Readonly<Record<string, readonly string[]>>>
>;

export interface Release {
  readonly version: string;
  /** Further words for it, e.g. `testing`. */
  readonly aliases?: readonly string[];
  /** Seconds since the epoch of the release's day: the time that everything written by a build carries. */
  readonly source_date_epoch: number;
  /** Suites of an apt archive, the one to bootstrap from first. */
  readonly suites: readonly string[];
  /** Absent where it has no security suite. */
  readonly security?: string;
  /** What differs from the distribution's other releases. */
  readonly package_names?: PackageNames;
  /** Of a distribution whose package manager is dnf. */
  readonly dnf?: DnfRelease;
}

export function readTemplate(distribution: Os['distribution']): DistributionTemplate {
  return JSON.parse(
    readFileSync(join(packageRoot, 'templates', distribution, 'template.json'), 'utf8'),
  ) as DistributionTemplate;
}

export function releaseOf(template: DistributionTemplate, os: Pick<Os, 'distribution' | 'release'>): Release {
  const release = template.releases[os.release] ?? template.any_release;
  if (release === undefined)
    throw new Error(`The template of ${os.distribution} has no release ${os.release}`);
  return release;
}

/** Whether there is no way to a root of it but to import one. */
export function isOnlyImported({package_manager: manager}: DistributionTemplate): boolean {
  return manager === 'apk' || manager === 'none';
}

export function aptOf({title, apt}: DistributionTemplate): AptTemplate {
  if (apt === undefined) throw new Error(`The template of ${title} says nothing of apt`);
  return apt;
}

export function dnfOf({title, dnf}: DistributionTemplate): DnfTemplate {
  if (dnf === undefined) throw new Error(`The template of ${title} says nothing of dnf`);
  return dnf;
}

export function dnfReleaseOf(
  template: DistributionTemplate,
  os: Pick<Os, 'distribution' | 'release'>,
): DnfRelease {
  const {dnf} = releaseOf(template, os);
  if (dnf === undefined)
    throw new Error(`The template of ${template.title} says nothing of rpm in ${os.release}`);
  return dnf;
}

/** `templates/debian/tools.json`: the image whose programs shape the bytes of a locked build (docs/architecture.md). */
export interface ToolsTemplate {
  readonly os: Os;
  /** mmdebstrap(1), --variant. */
  readonly variant: string;
  readonly packages: readonly string[];
}

/** The tools image; with a name, the one of a provisioner (`tools-<name>.json`). */
export function readTools(name?: string): ToolsTemplate {
  const file = name === undefined ? 'tools.json' : `tools-${name}.json`;
  return JSON.parse(readFileSync(join(packageRoot, 'templates/debian', file), 'utf8')) as ToolsTemplate;
}
