import {readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../../cache/store.ts';
import type {StageKind, StageNode} from '../../../src/plan/graph.ts';
import {ok} from '../../../src/result.ts';
import {runGraph} from '../../../src/run/engine.ts';
import type {EngineOptions, StageState} from '../../../src/run/engine-options.ts';
import type {RunEvent} from '../../../src/run/events.ts';
import {Pools} from '../../../src/run/pools.ts';
import {RunScope} from '../../../src/run/scope.ts';
import {HostTools} from '../../../src/run/tools.ts';
import type {JsonObject} from '../../../src/spec/image.ts';
import type {StageContext, StageRunner} from '../../../src/stages/stage.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A node of a graph that tests run with tiny stages. */
export function node(
  id: string,
  {
    on = [],
    kind = 'provision',
    params = {},
  }: {on?: readonly string[]; kind?: StageKind; params?: JsonObject} = {},
): StageNode {
  return {
    id,
    kind,
    title: id,
    dependsOn: on,
    layers: on,
    version: 1,
    params: {id, ...params, source_date_epoch: 0},
    files: {},
    tools: [],
    environment: {},
    origins: [],
  };
}

export interface BuildOptions extends Partial<EngineOptions> {
  /** What stages do, by id; any other writes the texts of its inputs and its own `text`, or its id. */
  readonly runners?: Readonly<Record<string, StageRunner>>;
}

/** What came of a run of a graph. */
export interface Built {
  readonly states: ReadonlyMap<string, StageState>;
  readonly events: readonly RunEvent[];
  readonly pools: Pools;
}

/** A cache in a folder of its own, over which graphs of tiny stages run; closed and removed with its scope. */
export class Machine {
  readonly folder = new TemporaryFolder();
  readonly store = Store.open(this.folder.join('cache'));
  /** What stages gave when they were last built here: a history. */
  readonly #gave = new Map<string, string>();

  async build(nodes: readonly StageNode[], options: BuildOptions = {}): Promise<Built> {
    const {runners = {}, store = this.store, ...rest} = options;
    const events: RunEvent[] = [];
    const scope = new RunScope(store);
    const pools = options.pools ?? new Pools({cpu: 2, memory: 1 << 20, boots: 1, transfers: 1});
    try {
      const states = await runGraph({
        nodes,
        store,
        scope,
        tools: new HostTools(store),
        projectDir: this.folder.path,
        hasChanged: () => false,
        signal: new AbortController().signal,
        fail: 'continue',
        force: () => false,
        readCache: true,
        trusts: () => true,
        failedBefore: () => false,
        lastDigest: (stage) => this.#gave.get(stage),
        wanted: () => false,
        estimateMs: () => 1,
        reasonsFor: () => Promise.resolve([]),
        keepWork: 'never',
        gate: () => Promise.resolve(undefined),
        runnerOf: () => Promise.resolve((context) => (runners[context.node.id] ?? writeText)(context)),
        ...rest,
        pools,
        emit: (event) => {
          events.push(event);
          options.emit?.(event);
        },
      });
      for (const [id, state] of states) {
        if (state.state === 'run' || state.state === 'cached') this.#gave.set(id, state.output.digest);
      }
      return {states, events, pools};
    } finally {
      scope.close();
    }
  }

  /** The text that a stage of a run gave. */
  textOf({states}: Built, id: string): string {
    return readFileSync(join(this.store.treePath(digestOf(states, id)), 'text'), 'utf8');
  }

  /** Turns over a bit of what a stage of a run gave, as a bad disk does: no time and no size tells. */
  flipBit({states}: Built, id: string): void {
    const path = join(this.store.treePath(digestOf(states, id)), 'text');
    const {atime, mtime} = statSync(path);
    const bytes = readFileSync(path);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
  }

  /** Takes away all content behind fgimage's back; records stay. */
  purge(): void {
    const {objects} = this.store.layout;
    for (const name of readdirSync(objects)) rmSync(join(objects, name), {recursive: true});
  }

  [Symbol.dispose](): void {
    this.store.close();
    this.folder[Symbol.dispose]();
  }
}

/** A stage that writes the texts of its inputs and then its own. */
export const writeText: StageRunner = (context) => {
  const {id, params} = context.node;
  give(context, typeof params['text'] === 'string' ? params['text'] : id);
  return Promise.resolve(ok({result: {}}));
};

/** Writes a stage's output: the texts of its inputs, and this one. */
export function give(context: StageContext, text: string): void {
  const below = [...context.inputs.values()].map(({path}) => readFileSync(join(path, 'text'), 'utf8'));
  writeFileSync(join(context.output, 'text'), [...below, text].join('+'));
}

export function digestOf(states: ReadonlyMap<string, StageState>, id: string): string {
  const state = states.get(id);
  if (state?.state !== 'run' && state?.state !== 'cached') throw new Error(`${id} gave nothing`);
  return state.output.digest;
}

/** What became of each stage, e.g. `run`. */
export function fates({states}: Built): Readonly<Record<string, string>> {
  return Object.fromEntries([...states].map(([id, {state}]) => [id, state]));
}

/** The stages that events of one type name, in their order. */
export function told({events}: Pick<Built, 'events'>, type: RunEvent['type']): readonly string[] {
  return events.flatMap((event) => (event.type === type && 'stage' in event ? [event.stage ?? ''] : []));
}

/** Something that a stage waits for until the test, or another stage, lets it come. */
export class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => undefined;

  constructor() {
    this.passed = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
