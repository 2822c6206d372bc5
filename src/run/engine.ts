import {existsSync, mkdirSync, rmSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {type Lock, lockOwner, tryLock} from '../../cache/lock.ts';
import type {ActionRecord, RunFolder, Store} from '../../cache/store.ts';
import {FgError, isNoSpace} from '../errors.ts';
import {fingerprint} from '../plan/fingerprint.ts';
import type {StageNode} from '../plan/graph.ts';
import {type KeyParts, type StageKey, stageKey} from '../plan/key.ts';
import type {JsonObject} from '../spec/image.ts';
import type {StageContext, StageOutput, StageSuccess} from '../stages/stage.ts';
import type {RunEvent, StageFailure} from './events.ts';
import {keyParts} from './peek.ts';
import type {HostTools} from './tools.ts';

export interface EngineOptions {
  readonly nodes: readonly StageNode[];
  readonly store: Store;
  readonly tools: HostTools;
  readonly projectDir: string;
  readonly emit: (event: RunEvent) => void;
  readonly signal: AbortSignal;
  readonly jobs: number | undefined;
  /** Whether the first failure ends the run; otherwise what does not depend on it goes on. */
  readonly failFast: boolean;
  /** Stages that run even though their key is known: `--refresh` asks the archive again. */
  readonly force: (node: StageNode) => boolean;
  /** Asked once, when the package lists are there and before any other stage runs: a failure ends the run. */
  readonly gate: (outputOf: (stage: string) => StageOutput | undefined) => Promise<StageFailure | undefined>;
}

/** What became of a stage. */
export type StageState =
  | {
      readonly state: 'cached' | 'run';
      readonly key: StageKey;
      readonly output: StageOutput;
      readonly durationMs: number;
      readonly logPath: string;
    }
  | {
      readonly state: 'failed';
      readonly failure: StageFailure;
      readonly durationMs: number;
      readonly logPath: string;
    }
  | {readonly state: 'skipped'; readonly because?: string};

/**
 * Takes every stage of a graph to its output: from the cache where its key is known, else by running it. Stages
 * without an open dependency run side by side, those with the longest way behind them first. A stage's key needs the
 * *outputs* of the stages below it, so a stage that ran again and gave the same content stops the wave.
 */
export async function runGraph(options: EngineOptions): Promise<ReadonlyMap<string, StageState>> {
  const engine = new Engine(options);
  return engine.run();
}

class Engine {
  readonly #options: EngineOptions;
  readonly #states = new Map<string, StageState>();
  readonly #weights: ReadonlyMap<string, number>;
  readonly #jobs: number;
  #run: RunFolder | undefined;
  #stopped = false;
  #gated: Promise<StageFailure | undefined> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#weights = distanceToEnd(options.nodes);
    this.#jobs = options.jobs ?? Math.max(2, availableParallelism());
  }

  async run(): Promise<ReadonlyMap<string, StageState>> {
    const waiting = new Set(this.#options.nodes);
    const running = new Map<string, Promise<void>>();
    try {
      for (;;) {
        this.#skipHopeless(waiting);
        const ready = [...waiting]
          .filter(
            ({kind, dependsOn}) =>
              (kind === 'archive' || this.#archivesRead()) &&
              dependsOn.every((id) => this.#output(id) !== undefined),
          )
          .sort((a, b) => (this.#weights.get(b.id) ?? 0) - (this.#weights.get(a.id) ?? 0));
        let progressed = false;
        for (const node of ready) {
          const parts = keyParts(node, {
            tools: this.#options.tools,
            digestOf: (id) => this.#output(id)?.digest ?? '',
          });
          const known = parts.ok ? this.#lookup(node, stageKey(parts.value)) : undefined;
          if (known !== undefined) {
            waiting.delete(node);
            this.#finishCached(node, known);
            progressed = true;
            continue;
          }
          if (running.size >= this.#jobs) continue;
          waiting.delete(node);
          progressed = true;
          const task = parts.ok
            ? this.#execute(node, parts.value)
            : Promise.resolve(this.#fail(node, parts.failure));
          running.set(
            node.id,
            task.finally(() => running.delete(node.id)),
          );
        }
        if (progressed) continue;
        if (running.size === 0) return this.#states;
        await Promise.race(running.values());
      }
    } finally {
      await Promise.allSettled(running.values());
      if (this.#run !== undefined) this.#options.store.closeRun(this.#run);
    }
  }

  /** The gate's answer, asked for once. The first stage that hears a refusal fails, and everything else is skipped. */
  #gate(): Promise<StageFailure | undefined> {
    this.#gated ??= this.#options.gate((id) => this.#output(id));
    return this.#gated;
  }

  /** The gate wants all package lists: nothing else starts before they are there, or have failed. */
  #archivesRead(): boolean {
    return this.#options.nodes.every(({id, kind}) => kind !== 'archive' || this.#states.has(id));
  }

  #output(id: string): StageOutput | undefined {
    const state = this.#states.get(id);
    return state !== undefined && (state.state === 'cached' || state.state === 'run')
      ? state.output
      : undefined;
  }

  /** Everything that a failure or the end of the run has put out of reach. */
  #skipHopeless(waiting: Set<StageNode>): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of waiting) {
        const lost = node.dependsOn.find((id) =>
          ['failed', 'skipped'].includes(this.#states.get(id)?.state ?? ''),
        );
        if (lost === undefined && !this.#stopped && !this.#options.signal.aborted) continue;
        const state = lost === undefined ? undefined : this.#states.get(lost);
        const because = state?.state === 'skipped' ? state.because : lost;
        waiting.delete(node);
        changed = true;
        this.#states.set(node.id, {state: 'skipped', ...(because === undefined ? {} : {because})});
        this.#options.emit({
          type: 'stage-skipped',
          time: Date.now(),
          stage: node.id,
          ...(because === undefined ? {} : {because}),
        });
      }
    }
  }

  #lookup(node: StageNode, key: StageKey): ActionRecord | undefined {
    return this.#options.force(node) ? undefined : this.#options.store.lookup(key);
  }

  #finishCached(node: StageNode, record: ActionRecord): void {
    const {store, emit} = this.#options;
    const {key, digest, durationMs, logPath} = record;
    const output = {digest, path: store.treePath(digest), result: record.result as JsonObject};
    this.#states.set(node.id, {state: 'cached', key: key as StageKey, output, durationMs, logPath});
    emit({type: 'stage-cached', time: Date.now(), stage: node.id, key, digest, savedMs: durationMs});
  }

  async #execute(node: StageNode, parts: KeyParts): Promise<void> {
    const key = stageKey(parts);
    const {store, emit} = this.#options;
    const lockPath = store.keyLockPath(key);
    const lock = await this.#acquire(node, lockPath);
    if (lock === undefined) {
      this.#states.set(node.id, {state: 'skipped'});
      emit({type: 'stage-skipped', time: Date.now(), stage: node.id});
      return;
    }
    try {
      const refused = node.kind === 'archive' ? undefined : await this.#gate();
      if (refused !== undefined) {
        if (this.#stopped) this.#cancelled(node);
        else this.#fail(node, refused);
        this.#stopped = true;
        return;
      }
      // Whoever held the lock may have made it meanwhile.
      const made = this.#lookup(node, key);
      if (made === undefined) await this.#runStage(node, key, parts);
      else this.#finishCached(node, made);
    } finally {
      rmSync(lockPath, {force: true});
      lock.release();
    }
  }

  /** Waits for the key's lock; undefined when the run was cancelled meanwhile. */
  async #acquire(node: StageNode, path: string): Promise<Lock | undefined> {
    const {emit, signal} = this.#options;
    let told = false;
    for (;;) {
      if (signal.aborted) return undefined;
      const lock = tryLock(path);
      // A lock whose file its last holder removed is nobody's: take the one that is there now.
      if (lock !== undefined) {
        if (existsSync(path)) return lock;
        lock.release();
        continue;
      }
      const owner = lockOwner(path);
      if (!told && owner !== undefined) {
        told = true;
        emit({type: 'stage-waiting', time: Date.now(), stage: node.id, owner});
      }
      await sleep(lockPollMs, undefined, {signal}).catch(() => undefined);
    }
  }

  async #runStage(node: StageNode, key: StageKey, parts: KeyParts): Promise<void> {
    const {CommandLog} = await import('../sandbox/process.ts');
    const {stageRunner} = await import('../stages/registry.ts');
    const {store, emit, signal, projectDir} = this.#options;
    this.#run ??= store.openRun();
    const startedAt = Date.now();
    const logPath = join(
      store.layout.logs,
      `${node.id.replaceAll(/[^a-z0-9.-]+/gi, '_')}-${key.slice(0, 12)}.log`,
    );
    const log = new CommandLog(logPath, (line) =>
      emit({type: 'stage-log', time: Date.now(), stage: node.id, line}),
    );
    const work = join(this.#run.path, key.slice(0, 32));
    const object = join(work, 'object');
    const output = join(object, 'tree');
    emit({type: 'stage-started', time: startedAt, stage: node.id, key, logPath});
    const context: StageContext = {
      node,
      key,
      inputs: new Map(
        node.dependsOn.flatMap((id) => {
          const input = this.#output(id);
          return input === undefined ? [] : [[id, input] as const];
        }),
      ),
      store,
      run: this.#run,
      projectDir,
      work,
      output,
      log,
      signal,
      tool: (name) => {
        const tool = this.#options.tools.find(name);
        if (tool === undefined) throw new Error(`Stage ${node.id} runs ${name}, which it does not declare`);
        return tool.path;
      },
      progress: (message, fraction) =>
        emit({
          type: 'stage-progress',
          time: Date.now(),
          stage: node.id,
          message,
          ...(fraction === undefined ? {} : {fraction}),
        }),
      warn: (message, hint) =>
        emit({
          type: 'warning',
          time: Date.now(),
          stage: node.id,
          message,
          ...(hint === undefined ? {} : {hint}),
        }),
    };
    try {
      mkdirSync(output, {recursive: true});
      const run = await stageRunner(node.kind);
      const result = await run(context);
      if (signal.aborted) return this.#cancelled(node);
      if (!result.ok) {
        return this.#fail(node, result.error.failure, {
          startedAt,
          logPath,
          ...(result.error.checks === undefined ? {} : {checks: result.error.checks}),
        });
      }
      const changed = Object.entries(node.files).filter(
        ([path, digest]) => !isUnchanged(projectDir, path, digest),
      );
      if (changed.length > 0)
        return this.#fail(
          node,
          {reason: 'input-changed', paths: changed.map(([path]) => path)},
          {startedAt, logPath},
        );
      await this.#publish({node, key, parts, object, startedAt, logPath, success: result.value});
    } catch (error) {
      if (signal.aborted) return this.#cancelled(node);
      if (!isNoSpace(error)) throw error;
      const hint = 'Free some space there, or name another folder with --cache-dir';
      this.#fail(
        node,
        {
          reason: 'no-space',
          message: `No space left on the file system of the cache, ${store.layout.root}`,
          hint,
        },
        {startedAt, logPath},
      );
    } finally {
      await log.close();
    }
  }

  async #publish({node, key, parts, object, startedAt, logPath, success}: Publication): Promise<void> {
    const {store, emit} = this.#options;
    const epoch = node.params['source_date_epoch'];
    const clamp = typeof epoch === 'number' ? {writtenSince: Math.floor(startedAt / 1000), epoch} : undefined;
    const {digest, sizeBytes} = await store.publish(object, clamp);
    const durationMs = Date.now() - startedAt;
    const result: JsonObject = {...success.result, size_bytes: sizeBytes};
    store.record({key, stage: node.id, digest, durationMs, logPath, startedAt, parts, result});
    const output = {digest, path: store.treePath(digest), result};
    this.#states.set(node.id, {state: 'run', key, output, durationMs, logPath});
    emit({
      type: 'stage-finished',
      time: Date.now(),
      stage: node.id,
      digest,
      durationMs,
      ...(success.checks === undefined ? {} : {checks: success.checks}),
    });
  }

  #cancelled(node: StageNode): void {
    this.#states.set(node.id, {state: 'skipped'});
    this.#options.emit({type: 'stage-skipped', time: Date.now(), stage: node.id});
  }

  #fail(
    node: StageNode,
    failure: StageFailure,
    ran?: {startedAt: number; logPath: string; checks?: StageSuccess['checks']},
  ): void {
    const durationMs = ran === undefined ? 0 : Date.now() - ran.startedAt;
    this.#states.set(node.id, {state: 'failed', failure, durationMs, logPath: ran?.logPath ?? ''});
    const checks = ran?.checks;
    this.#options.emit({
      type: 'stage-failed',
      time: Date.now(),
      stage: node.id,
      durationMs,
      failure,
      ...(checks === undefined ? {} : {checks}),
    });
    if (this.#options.failFast) this.#stopped = true;
  }
}

