import {mkdirSync, renameSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {diskError} from '../../cache/disk-error.ts';
import type {ActionRecord} from '../../cache/record.ts';
import type {Store} from '../../cache/store.ts';
import {digestFile} from '../../cache/tree.ts';
import {FgError} from '../errors.ts';
import type {Reason} from '../plan/explain.ts';
import type {StageNode} from '../plan/graph.ts';
import {type KeyParts, type StageKey, stageKey} from '../plan/key.ts';
import type {CommandLog} from '../sandbox/process.ts';
import type {JsonObject} from '../spec/image.ts';
import type {StageContext, StageOutput, StageSuccess} from '../stages/stage.ts';
import type {EngineOptions} from './engine-options.ts';
import type {CheckResult, StageFailure} from './events.ts';
import type {Known} from './resolve.ts';

export interface ExecuteOptions
  extends Pick<
    EngineOptions,
    | 'store'
    | 'scope'
    | 'tools'
    | 'remote'
    | 'projectDir'
    | 'hasChanged'
    | 'emit'
    | 'signal'
    | 'lastDigest'
    | 'keepWork'
    | 'runnerOf'
    | 'offline'
  > {
  readonly key: StageKey;
  readonly parts: KeyParts;
  readonly inputs: ReadonlyMap<string, StageOutput>;
  readonly reasons: readonly Reason[];
  /** Whether what is known already may be taken: not when the stage is forced to run. */
  readonly mayReuse: boolean;
  /** Whether the inputs were what they should be; what was made of others does not count. */
  readonly sound: () => Promise<boolean>;
}

/** How the running of a stage ended. */
export type Made =
  | {readonly outcome: 'made'; readonly output: StageOutput; readonly durationMs: number}
  /** While it ran it turned out that what it would give is known. */
  | {readonly outcome: 'reused'; readonly known: Known}
  | {
      readonly outcome: 'failed';
      readonly failure: StageFailure;
      readonly durationMs: number;
      readonly checks?: readonly CheckResult[];
      /** SHA-256 of the log. */
      readonly log?: string;
      readonly keptWork?: string;
    }
  /** By the user, or because its inputs were unsound. */
  | {readonly outcome: 'cancelled'};

/** Runs one stage in a private folder, and publishes what it made. */
export async function runStage(node: StageNode, options: ExecuteOptions): Promise<Made> {
  return new Execution(node, options).run();
}

class Execution {
  readonly #node: StageNode;
  readonly #options: ExecuteOptions;
  readonly #startedAt = Date.now();
  readonly #work: string;
  /** When the work folder was made, in seconds, by the clock that gives files their times: not always this process's. */
  readonly #writtenSince: number;
  readonly #liveLog: string;
  #known: Known | undefined;
  #refined: KeyParts | undefined;

  constructor(node: StageNode, options: ExecuteOptions) {
    this.#node = node;
    this.#options = options;
    const name = node.id.replaceAll(/[^a-z0-9.-]+/gi, '_');
    this.#liveLog = join(options.store.layout.logs, `live-${name}-${options.key.slice(0, 12)}.log`);
    this.#work = options.scope.scratch(options.key.slice(0, 32));
    this.#writtenSince = Math.floor(statSync(this.#work).mtimeMs / 1000);
  }

  async run(): Promise<Made> {
    const {emit, key, reasons} = this.#options;
    const {CommandLog} = await import('../sandbox/process.ts');
    rmSync(this.#liveLog, {force: true});
    const log = new CommandLog(this.#liveLog, (line) =>
      emit({type: 'stage-log', time: Date.now(), stage: this.#node.id, line}),
    );
    const logPath = this.#liveLog;
    emit({type: 'stage-started', time: this.#startedAt, stage: this.#node.id, key, logPath, reasons});
    try {
      return await this.#attempt(log);
    } catch (error) {
      if (this.#options.signal.aborted) return {outcome: 'cancelled'};
      const failure = expectedFailure(error, this.#options.store);
      if (failure === undefined) throw error;
      return await this.#failed(failure, log);
    } finally {
      await log.close();
    }
  }

  async #attempt(log: CommandLog): Promise<Made> {
    const {signal, sound} = this.#options;
    const runnerOf = this.#options.runnerOf ?? (await import('../stages/registry.ts')).stageRunner;
    mkdirSync(this.#output, {recursive: true});
    const run = await runnerOf(this.#node.kind);
    const result = await run(this.#context(log));
    if (signal.aborted || !(await sound())) return {outcome: 'cancelled'};
    if (!result.ok) return this.#failed(result.error.failure, log, result.error.checks);
    const edited = Object.keys(this.#node.files).filter(this.#options.hasChanged);
    if (edited.length > 0) return this.#failed({reason: 'input-changed', paths: edited}, log);
    if (this.#known !== undefined) return this.#reuse(this.#known, log);
    return this.#publish(result.value, log);
  }

  get #object(): string {
    return join(this.#work, 'object');
  }

  get #output(): string {
    return join(this.#object, 'tree');
  }

  #context(log: CommandLog): StageContext {
    const {key, inputs, store, scope, projectDir, signal, tools, emit, remote} = this.#options;
    const stage = this.#node.id;
    return {
      node: this.#node,
      key,
      inputs,
      store,
      run: scope.folder,
      offline: this.#options.offline === true,
      remotePackages: remote?.packages,
      projectDir,
      work: this.#work,
      output: this.#output,
      log,
      signal,
      tool: (name) => {
        const tool = tools.find(name);
        if (tool === undefined) throw new Error(`Stage ${stage} runs ${name}, which it does not declare`);
        return tool.path;
      },
      isKnown: (refinement, ...instead) => this.#isKnown(refinement, instead),
      progress: (message, fraction) =>
        emit({
          type: 'stage-progress',
          time: Date.now(),
          stage,
          message,
          ...(fraction === undefined ? {} : {fraction}),
        }),
      warn: (message, hint) =>
        emit({type: 'warning', time: Date.now(), stage, message, ...(hint === undefined ? {} : {hint})}),
    };
  }

  /** Looks up the key with what the stage found out in the place of inputs. */
  #isKnown(refinement: JsonObject, instead: readonly string[]): boolean {
    const {parts, store, mayReuse} = this.#options;
    const inputs = parts.inputs.map(([id, digest]) => [id, instead.includes(id) ? '' : digest] as const);
    this.#refined = {...parts, inputs, params: {...parts.params, refinement}};
    const found = mayReuse ? store.lookup(stageKey(this.#refined)) : undefined;
    if (found !== undefined) this.#known = {action: found, content: 'local'};
    return found !== undefined;
  }

  async #reuse(known: Known, log: CommandLog): Promise<Made> {
    const {store, key, parts} = this.#options;
    const kept = await this.#keepLog(log);
    const action: ActionRecord = {
      ...known.action,
      key,
      parts,
      ...(known.action.log === undefined ? {log: kept} : {}),
    };
    store.record(action);
    return {outcome: 'reused', known: {...known, action}};
  }

  async #publish(success: StageSuccess, log: CommandLog): Promise<Made> {
    const {store, scope, emit, key, parts, remote, keepWork} = this.#options;
    const epoch = this.#node.params['source_date_epoch'];
    const clamp = typeof epoch === 'number' ? {writtenSince: this.#writtenSince, epoch} : undefined;
    const before = this.#options.lastDigest(this.#node.id);
    const {digest, sizeBytes} = await store.publish(this.#object, {clamp, run: scope.folder});
    const durationMs = Date.now() - this.#startedAt;
    const result: JsonObject = {...success.result, size_bytes: sizeBytes};
    const kept = await this.#keepLog(log);
    const action: ActionRecord = {
      key,
      stage: this.#node.id,
      digest,
      sizeBytes,
      durationMs,
      startedAt: this.#startedAt,
      log: kept,
      parts,
      result,
    };
    store.record(action);
    if (this.#refined !== undefined)
      store.record({...action, key: stageKey(this.#refined), parts: this.#refined});
    remote?.upload(action, {treeFolder: store.treePath(digest), logPath: store.logPath(kept)});
    if (keepWork === 'always') await this.#keep(log, digest);
    const unchanged = before === digest;
    emit({
      type: 'stage-finished',
      time: Date.now(),
      stage: this.#node.id,
      digest,
      durationMs,
      log: kept,
      unchanged,
      ...(success.checks === undefined ? {} : {checks: success.checks}),
    });
    return {outcome: 'made', output: {digest, path: store.treePath(digest), result}, durationMs};
  }

  async #failed(failure: StageFailure, log: CommandLog, checks?: readonly CheckResult[]): Promise<Made> {
    const {store, keepWork} = this.#options;
    const kept = await this.#keepLog(log).catch(() => undefined);
    const durationMs = Date.now() - this.#startedAt;
    const keptWork = keepWork === 'never' ? undefined : await this.#keep(log);
    return {
      outcome: 'failed',
      failure:
        'logPath' in failure && kept !== undefined ? {...failure, logPath: store.logPath(kept)} : failure,
      durationMs,
      ...(checks === undefined ? {} : {checks}),
      ...(kept === undefined ? {} : {log: kept}),
      ...(keptWork === undefined ? {} : {keptWork}),
    };
  }

  /** Moves the work folder to where it outlives the run; `digest`: of the output that was published from it. */
  async #keep(log: CommandLog, digest?: string): Promise<string | undefined> {
    const {keepWork} = await import('./kept-work.ts');
    const {store, scope, key, emit} = this.#options;
    const kept = keepWork({
      layout: store.layout,
      work: this.#work,
      run: scope.folder.path,
      stage: this.#node.id,
      key,
      commands: log.commands,
      ...(digest === undefined ? {} : {digest}),
    });
    if (kept.ok) return kept.value;
    emit({type: 'warning', time: Date.now(), stage: this.#node.id, message: kept.error});
    return undefined;
  }

  /** A log is kept under the digest of its text. */
  async #keepLog(log: CommandLog): Promise<string> {
    await log.close();
    const digest = digestFile(this.#liveLog);
    renameSync(this.#liveLog, this.#options.store.logPath(digest));
    return digest;
  }
}

/** What a user can mend, or the disk of the cache does to a stage: no room, or no bytes. */
export function expectedFailure(error: unknown, store: Store): StageFailure | undefined {
  const disk = diskError(error, store.layout.root);
  const told = disk ?? (error instanceof FgError ? error : undefined);
  if (told === undefined) return undefined;
  const reason = disk === undefined ? 'refused' : disk.code === 'NO_SPACE' ? 'no-space' : 'io-error';
  return {reason, message: told.message, hint: told.hint ?? 'See the log of the stage'};
}
