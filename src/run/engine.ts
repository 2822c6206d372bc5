import {setMaxListeners} from 'node:events';
import type {RemoteHit} from '../../cache/remote/remote-cache.ts';
import {lockFileName} from '../lock/lock.ts';
import type {StageNode} from '../plan/graph.ts';
import type {KeyParts, StageKey} from '../plan/key.ts';
import {Board, distanceToEnd, hasOutput, type Progress} from './board.ts';
import {bringContent} from './bring.ts';
import type {EngineOptions, StageState} from './engine-options.ts';
import type {StageFailure} from './events.ts';
import {expectedFailure, type Made, runStage} from './execute.ts';
import {InputCheck, type InputProblem} from './input-check.ts';
import {lockKey} from './key-lock.ts';
import {needOf} from './pools.ts';
import {type Known, type Resolution, type ResolveOptions, resolveStage} from './resolve.ts';

/**
 * Takes every stage of a graph to its output: from the cache where its key is known, else by running it. Stages
 * without an open dependency run side by side, as far as the pools reach, those with the longest way behind them first.
 * A stage's key needs the *outputs* of the stages below it, so a stage that ran again and gave the same content stops
 * the wave. The content of a hit is needed only by a stage that runs: until then its digest does, wherever it is.
 */
export async function runGraph(options: EngineOptions): Promise<ReadonlyMap<string, StageState>> {
  return new Engine(options).run();
}

class Engine {
  readonly #options: EngineOptions;
  readonly #board: Board;
  readonly #tasks = new Set<Promise<void>>();
  readonly #checks: InputCheck;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #forced = new Set<string>();
  /** Stages whose content a remote cache said it had and did not give. */
  readonly #unfetchable = new Set<string>();
  /** Problems that were dealt with: every stage that read the same content hears of them. */
  readonly #told = new WeakSet<InputProblem>();
  #weights: ReadonlyMap<string, number> | undefined;
  #stopped = false;
  #gated: Promise<StageFailure | undefined> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#board = new Board(options.nodes, options.store);
    this.#checks = new InputCheck(options.store);
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    // Every stage that runs or is fetched listens to it, however many they are.
    setMaxListeners(0, this.#signal);
  }