const lockPollMs = 100;

/** A file that is gone has changed. */
function isUnchanged(projectDir: string, path: string, digest: string): boolean {
  try {
    return fingerprint(projectDir, path) === digest;
  } catch (error) {
    if (error instanceof FgError) return false;
    throw error;
  }
}

interface Publication {
  readonly node: StageNode;
  readonly key: StageKey;
  readonly parts: KeyParts;
  readonly object: string;
  readonly startedAt: number;
  readonly logPath: string;
  readonly success: StageSuccess;
}

/** For each stage the typical length, in seconds, of the longest way from its start to the end of the graph. */
function distanceToEnd(nodes: readonly StageNode[]): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const node of nodes.toReversed()) {
    const behind = nodes
      .filter(({dependsOn}) => dependsOn.includes(node.id))
      .map(({id}) => weights.get(id) ?? 0);
    weights.set(node.id, typicalSeconds[node.kind] + Math.max(0, ...behind));
  }
  return weights;
}

const typicalSeconds: Readonly<Record<StageNode['kind'], number>> = {
  archive: 4,
  base: 18,
  repositories: 1,
  packages: 10,
  settings: 1,
  users: 1,
  files: 1,
  provision: 5,
  services: 1,
  adapt: 10,
  initramfs: 5,
  pack: 9,
  test: 240,
};
