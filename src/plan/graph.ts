import type {JsonObject} from '../spec/image.ts';

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
  | 'test';

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
  /** The environment that its commands are given. */
  readonly environment: Readonly<Record<string, string>>;
  readonly salt?: string;
  /** Where a parameter was written in the spec: paths in the image's section, by path in `params`. */
  readonly origins: readonly Origin[];
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
