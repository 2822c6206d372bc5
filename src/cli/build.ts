import {basename, join} from 'node:path';
import {diskError} from '../../cache/disk-error.ts';
import {keepLocked} from '../../cache/lock-roots.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import type {Reason} from '../plan/explain.ts';
import type {StageNode} from '../plan/graph.ts';
import {criticalPath} from '../run/critical-path.ts';
import {runGraph} from '../run/engine.ts';
import type {FailMode, KeepWork, StageState} from '../run/engine-options.ts';
import {estimateMs, typicalDurations} from '../run/estimates.ts';
import {type Output, type RunEvent, sequence} from '../run/events.ts';
import {failedSinceVariable, keysFailedSince, lastKeyOf, RunHistory} from '../run/history.ts';
import {isComplete} from '../run/peek.ts';
import {type Capacity, hostCapacity, Pools, parsePools} from '../run/pools.ts';
import {replayLog} from '../run/replay.ts';
import type {Known, Resolution} from '../run/resolve.ts';
import type {RunScope} from '../run/scope.ts';
import {TraceRecorder} from '../run/trace.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {createView, type View, type ViewMode} from '../ui/view.ts';
import {cancelOnSignals} from './cancel.ts';
import {requireEmulation} from './emulation.ts';
import {type Finished, finishDelivery} from './finish.ts';
import {lockRoot, StaleLock} from './read-lock.ts';
import {countStates, exitCodeOf} from './run-outcome.ts';
import {narrow, type RunPurpose, spoiltContent} from './run-stages.ts';
import {
  openSession,
  openStore,
  peekSession,
  refuseUserNamespace,
  type Session,
  type SessionOptions,
} from './session.ts';
import type {SpecLocator} from './spec.ts';

export interface BuildOptions extends SessionOptions {
  readonly jobs: number | undefined;
  /** `--pool` values, e.g. `boots=2`. */
  readonly pools: readonly string[];
  readonly mode: ViewMode;
  readonly verbose: boolean;
  /** Whether the logs of cached stages are shown too. */
  readonly replay: boolean;
  readonly fail: FailMode;
  readonly keepWork: KeepWork;
}

/** `fgimage build`: everything from the spec to booted artifacts in the output folder. `signal` cancels it. */
export function runBuild(options: BuildOptions, signal?: AbortSignal): Promise<ExitCode> {
  return runStages(options, undefined, signal);
}

/**
 * Runs the stages that a purpose needs, with the same view, history, signals and exit codes as a build. An ordinary user's
 * command starts once more in a user namespace where a stage must run: then the purpose's `after` is called there.
 */
export async function runStages(
  options: BuildOptions,
  purpose: RunPurpose | undefined,
  signal?: AbortSignal,
): Promise<ExitCode> {
  try {
    return await buildAll(options, purpose, signal);
  } catch (error) {
    // Between the stages too, the disk of the cache may get full.
    throw diskError(error, cacheFolder(options.cacheDir)) ?? error;
  }
}

async function buildAll(
  options: BuildOptions,
  purpose: RunPurpose | undefined,
  signal: AbortSignal | undefined,
): Promise<ExitCode> {
  process.umask(0o022);
  const capacity = hostCapacity({jobs: options.jobs, pools: parsePools(options.pools)});
  const warnings: RunEvent[] = [];
  let emit = (event: RunEvent): void => void warnings.push(event);
  const warn = (message: string, hint?: string): void =>
    emit({type: 'warning', time: Date.now(), message, ...(hint === undefined ? {} : {hint})});
  const opened = await openSession(options, {look: false, warn}).catch(async (error: unknown) => {
    if (!(error instanceof StaleLock) || options.locked || options.offline) throw error;
    return await renewLock(options, error, warn);
  });
  if (typeof opened === 'number') return opened;
  try {
    await purpose?.prepare?.(opened);
    const session = purpose === undefined ? opened : narrow(opened, purpose);
    await requireEmulation(session);
    if (!isRoot() && !isComplete(await peekSession(session, AbortSignal.timeout(peekTimeoutMs)))) {
      opened.store.close();
      if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(options.cacheDir));
      return (await enterUserNamespace(signal)) as ExitCode;
    }
    const run = new BuildRun(session, {...options, capacity, purpose});
    emit = (event) => run.emit(event);
    return await run.build(warnings, signal);
  } finally {
    opened.store.close();
  }
}

