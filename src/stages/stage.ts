import type {RemotePackages} from '../../cache/remote/packages.ts';
import type {RunFolder, Store} from '../../cache/store.ts';
import type {StageNode} from '../plan/graph.ts';
import type {StageKey} from '../plan/key.ts';
import type {Result} from '../result.ts';
import type {CheckResult, StageFailure} from '../run/events.ts';
import type {CommandLog} from '../sandbox/process.ts';
import type {JsonObject} from '../spec/image.ts';

/** What a stage gets to run with. */
export interface StageContext {
  readonly node: StageNode;
  readonly key: StageKey;
  /** Outputs of the stages it depends on, by stage id. */
  readonly inputs: ReadonlyMap<string, StageOutput>;
  readonly store: Store;
  readonly run: RunFolder;
  /** Whether the network is off limits. */
  readonly offline: boolean;
  /** The package store of the remote cache, where there is one. */
  readonly remotePackages?: RemotePackages | undefined;
  /** Folder of the project: the one that holds the spec. */
  readonly projectDir: string;
  /** Private scratch folder, removed with the run. */
  readonly work: string;
  /** Empty folder that becomes the stage's output by its content. */
  readonly output: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
  /** Absolute paths of the host's programs named in the node's `tools`. */
  readonly tool: (name: string) => string;
  /**
   * Whether it is known what the stage gives when `refinement`, which it found out, stands in the place of the inputs
   * `instead`: packages resolved from newer lists are often the same. Then the stage is to end at once.
   */
  readonly isKnown: (refinement: JsonObject, ...instead: readonly string[]) => boolean;
  readonly progress: (message: string, fraction?: number) => void;
  readonly warn: (message: string, hint?: string) => void;
}

export interface StageOutput {
  readonly digest: string;
  /** Folder with the content. */
  readonly path: string;
  /** The small JSON value that the stage handed down beside its content. */
  readonly result: JsonObject;
}

export interface StageSuccess {
  readonly result: JsonObject;
  readonly checks?: readonly CheckResult[];
}

export interface StageRefusal {
  readonly failure: StageFailure;
  readonly checks?: readonly CheckResult[];
}

export type StageRunner = (context: StageContext) => Promise<Result<StageSuccess, StageRefusal>>;
