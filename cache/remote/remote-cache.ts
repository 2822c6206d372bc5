import {rename, rm} from 'node:fs/promises';
import {RemoteError, type RemoteErrorKind} from '../../src/http/error.ts';
import {fail, ok, type Result} from '../../src/result.ts';
import type {ActionRecord} from '../record.ts';
import type {TreeSummary} from '../tree.ts';
import {unpackObject} from './archive.ts';
import type {Blob} from './backend.ts';
import {RemotePackages} from './packages.ts';
import {type RemoteStatus, remoteStatusLine} from './remote-status.ts';
import {messageOf, type RemoteCacheOptions, RemoteSession} from './session.ts';
import type {TrustedKey} from './signature.ts';
import {Uploader, type UploadSource} from './uploader.ts';
import {type IgnoredRecord, type RemoteHit, readWireRecord, withoutLog} from './wire.ts';

export type {RemoteCacheOptions, TransferEvent} from './session.ts';
export type {UploadSource} from './uploader.ts';
export type {RemoteHit} from './wire.ts';

/** Why something that a record names could not be had. Was told already; the stage has to run. */
export interface RemoteProblem {
  /** `local`: this machine could not take it, for want of room for example. */
  readonly kind: RemoteErrorKind | 'cancelled' | 'local';
  readonly message: string;
}

/**
 * The remote cache as the engine uses it: signed records by key, trees by digest. Nothing that is wrong with the
 * remote stops a build: a record that is not believed is none, an upload that fails is a warning, a remote that does
 * not answer is told once and left alone after three failed calls in a row.
 */
export class RemoteCache {
  /** Debian packages by digest. */
  readonly packages: RemotePackages;
  readonly #session: RemoteSession;
  readonly #trustedKeys: readonly TrustedKey[];
  readonly #lookups = new Map<string, Promise<RemoteHit | undefined>>();
  readonly #uploader: Uploader | undefined;