/**
 * The spec has moved on since the lock was made: what is locked stays, what is missing is added. An ordinary user's build
 * starts once more in a user namespace, since package lists are stages.
 */
async function renewLock(
  options: BuildOptions,
  stale: StaleLock,
  warn: (message: string, hint?: string) => void,
): Promise<Session | ExitCode> {
  const cache = cacheFolder(options.cacheDir);
  if (!isRoot()) {
    if (!canEnterUserNamespace()) await refuseUserNamespace(cache);
    return (await enterUserNamespace()) as ExitCode;
  }
  const {relockFor} = await import('./lock.ts');
  const store = openStore(cache);
  try {
    const {path} = await relockFor(options, {store, update: 'nothing'});
    warn(
      `${basename(path)} was renewed: ${stale.problems.join('; ')}`,
      'Commit it with the spec; --locked makes this an error',
    );
  } finally {
    store.close();
  }
  return openSession(options, {look: false, warn});
}

const peekTimeoutMs = 60_000;
/** How often an artifact is made again that was spoilt in the cache. */
const mostTurns = 3;

type RunOptions = BuildOptions & {readonly capacity: Capacity; readonly purpose: RunPurpose | undefined};

/** One run of a plan: what is told, who listens, what is handed out. */
class BuildRun {
  readonly #session: Session;
  readonly #options: RunOptions;
  readonly #view: View;
  readonly #history: RunHistory;
  readonly #sequenced: (event: RunEvent) => void;
  readonly #trace = new TraceRecorder();
  #locate: Promise<SpecLocator> | undefined;
  readonly #command = ['fgimage', ...process.argv.slice(2)].join(' ');

