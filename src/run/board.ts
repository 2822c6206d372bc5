import type {Store} from '../../cache/store.ts';
import type {StageNode} from '../plan/graph.ts';
import type {KeyParts, StageKey} from '../plan/key.ts';
import type {JsonObject} from '../spec/image.ts';
import type {StageOutput} from '../stages/stage.ts';
import type {EngineOptions, StageState} from './engine-options.ts';
import type {Known, Resolution} from './resolve.ts';

interface Undone {
  readonly resolution: Exclude<Resolution, {state: 'refused'}>;
  readonly purged?: Known | undefined;
}

/** Where a stage stands. */
export type Progress =
  | {readonly at: 'open' | 'looking'}
  | {readonly at: 'known'; readonly key: StageKey; readonly parts: KeyParts; readonly known: Known}
  | {readonly at: 'fetching'; readonly key: StageKey; readonly parts: KeyParts; readonly known: Known}
  /** With `purged`: what it gave before, whose content is gone and needed. */
  | (Undone & {readonly at: 'missing'})
  | (Undone & {readonly at: 'running'})
  | {readonly at: 'ended'; readonly state: StageState};

/** Where all stages of a run stand, and what they have given so far. Decides nothing. */
export class Board {
  readonly #nodes: readonly StageNode[];
  readonly #store: Store;
  readonly #byId: ReadonlyMap<string, StageNode>;
  readonly #dependents: ReadonlyMap<string, readonly StageNode[]>;
  readonly #progress = new Map<string, Progress>();

  constructor(nodes: readonly StageNode[], store: Store) {
    this.#nodes = nodes;
    this.#store = store;
    this.#byId = new Map(nodes.map((node) => [node.id, node]));
    this.#dependents = dependentsOf(nodes);
  }

  set(id: string, progress: Progress): void {
    this.#progress.set(id, progress);
  }

  /** The stages that have this one among their inputs. */
  dependents(id: string): readonly StageNode[] {
    return this.#dependents.get(id) ?? [];
  }

  at(id: string): Progress {
    return this.#progress.get(id) ?? {at: 'open'};
  }

  node(id: string): StageNode {
    const node = this.#byId.get(id);
    if (node === undefined) throw new Error(`There is no stage ${id}`);
    return node;
  }

  ended(id: string): StageState | undefined {
    const now = this.at(id);
    return now.at === 'ended' ? now.state : undefined;
  }

  /** What a stage gave, as soon as that is certain. */
  digest(id: string): string | undefined {
    const now = this.at(id);
    if (now.at === 'known' || now.at === 'fetching') return now.known.action.digest;
    return now.at === 'ended' && hasOutput(now.state) ? now.state.output.digest : undefined;
  }

  isHere(id: string): boolean {
    const now = this.at(id);
    if (now.at === 'known') return now.known.content === 'local';
    return now.at === 'ended' && hasOutput(now.state);
  }

  output(id: string): StageOutput | undefined {
    const now = this.at(id);
    if (now.at === 'ended') return hasOutput(now.state) ? now.state.output : undefined;
    if (now.at !== 'known' && now.at !== 'fetching') return undefined;
    return outputOf(this.#store, now.known);
  }

  states(): ReadonlyMap<string, StageState> {
    const states = new Map<string, StageState>();
    for (const {id} of this.#nodes) {
      const now = this.at(id);
      if (now.at === 'ended') states.set(id, now.state);
      else if (now.at === 'known') {
        const {key, known} = now;
        const {durationMs} = known.action;
        states.set(id, {state: 'cached', key, output: outputOf(this.#store, known), durationMs});
      } else throw new Error(`Stage ${id} is ${now.at} at the end of the run`);
    }
    return states;
  }
}

function outputOf(store: Store, {action}: Known): StageOutput {
  const {digest, result} = action;
  return {digest, path: store.treePath(digest), result: result as JsonObject};
}

export function hasOutput(state: StageState): state is Extract<StageState, {state: 'cached' | 'run'}> {
  return state.state === 'cached' || state.state === 'run';
}

function dependentsOf(nodes: readonly StageNode[]): ReadonlyMap<string, readonly StageNode[]> {
  const dependents = new Map<string, StageNode[]>(nodes.map(({id}) => [id, []]));
  for (const node of nodes) for (const id of node.dependsOn) dependents.get(id)?.push(node);
  return dependents;
}

/** For each stage the expected time, in ms, of the longest way from its start to the end of the graph. */
export function distanceToEnd(
  {nodes, estimateMs}: Pick<EngineOptions, 'nodes' | 'estimateMs'>,
  board: Board,
): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const node of nodes.toReversed()) {
    const behind = board.dependents(node.id).map(({id}) => weights.get(id) ?? 0);
    weights.set(node.id, estimateMs(node) + Math.max(0, ...behind));
  }
  return weights;
}