  async run(): Promise<ReadonlyMap<string, StageState>> {
    try {
      for (;;) {
        this.#resolveAll();
        this.#demandContent();
        this.#skipHopeless();
        this.#startReady();
        if (this.#tasks.size === 0) return this.#board.states();
        await Promise.race(this.#tasks);
      }
    } finally {
      this.#stop.abort();
      await Promise.allSettled(this.#tasks);
    }
  }

  /** Every stage whose inputs have digests gets its key, and what is known of it. */
  #resolveAll(): void {
    for (const node of this.#options.nodes) {
      if (this.#board.at(node.id).at !== 'open' || this.#ending) continue;
      if (!node.dependsOn.every((id) => this.#board.digest(id) !== undefined)) continue;
      const asked = resolveStage(node, (id) => this.#board.digest(id) ?? '', this.#resolveOptions());
      if (!(asked instanceof Promise)) this.#resolved(node, asked);
      else {
        this.#board.set(node.id, {at: 'looking'});
        this.#task(
          asked.then((resolution) => {
            if (resolution.state !== 'refused' && this.#isOutdated(resolution.parts)) this.#reopen(node);
            else this.#resolved(node, resolution);
          }),
        );
      }
    }
  }

  #resolveOptions(): ResolveOptions {
    const {store, tools, remote, readCache, trusts, force} = this.#options;
    const forceOnce = (node: StageNode): boolean => force(node) && !this.#forced.has(node.id);
    return {store, tools, remote, readCache, trusts, force: forceOnce, signal: this.#signal};
  }

  #resolved(node: StageNode, resolution: Resolution): void {
    switch (resolution.state) {
      case 'refused':
        this.#fail(node, resolution.failure, {durationMs: 0});
        break;
      case 'missing':
        this.#board.set(node.id, {at: 'missing', resolution});
        break;
      case 'known':
        this.#known(node, resolution);
    }
  }

  #known(node: StageNode, {key, parts, known}: Extract<Resolution, {state: 'known'}>): void {
    const {action, content, hit} = known;
    if (hit !== undefined && !this.#options.store.hasContent(action.digest))
      this.#options.store.record(hit.record, {present: false, signedBy: hit.keyId});
    this.#board.set(node.id, {at: 'known', key, parts, known});
    this.#options.emit({
      type: 'stage-cached',
      time: Date.now(),
      stage: node.id,
      key,
      digest: action.digest,
      savedMs: action.durationMs,
      from: content === 'remote' ? 'remote' : 'local',
      ...(action.log === undefined ? {} : {log: action.log}),
    });
  }

  /** What a stage that must run reads has to be here; so has an artifact that is to be handed out. */
  #demandContent(): void {
    for (const node of this.#options.nodes.toReversed()) {
      const now = this.#board.at(node.id);
      if (now.at === 'missing') for (const id of node.dependsOn) this.#demand(id);
      if (now.at !== 'known' || !this.#options.wanted(node, now.known.action.digest)) continue;
      const {digest} = now.known.action;
      // Leased first: gc takes it before this, and it is brought back, or not until the run ends.
      if (now.known.content === 'local' && this.#options.scope.lease([digest]).length > 0)
        this.#lose([digest]);
      this.#demand(node.id);
    }
  }

  #demand(id: string): void {
    const now = this.#board.at(id);
    if (now.at !== 'known' || now.known.content === 'local' || this.#ending) return;
    const node = this.#board.node(id);
    if (this.#options.remote !== undefined && !this.#unfetchable.has(id)) {
      this.#board.set(id, {...now, at: 'fetching'});
      this.#task(this.#fetch(node, now));
      return;
    }
    const {key, parts, known} = now;
    const resolution = {state: 'missing', key, parts, because: 'no-record'} as const;
    this.#board.set(id, {at: 'missing', resolution, purged: known});
    for (const below of node.dependsOn) this.#demand(below);
  }

  /** Brings a hit's content from the remote cache; what it does not give is made again. */
  async #fetch(node: StageNode, now: Extract<Progress, {at: 'known'}>): Promise<void> {
    const {remote, store, scope, emit} = this.#options;
    const {action} = now.known;
    const startedAt = Date.now();
    const hit: RemoteHit | undefined =
      remote === undefined ? undefined : (now.known.hit ?? (await remote.lookup(now.key, this.#signal)));
    const same = hit !== undefined && hit.record.digest === action.digest;
    const fetched = same && (await bringContent(hit, {...this.#options, signal: this.#signal}));
    if (this.#isOutdated(now.parts)) return this.#reopen(node);
    if (!fetched) {
      this.#unfetchable.add(node.id);
      this.#board.set(node.id, {...now, at: 'known', known: {action, content: 'gone'}});
      return;
    }
    scope.lease([action.digest]);
    store.record(hit.record, {signedBy: hit.keyId});
    this.#checks.trust(action.digest);
    this.#board.set(node.id, {...now, at: 'known', known: {action, content: 'local'}});
    emit({
      type: 'stage-fetched',
      time: Date.now(),
      stage: node.id,
      sizeBytes: action.sizeBytes,
      durationMs: Date.now() - startedAt,
      from: remote?.name ?? '',
    });
  }

  /** Everything that a failure or the end of the run has put out of reach. */
  #skipHopeless(): void {
    for (const node of this.#options.nodes) {
      const {at} = this.#board.at(node.id);
      if (at !== 'open' && at !== 'missing') continue;
      const lost = node.dependsOn.map((id) => this.#board.ended(id)).find((state) => isLost(state));
      if (lost === undefined && !this.#ending) continue;
      const failed = node.dependsOn.find((id) => this.#board.ended(id)?.state === 'failed');
      const because = failed ?? (lost?.state === 'skipped' ? lost.because : undefined);
      this.#skip(node, because);
    }
  }

  #skip(node: StageNode, because?: string): void {
    const why = because === undefined ? {} : {because};
    this.#board.set(node.id, {at: 'ended', state: {state: 'skipped', ...why}});
    this.#options.emit({type: 'stage-skipped', time: Date.now(), stage: node.id, ...why});
  }

  /** Starts what can start, the longest way to the end first. */
  #startReady(): void {
    const ready = this.#options.nodes.filter((node) => this.#isReady(node));
    if (ready.length === 0) return;
    this.#weights ??= distanceToEnd(this.#options, this.#board);
    const weights = this.#weights;
    ready.sort((a, b) => (weights.get(b.id) ?? 0) - (weights.get(a.id) ?? 0));
    for (const node of ready) {
      const now = this.#board.at(node.id);
      const need = needOf(node.kind);
      if (now.at !== 'missing' || !this.#options.pools.tryTake(need)) continue;
      const running = {...now, at: 'running'} as const;
      this.#board.set(node.id, running);
      const executing = this.#execute(node, running).catch((error: unknown) => this.#failOf(node, error));
      this.#task(executing.finally(() => this.#options.pools.giveBack(need)));
    }
  }

  #isReady(node: StageNode): boolean {
    return (
      this.#board.at(node.id).at === 'missing' &&
      (node.kind === 'archive' || this.#archivesRead()) &&
      node.dependsOn.every((id) => this.#board.isHere(id))
    );
  }

  /** The gate wants all package lists: nothing else starts before they are there, or have failed. */
  #archivesRead(): boolean {
    return this.#options.nodes.every(
      ({id, kind}) => kind !== 'archive' || ['known', 'ended'].includes(this.#board.at(id).at),
    );
  }

  /** The gate's answer, asked for once. The first stage that hears a refusal fails, and everything else is skipped. */
  #gate(): Promise<StageFailure | undefined> {
    this.#gated ??= this.#options.gate((id) => this.#board.output(id));
    return this.#gated;
  }

  async #execute(node: StageNode, now: Extract<Progress, {at: 'running'}>): Promise<void> {
    const {store, emit} = this.#options;
    const {key, parts} = now.resolution;
    await using lock = await lockKey(store.keyLockPath(key), this.#signal, (owner) =>
      emit({type: 'stage-waiting', time: Date.now(), stage: node.id, owner}),
    );
    if (lock === undefined) return this.#skip(node);
    const refused = node.kind === 'archive' ? undefined : await this.#gate();
    if (refused !== undefined) {
      if (this.#stopped) this.#skip(node);
      else this.#fail(node, refused, {durationMs: 0});
      this.#stopped = true;
      return;
    }
    // Whoever held the lock may have made it meanwhile.
    const again = resolveStage(node, (id) => this.#board.digest(id) ?? '', {
      ...this.#resolveOptions(),
      remote: undefined,
    });
    if (!(again instanceof Promise) && again.state === 'known' && again.known.content === 'local')
      return this.#known(node, again);
    if (this.#options.failedBefore(key)) {
      const hint = 'Change something that it is made of, or end the watch and run "fgimage build"';
      this.#fail(node, {reason: 'failed-before', hint}, {durationMs: 0});
      return;
    }
    if (!this.#leaseInputs(node)) return;
    await this.#run(node, {key, parts, purged: now.purged, resolution: now.resolution});
  }

  /** Whether all inputs are still there, now that nobody may take them; what gc took before goes back to be brought. */
  #leaseInputs(node: StageNode): boolean {
    const digests = node.dependsOn.map((id) => this.#board.digest(id) ?? '');
    const gone = this.#options.scope.lease(digests);
    if (gone.length === 0) return true;
    this.#lose(gone);
    this.#reopen(node);
    return false;
  }

  async #run(node: StageNode, {key, parts, purged, resolution}: Work): Promise<void> {
    const {store, reasonsFor} = this.#options;
    const digests = node.dependsOn.map((id) => this.#board.digest(id) ?? '');
    // Read side by side with the stage: what it makes counts only when its inputs were what they should be.
    const sound = this.#checks.problems(digests);
    const inputs = new Map(
      node.dependsOn.flatMap((id) => {
        const input = this.#board.output(id);
        return input === undefined ? [] : [[id, input] as const];
      }),
    );
    store.noteKey(key, parts);
    const made = await runStage(node, {
      ...this.#options,
      signal: this.#signal,
      key,
      parts,
      inputs,
      reasons: await reasonsFor(node, resolution, purged),
      mayReuse: resolution.state === 'missing' && !isForced(resolution),
      sound: async () => (await sound).length === 0,
    });
    const problems = await sound;
    if (problems.length > 0) {
      this.#setAside(node, problems);
      return this.#reopen(node);
    }
    // What was made is recorded, for what it was made of; this run goes on with what lies below now.
    if (this.#isOutdated(parts)) return this.#reopen(node);
    this.#settle(node, {made, key, parts, purged});
  }

  /** Once for all stages that read it: by now the content may have been made again. */
  #setAside(node: StageNode, problems: readonly InputProblem[]): void {
    const {store, emit} = this.#options;
    for (const problem of problems) {
      if (this.#told.has(problem)) continue;
      this.#told.add(problem);
      const {digest, text} = problem;
      const stage = node.dependsOn.find((id) => this.#board.digest(id) === digest) ?? node.id;
      const place = store.quarantine(digest);
      emit({type: 'content-corrupt', time: Date.now(), stage, digest, problem: text, place});
      this.#lose([digest]);
    }
  }

  #settle(
    node: StageNode,
    {made, key, parts, purged}: Pick<Work, 'key' | 'parts' | 'purged'> & {readonly made: Made},
  ): void {
    switch (made.outcome) {
      case 'cancelled':
        this.#skip(node);
        break;
      case 'failed':
        this.#fail(node, made.failure, made);
        break;
      case 'reused':
        this.#forced.add(node.id);
        this.#known(node, {state: 'known', key, parts, known: made.known});
        break;
      case 'made': {
        this.#forced.add(node.id);
        const {output, durationMs} = made;
        this.#checks.trust(output.digest);
        this.#board.set(node.id, {at: 'ended', state: {state: 'run', key, output, durationMs}});
        if (purged !== undefined && purged.action.digest !== output.digest) this.#reopenAbove(node, purged);
      }
    }
  }

  /** A stage that was made again gave other content than it did before: what was looked up on top of that is void. */
  #reopenAbove(node: StageNode, purged: Known): void {
    const {emit} = this.#options;
    emit({
      type: 'warning',
      time: Date.now(),
      stage: node.id,
      message: `${node.id} gave other content than before from the same inputs (${purged.action.digest.slice(0, 12)}… was purged): it is not reproducible`,
    });
    // A set is gone through with what is added meanwhile. What runs or is being looked up finds out at its end.
    const above = new Set(this.#board.dependents(node.id));
    for (const next of above) {
      const now = this.#board.at(next.id);
      const ran = now.at === 'ended' && hasOutput(now.state);
      if (ran || now.at === 'known' || now.at === 'missing') this.#reopen(next);
      for (const dependent of this.#board.dependents(next.id)) above.add(dependent);
    }
  }

  #reopen(node: StageNode): void {
    this.#board.set(node.id, {at: 'open'});
  }

  /** Whether a stage below has other content by now than what these parts of a key name. */
  #isOutdated({inputs}: KeyParts): boolean {
    return inputs.some(([id, digest]) => id !== lockFileName && this.#board.digest(id) !== digest);
  }

  /** Content that is gone: its stages are known, but have to give it again. */
  #lose(digests: readonly string[]): void {
    this.#checks.forget(digests);
    for (const node of this.#options.nodes) {
      const now = this.#board.at(node.id);
      if (now.at === 'known' && digests.includes(now.known.action.digest)) {
        this.#board.set(node.id, {...now, known: {...now.known, content: 'gone'}});
      } else if (now.at === 'ended' && hasOutput(now.state) && digests.includes(now.state.output.digest)) {
        this.#board.set(node.id, {at: 'open'});
      }
    }
  }

  /** What the disk of the cache does around a stage fails that stage, as what it does in it. */
  #failOf(node: StageNode, error: unknown): void {
    const failure = expectedFailure(error, this.#options.store);
    if (failure === undefined) throw error;
    this.#fail(node, failure, {durationMs: 0});
  }

  #fail(
    node: StageNode,
    failure: StageFailure,
    told: Pick<Extract<Made, {outcome: 'failed'}>, 'durationMs' | 'checks' | 'log' | 'keptWork'>,
  ): void {
    this.#board.set(node.id, {
      at: 'ended',
      state: {state: 'failed', failure, durationMs: told.durationMs},
    });
    const {durationMs, checks, log, keptWork} = told;
    this.#options.emit({
      type: 'stage-failed',
      time: Date.now(),
      stage: node.id,
      durationMs,
      failure,
      ...(checks === undefined ? {} : {checks}),
      ...(log === undefined ? {} : {log}),
      ...(keptWork === undefined ? {} : {keptWork}),
    });
    if (this.#options.fail === 'continue') return;
    this.#stopped = true;
    if (this.#options.fail === 'fast') this.#stop.abort();
  }

  get #ending(): boolean {
    return this.#stopped || this.#signal.aborted;
  }

  #task(work: Promise<void>): void {
    const task = work.finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}

interface Work {
  readonly key: StageKey;
  readonly parts: KeyParts;
  readonly purged: Known | undefined;
  readonly resolution: Resolution;
}

function isLost(state: StageState | undefined): boolean {
  return state?.state === 'failed' || state?.state === 'skipped';
}

function isForced({because}: Extract<Resolution, {state: 'missing'}>): boolean {
  return because === 'forced' || because === 'cache-off';
}