  constructor(session: Session, options: RunOptions) {
    this.#session = session;
    this.#options = options;
    const {mode, verbose, replay, color, purpose} = options;
    this.#view = createView({mode, verbose, replay, stream: purpose?.stream ?? process.stdout, color});
    this.#history = new RunHistory(session.store.database, {file: session.spec.file, command: this.#command});
    this.#sequenced = sequence((event) => {
      this.#view.handle(event);
    });
  }

  emit(event: RunEvent): void {
    this.#history.note(event);
    this.#trace.handle(event);
    this.#sequenced(event);
    if (this.#options.replay && event.type === 'stage-cached' && event.log !== undefined) this.#replay(event);
  }

  /** The log of a stage that need not run, as if it did. */
  #replay({stage, log}: {readonly stage: string; readonly log?: string}): void {
    replayLog(this.#session.store.logPath(log ?? ''), (line) =>
      this.#sequenced({type: 'stage-log', time: Date.now(), stage, line}),
    );
  }

  async build(warnings: readonly RunEvent[], signal: AbortSignal | undefined): Promise<ExitCode> {
    const startedAt = Date.now();
    // The first signal ends the run in good order, the second at once.
    using abort = cancelOnSignals(() => {
      void this.#view.close();
      process.exit(exitCode.cancelled);
    });
    const cancel = (): void => abort.abort();
    signal?.addEventListener('abort', cancel, {once: true});
    if (signal?.aborted === true) cancel();
    const {scope} = this.#session;
    try {
      this.#session.store.sweep();
      this.#keepLocked();
      this.#announce(startedAt);
      for (const warning of warnings) this.emit(warning);
      const {states, outputs} = await this.#runAndDeliver(scope, abort.signal);
      await this.#session.remote?.finish(abort.signal);
      this.#session.store.flush();
      if (outputs.length > 0) await this.#keepRecipes(states);
      const code = abort.signal.aborted ? exitCode.done : await this.#after(states, outputs, abort.signal);
      await this.#finish({states, outputs, startedAt, code, cancelled: abort.signal.aborted});
      return abort.signal.aborted ? exitCode.cancelled : exitCodeOf(states) || code;
    } finally {
      scope.close();
      await this.#view.close();
      signal?.removeEventListener('abort', cancel);
    }
  }

  async #keepRecipes(states: ReadonlyMap<string, StageState>): Promise<void> {
    const {keepRecipes} = await import('./recipe.ts');
    await keepRecipes(this.#session, states, (message, hint) =>
      this.emit({type: 'warning', time: Date.now(), message, hint}),
    );
  }

  #after(
    states: ReadonlyMap<string, StageState>,
    outputs: readonly Output[],
    signal: AbortSignal,
  ): Promise<ExitCode> {
    const emit = (event: RunEvent): void => this.emit(event);
    const done = {session: this.#session, states, outputs, emit, signal};
    return this.#options.purpose?.after?.(done) ?? Promise.resolve(exitCode.done);
  }

  /** Content that turns out spoilt when it is handed out or to be read is set aside, and the graph is run once more. */
  async #runAndDeliver(
    scope: RunScope,
    signal: AbortSignal,
  ): Promise<{states: ReadonlyMap<string, StageState>; outputs: readonly Output[]}> {
    const {plan, store} = this.#session;
    const {purpose} = this.#options;
    for (let turn = 1; ; turn += 1) {
      const states = await this.#run(scope, signal);
      const finished: Finished[] = [];
      for (const delivery of purpose?.handOut === false ? [] : plan.deliveries)
        finished.push(finishDelivery(delivery, {session: this.#session, states}));
      const read = purpose === undefined ? [] : await spoiltContent(this.#session, states, purpose);
      const spoilt = [
        ...read,
        ...finished.flatMap((one) =>
          one.ok ? [] : [{stage: one.stage, digest: one.digest, problem: `${one.spoilt} is not what it was`}],
        ),
      ];
      for (const one of spoilt) {
        const place = store.quarantine(one.digest);
        this.emit({type: 'content-corrupt', time: Date.now(), ...one, place});
      }
      const outputs = finished.flatMap((one) => (one.ok ? [one.output] : []));
      if (spoilt.length === 0 || signal.aborted) return {states, outputs};
      if (turn === mostTurns) {
        const folder = store.layout.root;
        throw new FgError('CACHE_UNUSABLE', `What is written to the cache ${folder} comes back changed`, {
          hint: 'Have the disk and the memory of this machine checked, or name another folder with --cache-dir',
        });
      }
    }
  }

  async #run(scope: RunScope, signal: AbortSignal): Promise<ReadonlyMap<string, StageState>> {
    const {spec, plan, store, tools, remote, resolve, wanted, digests} = this.#session;
    const {capacity, fail, keepWork, color} = this.#options;
    let durations: ReadonlyMap<string, number> | undefined;
    const since = process.env[failedSinceVariable];
    const failed = since === undefined ? new Set() : keysFailedSince(store.database, Number(since));
    return runGraph({
      nodes: plan.nodes,
      store,
      scope,
      tools,
      remote,
      projectDir: spec.projectDir,
      hasChanged: (path) => digests.hasChanged(join(spec.projectDir, path)),
      emit: (event) => this.emit(event),
      signal,
      pools: new Pools(capacity),
      fail,
      force: resolve.force,
      readCache: resolve.readCache,
      trusts: resolve.trusts,
      failedBefore: (key) => failed.has(key),
      wanted,
      estimateMs: ({id, kind}) => {
        durations ??= typicalDurations(
          store.database,
          plan.nodes.map((node) => node.id),
        );
        return estimateMs(id, kind, durations);
      },
      lastDigest: (stage) => {
        const last = lastKeyOf(store.database, {file: spec.file, stage});
        const found = last === undefined ? undefined : store.find(last.key);
        return found?.state === 'known' ? found.action.digest : undefined;
      },
      reasonsFor: (node, resolution, purged) => this.#reasons(node, {resolution, purged}),
      keepWork,
      offline: this.#options.offline,
      gate: async (outputOf) => {
        const {checkPackageNames} = await import('./package-check.ts');
        const diagnostics = checkPackageNames({plan, spec, pathOf: (id) => outputOf(id)?.path, color});
        if (diagnostics.length > 0) return {reason: 'unknown-package', diagnostics};
        const {checkSteps} = await import('./step-check.ts');
        const isKnown = (id: string): boolean => outputOf(id) !== undefined;
        const {offline} = this.#options;
        return checkSteps({nodes: plan.nodes, spec, offline, isKnown});
      },
    });
  }

  /** What finds reasons is loaded with the first stage that runs. */
  async #reasons(
    node: StageNode,
    why: {readonly resolution: Resolution; readonly purged: Known | undefined},
  ): Promise<readonly Reason[]> {
    const {spec, store} = this.#session;
    const {reasonsToRun} = await import('../run/reasons.ts');
    const {specLocator} = await import('./spec.ts');
    this.#locate ??= specLocator(spec);
    return reasonsToRun(node, why, {store, file: spec.file, locate: await this.#locate});
  }

  /** What the lock names stays in the package store: an archive may drop it any day. */
  #keepLocked(): void {
    const {lock, store} = this.#session;
    if (lock !== undefined) keepLocked(store, lockRoot(lock));
  }

  #announce(startedAt: number): void {
    const {spec, plan, lock} = this.#session;
    this.emit({
      type: 'run-started',
      version: 2,
      time: startedAt,
      runId: this.#history.id,
      file: spec.file,
      command: this.#command,
      images: [...new Set(plan.deliveries.map(({image}) => image.name))],
      ...(lock === undefined ? {} : {lock: lock.path}),
    });
    for (const {id, kind, title, image, target, dependsOn} of plan.nodes) {
      this.emit({
        type: 'stage-planned',
        time: Date.now(),
        stage: id,
        kind: id.split(':')[0] ?? kind,
        title,
        dependsOn,
        ...(image === undefined ? {} : {image}),
        ...(target === undefined ? {} : {target}),
      });
    }
    for (const message of spec.warnings) this.emit({type: 'warning', time: Date.now(), message});
  }

  async #finish({
    states,
    outputs,
    startedAt,
    code,
    cancelled,
  }: {
    states: ReadonlyMap<string, StageState>;
    outputs: readonly Output[];
    startedAt: number;
    /** Of what was done after the stages. */
    code: ExitCode;
    cancelled: boolean;
  }): Promise<void> {
    const {store, remote, spec} = this.#session;
    const counts = countStates(states);
    const ran = this.#trace.events.some(({type}) => type === 'stage-started' || type === 'stage-fetched');
    const trace = ran ? this.#trace.write(store.layout.traces) : undefined;
    const told = remote?.status();
    const finished: RunEvent = {
      type: 'run-finished',
      time: Date.now(),
      outcome: cancelled
        ? 'cancelled'
        : counts.failed + counts.skipped > 0 || code !== exitCode.done
          ? 'failed'
          : 'done',
      durationMs: Date.now() - startedAt,
      stages: counts,
      savedMs: this.#history.savedMs,
      criticalPath: ran ? criticalPath(this.#trace.events) : [],
      outputs,
      ...(trace === undefined ? {} : {trace}),
      ...(remote === undefined || told === undefined || told.lookups + told.uploaded === 0
        ? {}
        : {remote: remote.statusLine()}),
    };
    this.#trace.handle(finished);
    // What this run used is in the history, so that gc knows; whoever reads the events hears the end last.
    this.#history.note(finished);
    if (ran && spec.cache.gc !== undefined) await this.#tidyUp(spec.cache.gc);
    if (finished.outcome === 'done' && this.#options.purpose === undefined)
      await this.#remember(states, outputs);
    this.#sequenced(finished);
  }

  async #remember(states: ReadonlyMap<string, StageState>, outputs: readonly Output[]): Promise<void> {
    const {rememberUnchanged} = await import('./remember.ts');
    rememberUnchanged(this.#session, {states, outputs});
  }

  /** What the spec says of the cache's size is kept after a build in which something was made. */
  async #tidyUp(bounds: NonNullable<Session['spec']['cache']['gc']>): Promise<void> {
    const {autoCollect} = await import('../../cache/gc-auto.ts');
    const tidied = autoCollect(this.#session.store, bounds);
    if (tidied.state === 'failed') this.emit({type: 'warning', time: Date.now(), message: tidied.message});
  }
}