  constructor(options: RemoteCacheOptions) {
    const {mode, signingKey, trustedKeys} = options;
    this.#session = new RemoteSession(options);
    this.packages = new RemotePackages(this.#session, {
      mayWrite: mode !== 'r' && signingKey !== undefined,
    });
    this.#trustedKeys = signingKey === undefined ? trustedKeys : [...trustedKeys, signingKey];
    if (mode !== 'r' && signingKey !== undefined) this.#uploader = new Uploader(this.#session, signingKey);
  }

  /** What the remote knows of a key, asked once in a run; undefined when it knows nothing that can be believed. */
  lookup(key: string, signal: AbortSignal): Promise<RemoteHit | undefined> {
    if (this.#session.options.mode === 'w') return Promise.resolve(undefined);
    const known = this.#lookups.get(key);
    if (known !== undefined) return known;
    this.#session.count.lookups += 1;
    const asked = this.#ask(key, signal);
    this.#lookups.set(key, asked);
    return asked;
  }

  /**
   * Makes `folder/tree` and `folder/manifest` of a hit, in a folder that has neither: what `objects/<digest>` holds.
   * When it fails, `folder` is as it was.
   */
  async fetchObject(
    hit: RemoteHit,
    folder: string,
    signal: AbortSignal,
  ): Promise<Result<TreeSummary, RemoteProblem>> {
    const {key, stage, digest} = hit.record;
    const {sizeBytes} = hit.object;
    const tell = this.#session.transfer('fetch', {key, stage});
    tell('started', sizeBytes);
    const archive = this.#session.workFile();
    try {
      await this.#get(hit.object, archive, signal);
      const summary = await unpackObject(archive, folder, {digest, signal});
      tell('done', sizeBytes);
      return ok(summary);
    } catch (error) {
      tell('failed', sizeBytes);
      return fail(this.#problem(error, {what: stage, blob: hit.object, signal}));
    } finally {
      await rm(archive, {force: true});
    }
  }

  /** Writes the log of a hit to `path`, in one step. */
  async fetchLog(hit: RemoteHit, path: string, signal: AbortSignal): Promise<Result<void, RemoteProblem>> {
    if (hit.log === undefined) return fail({kind: 'missing', message: 'The remote cache has no log of it'});
    const file = this.#session.workFile();
    try {
      await this.#get(hit.log, file, signal);
      await rename(file, path);
      return ok(undefined);
    } catch (error) {
      const what = `The log of ${hit.record.stage}`;
      return fail(this.#problem(error, {what, blob: hit.log, signal}));
    } finally {
      await rm(file, {force: true});
    }
  }

  /** The remote as a person would say it, without credentials. */
  get name(): string {
    return this.#session.backend.name;
  }

  /** Whether `upload` does anything: not in mode `r`, nor without a signing key. */
  get canUpload(): boolean {
    return this.#uploader !== undefined;
  }

  /**
   * Puts a stage's output into the remote, in the background; what `source` names has to stay until `finish`. Never
   * fails: what goes wrong is one warning for all uploads of a run.
   */
  upload(record: ActionRecord, source: UploadSource): void {
    this.#uploader?.add(record, source, this.#lookups.get(record.key));
  }

  /** Waits for the uploads; once `signal` is aborted they are given up. */
  async finish(signal?: AbortSignal): Promise<void> {
    await Promise.all([this.#uploader?.finish(signal), this.packages.finish(signal)]);
  }

  status(): RemoteStatus {
    const {count, isLeftAlone, options} = this.#session;
    return {
      mode: options.mode,
      ...count,
      lacksSigningKey: options.signingKey === undefined,
      isLeftAlone,
    };
  }

  /** What `status` says, in one line for people. */
  statusLine(): string {
    return remoteStatusLine(this.status());
  }

  async #ask(key: string, signal: AbortSignal): Promise<RemoteHit | undefined> {
    const {archives, backend, count, reads} = this.#session;
    let bytes: Buffer | undefined;
    try {
      bytes = await reads.make(signal, (one) => backend.getRecord(key, one));
    } catch (error) {
      // Nothing was learnt by a call that was cancelled.
      if (signal.aborted) this.#lookups.delete(key);
      else this.#session.report(error, {sort: 'read', message: messageOf(error)});
    }
    if (bytes === undefined) return undefined;
    const read = readWireRecord(bytes, {key, trustedKeys: this.#trustedKeys});
    if (!read.ok) {
      this.#ignore(key, read.error);
      return undefined;
    }
    const {record, object, log, keyId} = read.value;
    count.hits += 1;
    archives.set(record.digest, object);
    return log === undefined ? {record: withoutLog(record), object, keyId} : {record, object, log, keyId};
  }

  #ignore(key: string, {reason, message}: IgnoredRecord): void {
    const {backend, count, ignored} = this.#session;
    count.ignored += 1;
    ignored.set(key, reason);
    this.#session.warnOnce(message, {
      message: `A record of the remote cache ${backend.name} is ignored: it is ${message}`,
      hint:
        reason === 'unknown-key'
          ? 'Add that key to the trusted keys if you trust who holds it.'
          : 'Ask who keeps the remote cache how it got there.',
    });
  }

  async #get(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    const {backend, count, reads} = this.#session;
    await reads.make(signal, (one) => backend.getBlob(blob, path, one));
    count.fetched += 1;
    count.fetchedBytes += blob.sizeBytes;
  }

  #problem(
    error: unknown,
    {what, blob, signal}: {readonly what: string; readonly blob: Blob; readonly signal: AbortSignal},
  ): RemoteProblem {
    if (signal.aborted) return {kind: 'cancelled', message: 'Cancelled'};
    const message = messageOf(error);
    const kind = error instanceof RemoteError ? error.kind : 'local';
    if (kind === 'missing' || kind === 'damaged') this.#session.broken.add(blob.sha256);
    const sort = kind === 'refused' ? 'read' : blob.sha256;
    this.#session.report(error, {sort, message: `${what} cannot be had: ${message}`});
    return {kind, message};
  }
}
