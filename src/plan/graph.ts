import type {LockedPackage, LockedSuite} from '../lock/lock.ts';
import type {JsonObject, Os, Secret} from '../spec/image.ts';

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
  /** How a step of `provision` is run, beside what it does; no part of the key. */
  readonly step?: StepRun;
  /** The options that `params` were made from, as explanations show them; no part of the key. */
  readonly notes?: JsonObject;
}

/** What is no part of what a step of `provision` gives: another value of these runs nothing again. */
export interface StepRun {
  /** Where the values are that the step finds as files. */
  readonly secrets: readonly Secret[];
  /** What tells the folders that persist of one system from those of others. */
  readonly system?: string;
  /** Folders in the image that persist between runs. */
  readonly caches: readonly string[];
  readonly timeoutSeconds?: number;
  /** Folders of the project in which one file more may change what it reads. */
  readonly folders?: readonly string[];
  /** Lines of sources.list(5): where a step with a network gets packages, as this host does. */
  readonly aptSources?: readonly string[];
  /** The archive stage whose package lists such a step begins with. */
  readonly lists?: string;
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
