import {rm, stat} from 'node:fs/promises';
import type {ActionRecord} from '../record.ts';
import {digestFile} from '../tree.ts';
import {packObject} from './archive.ts';
import type {Blob} from './backend.ts';
import {Background} from './background.ts';
import {messageOf, type RemoteSession} from './session.ts';
import type {SigningKey} from './signature.ts';
import {type RemoteHit, withoutLog, writeWireRecord} from './wire.ts';

export interface UploadSource {
  readonly treeFolder: string;
  /** Absent, or not there any more: the record goes without a log. */
  readonly logPath?: string;
}

/** Puts what was built into the remote, in the background. Blobs come first: a record never names what is not there. */
export class Uploader {
  readonly #session: RemoteSession;
  readonly #signingKey: SigningKey;
  readonly #background: Background;

  constructor(session: RemoteSession, signingKey: SigningKey) {
    this.#session = session;
    this.#signingKey = signingKey;
    this.#background = new Background(session.options.concurrency ?? 2);
  }

  /** Queues an upload. `before`: what the remote knew of the key when this run asked. */
  add(record: ActionRecord, source: UploadSource, before: Promise<RemoteHit | undefined> | undefined): void {
    const session = this.#session;
    const {key, stage} = record;
    this.#background.add(async () => {
      const hit = await before;
      if (this.#background.isStopped() || session.isLeftAlone || !this.#isNews(record, hit)) return;
      const tell = session.transfer('upload', {key, stage});
      tell('started');
      try {
        tell('done', await this.#put(record, source, hit));
      } catch (error) {
        tell('failed');
        if (this.#background.isStopped()) return;
        session.report(error, {sort: 'upload', message: `${stage} is not uploaded: ${messageOf(error)}`});
      }
    });
  }

  /** Waits for all; once `signal` is aborted those that have not begun are dropped and the others broken off. */
  finish(signal: AbortSignal | undefined): Promise<void> {
    return this.#background.finish(signal);
  }

  /** Somebody else's record stays, and so does one that says the same; one that nobody can believe makes room. */
  #isNews(record: ActionRecord, hit: RemoteHit | undefined): boolean {
    const ignored = this.#session.ignored.get(record.key);
    if (ignored === 'unknown-key' || ignored === 'version') return false;
    return hit?.record.digest !== record.digest || this.#isBroken(hit);
  }

  #isBroken({object, log}: RemoteHit): boolean {
    const {broken} = this.#session;
    return broken.has(object.sha256) || (log !== undefined && broken.has(log.sha256));
  }

  /** Gives the bytes that went up. */
  async #put(record: ActionRecord, source: UploadSource, hit: RemoteHit | undefined): Promise<number> {
    const {backend, count, ignored, writes} = this.#session;
    const replace = ignored.has(record.key) || (hit !== undefined && this.#isBroken(hit));
    const log = await logBlob(record, source.logPath);
    const {object, sentBytes: objectBytes} = await this.#putObject(record.digest, source.treeFolder);
    const sentBytes = objectBytes + (log === undefined ? 0 : await this.#send(log.blob, log.path));
    const wire = log === undefined ? {record: withoutLog(record), object} : {record, object, log: log.blob};
    const bytes = writeWireRecord({version: 1, ...wire}, this.#signingKey);
    const blobs = log === undefined ? [object] : [object, log.blob];
    await writes.make(this.#background.signal, (signal) =>
      backend.putRecord(record.key, bytes, {blobs, replace, signal}),
    );
    count.uploaded += 1;
    count.uploadedBytes += sentBytes;
    return sentBytes;
  }

  /** Packs a tree and sends it, unless this run saw its archive and the remote has it. */
  async #putObject(
    digest: string,
    treeFolder: string,
  ): Promise<{readonly object: Blob; readonly sentBytes: number}> {
    const {archives} = this.#session;
    const known = archives.get(digest);
    if (known !== undefined && (await this.#has(known))) return {object: known, sentBytes: 0};
    const archive = this.#session.workFile();
    try {
      const object = await packObject(treeFolder, archive, this.#background.signal);
      const sentBytes = await this.#send(object, archive);
      archives.set(digest, object);
      return {object, sentBytes};
    } finally {
      await rm(archive, {force: true});
    }
  }

  /** Sends a blob that the remote does not have; gives the bytes that went. */
  async #send(blob: Blob, path: string): Promise<number> {
    if (await this.#has(blob)) return 0;
    const {backend, broken, writes} = this.#session;
    await writes.make(this.#background.signal, (signal) => backend.putBlob(blob, path, signal));
    broken.delete(blob.sha256);
    return blob.sizeBytes;
  }

  async #has(blob: Blob): Promise<boolean> {
    const {backend, broken, reads} = this.#session;
    if (broken.has(blob.sha256)) return false;
    return await reads.make(this.#background.signal, (signal) => backend.hasBlob(blob, signal));
  }
}

/** The log as a blob; undefined when it is not there or not the one that the record names. */
async function logBlob(
  record: ActionRecord,
  path: string | undefined,
): Promise<{readonly blob: Blob; readonly path: string} | undefined> {
  if (path === undefined || record.log === undefined) return undefined;
  const status = await stat(path).catch(() => undefined);
  if (status === undefined || digestFile(path) !== record.log) return undefined;
  return {blob: {sha256: record.log, sizeBytes: status.size}, path};
}
