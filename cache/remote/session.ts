import {randomUUID} from 'node:crypto';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {RemoteError} from '../../src/http/error.ts';
import {printable} from '../../src/ui/format.ts';
import type {Blob, RemoteBackend} from './backend.ts';
import {LeftAloneError, RemoteCalls} from './calls.ts';
import type {SigningKey, TrustedKey} from './signature.ts';
import type {IgnoredRecord} from './wire.ts';

export interface RemoteCacheOptions {
  readonly backend: RemoteBackend;
  readonly mode: 'r' | 'w' | 'rw';
  /** Whose records are believed, beside those of the own signing key. */
  readonly trustedKeys: readonly TrustedKey[];
  /** Without it nothing is uploaded. */
  readonly signingKey?: SigningKey;
  /** For archives on their way; on the file system of the cache, and removed by whoever made it. */
  readonly workFolder: string;
  readonly warn: (message: string, hint?: string) => void;
  readonly onTransfer?: (event: TransferEvent) => void;
  /** Uploads at once; 2 where it is left out. */
  readonly concurrency?: number;
  /** Waits between tries; for tests. */
  readonly retryDelaysMs?: readonly number[];
}

/** An object on its way. `sizeBytes`: what went over the line, once it is known. */
export interface TransferEvent {
  readonly direction: 'fetch' | 'upload';
  readonly state: 'started' | 'done' | 'failed';
  readonly key: string;
  readonly stage: string;
  readonly sizeBytes?: number;
  readonly durationMs?: number;
}

/** What the reading and the writing side of a remote cache share in one run: what was seen, counted and told. */
export class RemoteSession {
  readonly options: RemoteCacheOptions;
  readonly backend: RemoteBackend;
  /** Apart, so that a remote that takes nothing is still read from. */
  readonly reads: RemoteCalls;
  readonly writes: RemoteCalls;
  /** Archives of objects, by the objects' digest. */
  readonly archives = new Map<string, Blob>();
  /** SHA-256 of blobs that a record names and that are gone or damaged: they go up again, with their record. */
  readonly broken = new Set<string>();
  /** Keys whose record was not believed, and why. */
  readonly ignored = new Map<string, IgnoredRecord['reason']>();
  readonly count = {
    lookups: 0,
    hits: 0,
    ignored: 0,
    fetched: 0,
    fetchedBytes: 0,
    uploaded: 0,
    uploadedBytes: 0,
    failed: 0,
  };
  readonly #told = new Set<string>();

  constructor(options: RemoteCacheOptions) {
    this.options = options;
    this.backend = options.backend;
    this.reads = new RemoteCalls(options.retryDelaysMs);
    this.writes = new RemoteCalls(options.retryDelaysMs);
  }

  get isLeftAlone(): boolean {
    return this.reads.isLeftAlone || this.writes.isLeftAlone;
  }

  /** Counts a failure and tells it, unless one of its sort was told. An unreachable remote is one sort in all. */
  report(error: unknown, {sort, message}: {readonly sort: string; readonly message: string}): void {
    if (error instanceof LeftAloneError) return;
    this.count.failed += 1;
    const isRemote = error instanceof RemoteError;
    const isUnreachable = isRemote && error.kind === 'unreachable';
    const hint = isRemote ? error.hint : undefined;
    const usual = sort === 'upload' ? undefined : 'What the local cache does not have is built here.';
    this.warnOnce(isUnreachable ? 'unreachable' : sort, {
      message: `Remote cache: ${isUnreachable ? error.message : message}`,
      hint: hint ?? usual,
    });
  }

  warnOnce(
    sort: string,
    {message, hint}: {readonly message: string; readonly hint?: string | undefined},
  ): void {
    if (this.#told.has(sort)) return;
    this.#told.add(sort);
    this.options.warn(message, hint);
  }

  /** Tells how the transfer of an object goes on; the time runs from here. */
  transfer(
    direction: TransferEvent['direction'],
    {key, stage}: {readonly key: string; readonly stage: string},
  ): (state: TransferEvent['state'], sizeBytes?: number) => void {
    const startedAt = performance.now();
    return (state, sizeBytes) =>
      this.options.onTransfer?.({
        direction,
        state,
        key,
        stage,
        ...(sizeBytes === undefined ? {} : {sizeBytes}),
        ...(state === 'started' ? {} : {durationMs: Math.round(performance.now() - startedAt)}),
      });
  }

  /** A path for a file that nobody else uses. */
  workFile(): string {
    mkdirSync(this.options.workFolder, {recursive: true});
    return join(this.options.workFolder, `remote-${randomUUID()}`);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? printable(error.message) : 'an unknown error';
}
