import {createHash} from 'node:crypto';
import {link, rm} from 'node:fs/promises';
import {RemoteError, type RemoteErrorKind} from '../../src/http/error.ts';
import {fail, ok, type Result} from '../../src/result.ts';
import type {Blob} from './backend.ts';
import {Background} from './background.ts';
import {messageOf, type RemoteSession} from './session.ts';

/** Why a package could not be had from the remote: `missing` is the usual answer. */
export interface PackageProblem {
  readonly kind: RemoteErrorKind | 'cancelled' | 'local';
  readonly message: string;
}

/**
 * Debian packages in a remote cache: plain bytes by their SHA-256, beside those of stages. No signature is asked for,
 * since a lock, or apt's verified lists, says which bytes are wanted, and what comes is compared with that.
 */
export class RemotePackages {
  readonly #session: RemoteSession;
  readonly #mayWrite: boolean;
  readonly #background: Background;
  readonly #sent = new Set<string>();

  constructor(session: RemoteSession, {mayWrite}: {readonly mayWrite: boolean}) {
    this.#session = session;
    this.#mayWrite = mayWrite;
    this.#background = new Background(session.options.concurrency ?? 2);
  }

  /** The remote as a person would say it, without credentials. */
  get name(): string {
    return this.#session.backend.name;
  }

  get canUpload(): boolean {
    return this.#mayWrite;
  }

  /** Writes the package's bytes to `path`, a new file; when it fails there is none. */
  async fetch(blob: Blob, path: string, signal: AbortSignal): Promise<Result<void, PackageProblem>> {
    const {backend, count, reads, options} = this.#session;
    if (options.mode === 'w') return fail({kind: 'missing', message: 'it is only written to'});
    try {
      await reads.make(signal, (one) => backend.getBlob(blob, path, one));
      count.fetched += 1;
      count.fetchedBytes += blob.sizeBytes;
      return ok(undefined);
    } catch (error) {
      if (signal.aborted) return fail({kind: 'cancelled', message: 'Cancelled'});
      const kind = error instanceof RemoteError ? error.kind : 'local';
      const message = kind === 'missing' ? 'not there' : messageOf(error);
      // That a package is not there is no trouble with the remote.
      if (kind !== 'missing') this.#session.report(error, {sort: 'read', message});
      return fail({kind, message});
    }
  }

  /** Puts a package into the remote, in the background, unless it is there. Never fails: trouble is one warning. */
  upload(blob: Blob, path: string): void {
    if (!this.#mayWrite || this.#sent.has(blob.sha256)) return;
    this.#sent.add(blob.sha256);
    this.#background.add(async () => {
      if (this.#session.isLeftAlone) return;
      // By a name of its own: gc, or a build that wants other bytes by that name, may take the file away.
      const own = this.#session.workFile();
      try {
        await link(path, own);
        await this.#send(blob, own);
      } catch (error) {
        if (this.#background.isStopped()) return;
        this.#session.report(error, {
          sort: 'upload',
          message: `A package is not uploaded: ${messageOf(error)}`,
        });
      } finally {
        await rm(own, {force: true});
      }
    });
  }

  /** Waits for all uploads; once `signal` is aborted those that have not begun are dropped. */
  finish(signal: AbortSignal | undefined): Promise<void> {
    return this.#background.finish(signal);
  }

  async #send(blob: Blob, path: string): Promise<void> {
    const {backend, count, reads, writes} = this.#session;
    const {signal} = this.#background;
    if (await reads.make(signal, (one) => backend.hasBlob(blob, one))) return;
    await writes.make(signal, (one) => backend.putBlob(blob, path, one));
    if (backend.dropsUnnamed === true) {
      const key = createHash('sha256').update(`package ${blob.sha256}`).digest('hex');
      const record = Buffer.from(JSON.stringify({package: blob.sha256}));
      await writes.make(signal, (one) => backend.putRecord(key, record, {blobs: [blob], signal: one}));
    }
    count.uploaded += 1;
    count.uploadedBytes += blob.sizeBytes;
  }
}
