/**
 * `fgimage.lock` as data: everything that the stages of a spec install, resolved. No host stands in it: paths are
 * relative to the root of an archive, and where that is says the spec or the host (`archiveUris`). Written and read by
 * `src/lock/file.ts`, made by `src/lock/resolve.ts`.
 */
export interface Lock {
  readonly version: 1;
  /** Package archives as they were asked, by the name of their `archive` stage, e.g. `debian-bookworm`. */
  readonly archives: Readonly<Record<string, LockedArchive>>;
  /** What each stage that installs packages asked for and got, by stage id, e.g. `customize:web/packages`. */
  readonly stages: Readonly<Record<string, LockedStage>>;
  /** SHA-256 of the project's files that provisioners run, by image and path. */
  readonly sources: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A set of suites, and the packages that the stages take from them. */
export interface LockedArchive {
  readonly os: LockedOs;
  readonly suites: readonly LockedSuite[];
  /** By name, then version, then architecture. */
  readonly packages: readonly LockedPackage[];
}

export interface LockedOs {
  readonly distribution: string;
  readonly release: string;
  readonly architecture: string;
  readonly snapshot?: string;
}

/** One suite of an archive at one moment: its Release file. */
export interface LockedSuite {
  readonly name: string;
  /** Which archive it is of: `main`, `security`, or the name of a repository of the spec. */
  readonly origin: string;
  readonly components: readonly string[];
  /** The Release file's `Date`, ISO 8601 in UTC. */
  readonly date: string;
  /** SHA-256 of the InRelease file. */
  readonly sha256: string;
}

/** A .deb by digest. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** `main`, `security`, or the name of a repository of the spec: whose root `path` is relative to. */
  readonly origin: string;
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface LockedStage {
  /** A key of `archives`. */
  readonly archive: string;
  /** What was asked for, as apt-get(8) is told; the spec has moved on where it asks for something else. */
  readonly install: readonly string[];
  readonly remove: readonly string[];
  /** What is installed: a package's name, or `name=version` where the archive's section has several versions. */
  readonly packages: readonly string[];
  /** Names of those that the archive calls required, whatever their control files say: of a base only. */
  readonly required?: readonly string[];
}

/** The stage of the tools image (docs/architecture.md). */
export const toolsStage = 'tools';

/** Which tools image a stage makes, by its id; undefined for a stage of another kind. */
export function toolsName(stage: string): {readonly name?: string} | undefined {
  if (stage === toolsStage) return {};
  return stage.startsWith(`${toolsStage}:`) ? {name: stage.slice(toolsStage.length + 1)} : undefined;
}

/** The file beside the spec. */
export const lockFileName = 'fgimage.lock';

/** The name apt gives a .deb in its cache: epochs' colons are `%3a`. */
export function debFileName({
  name,
  version,
  architecture,
}: Pick<LockedPackage, 'name' | 'version' | 'architecture'>): string {
  return `${name}_${version.replaceAll(':', '%3a')}_${architecture}.deb`;
}
