import type {LockedPackage, LockedSuite} from '../lock/lock.ts';
import type {JsonObject, Os} from '../spec/image.ts';

export type StageKind =
  | 'archive'
  | 'base'
  | 'repositories'
  | 'packages'
  | 'settings'
  | 'files'
  | 'users'
  | 'provision'
  | 'services'
  | 'adapt'
  | 'initramfs'
  | 'pack'
  | 'sbom'
  | 'test'
  | 'vet';

/** A node of the graph: pure data. `src/stages` knows how each kind runs. */
export interface StageNode {
  /** Unique in a plan, e.g. `customize:web/packages`; what events and people call it. */
  readonly id: string;
  readonly kind: StageKind;
  readonly title: string;
  readonly image?: string;
  readonly target?: string;
  /** Stages whose output digests are in the key, in order. */
  readonly dependsOn: readonly string[];
  /** Of those, the ones whose trees are stacked below this stage, the lowest first. */
  readonly layers: readonly string[];
  /** Version of the implementation. */
  readonly version: number;
  readonly params: JsonObject;
  /** SHA-256 of the project's files that it reads, by path relative to the project. */
  readonly files: Readonly<Record<string, string>>;
  /** The host's programs that it runs and that shape its output. */
  readonly tools: readonly string[];
  /** The stage whose tree its programs come from, in the place of the host's; among `dependsOn`. */
  readonly toolsFrom?: string;
  /** The environment that its commands are given. */
  readonly environment: Readonly<Record<string, string>>;
  readonly salt?: string;
  /** Where a parameter was written in the spec: paths in the image's section, by path in `params`. */
  readonly origins: readonly Origin[];
  /** What fgimage.lock has it install; absent: it asks the archive stage that it depends on first. */
  readonly locked?: LockedInstall;
  /** The options that `params` were made from, as explanations show them; no part of the key. */
  readonly notes?: JsonObject;
}

/** A parameter and the place in the image's section of the spec that it comes from. */
export interface Origin {
  /** e.g. `['install']`: whatever lies below this comes from `spec` too. */
  readonly param: readonly (string | number)[];
  /** e.g. `['packages']`. */
  readonly spec: readonly (string | number)[];
}

/** The packages of a stage as fgimage.lock names them, and where they may be had. Their digests are in `params`. */
export interface LockedInstall {
  readonly packages: readonly LockedPackage[];
  /** Names of those that the archive itself calls required: what a base begins with. */
  readonly required: readonly string[];
  /** Roots of the archives by origin, as the spec or this host has them. */
  readonly roots: Readonly<Record<string, string>>;
  readonly os: Os;
  readonly suites: readonly LockedSuite[];
}
