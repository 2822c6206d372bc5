import type {RemoteCache} from '../../cache/remote/remote-cache.ts';
import type {Store} from '../../cache/store.ts';
import type {Reason} from '../plan/explain.ts';
import type {StageKind, StageNode} from '../plan/graph.ts';
import type {StageKey} from '../plan/key.ts';
import type {StageOutput, StageRunner} from '../stages/stage.ts';
import type {RunEvent, StageFailure} from './events.ts';
import type {Pools} from './pools.ts';
import type {Known, Resolution} from './resolve.ts';
import type {RunScope} from './scope.ts';
import type {HostTools} from './tools.ts';

export interface EngineOptions {
  readonly nodes: readonly StageNode[];
  readonly store: Store;
  readonly scope: RunScope;
  readonly tools: HostTools;
  readonly remote?: RemoteCache | undefined;
  readonly projectDir: string;
  /** Whether a file of the project is no longer what it was when it was planned with. */
  readonly hasChanged: (path: string) => boolean;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
  readonly pools: Pools;
  /** What the first failure does: `fast` ends the run at once, `finish` starts nothing more, `continue` goes on with what does not depend on it. */
  readonly fail: FailMode;
  /** Stages that run even though their key is known: `--force`, and `--refresh` for package lists. */
  readonly force: (node: StageNode) => boolean;
  /** Whether records are read (`--no-cache`: not). */
  readonly readCache: boolean;
  /** Whether a stage with this key has failed before and is not to be tried again. */
  readonly failedBefore: (key: string) => boolean;
  /** Whether a record signed with this key counts. */
  readonly trusts: (keyId: string) => boolean;
  /** Whether the content of a hit is wanted for its own sake: an artifact that was not handed out yet. */
  readonly wanted: (node: StageNode, digest: string) => boolean;
  /** How long a stage takes, by its history. */
  readonly estimateMs: (node: StageNode) => number;
  /** Digest of what a stage of this id gave the last time it was known. */
  readonly lastDigest: (stage: string) => string | undefined;
  /** Why a stage runs, for people. */
  readonly reasonsFor: (
    node: StageNode,
    resolution: Resolution,
    purged: Known | undefined,
  ) => Promise<readonly Reason[]>;
  /** Keeps the work of a stage that ended so; gives where. */
  readonly keepWork: KeepWork;
  /** Whether stages may not use the network; absent: they may. */
  readonly offline?: boolean;
  /** How each kind of stage runs; absent: as src/stages/registry.ts says. */
  readonly runnerOf?: (kind: StageKind) => Promise<StageRunner>;
  /** Asked once, when the package lists are there and before any other stage runs: a failure ends the run. */
  readonly gate: (outputOf: (stage: string) => StageOutput | undefined) => Promise<StageFailure | undefined>;
}

export type FailMode = 'fast' | 'finish' | 'continue';
export type KeepWork = 'never' | 'on-failure' | 'always';

/** What became of a stage. */
export type StageState =
  | {
      readonly state: 'cached' | 'run';
      readonly key: StageKey;
      readonly output: StageOutput;
      readonly durationMs: number;
    }
  | {readonly state: 'failed'; readonly failure: StageFailure; readonly durationMs: number}
  | {readonly state: 'skipped'; readonly because?: string};
