import {getHashes} from 'node:crypto';
import {join} from 'node:path';
import {setTimeout as wait} from 'node:timers/promises';
import {FgError} from '../../src/errors.ts';
import type {FileBody} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {printable} from '../../src/ui/format.ts';
import {type Artifact, type CreateProgress, type Mark, markNames} from '../registrar.ts';
import {FileDigests} from './file-digests.ts';
import {ConflictError, type Glance} from './glance.ts';
import {imageId} from './image-id.ts';
import {markOf, markTag, type RawImage, unverifiedName} from './properties.ts';

export interface UploadRequest {
  readonly glance: Glance;
  readonly artifact: Artifact;
  readonly progress: CreateProgress;
  readonly mark: Mark;
  /** What the image is made with, but for its id, formats and mark. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly method: 'auto' | 'upload' | 'import';
  readonly timing: UploadTiming;
  readonly warn: (message: string, hint?: string) => void;
}

export interface UploadTiming {
  /** How long an image that somebody else is, or was, uploading may stay as it is before it is begun anew. */
  readonly settleMs: number;
  /** Waits between looks at an image; the last of them again and again. */
  readonly pollMs: readonly number[];
  /** Waits before an upload is tried again whose connection broke. */
  readonly againMs: readonly number[];
}

export const usualTiming: UploadTiming = {
  settleMs: 120_000,
  pollMs: [200, 500, 1000, 2000, 5000],
  againMs: [1000, 5000, 20_000],
};

/**
 * Brings an image to `active` with the artifact's bytes: makes it or goes on with one that was left on its way, uploads,
 * waits, and compares size and digest with what Glance says that it has.
 */
export async function bringToActive(request: UploadRequest, unfinished?: RawImage): Promise<RawImage> {
  const uploader = new Uploader(request);
  try {
    return await uploader.run(unfinished);
  } finally {
    uploader.stop();
  }
}

class Uploader {
  readonly #request: UploadRequest;
  readonly #glance: Glance;
  readonly #path: string;
  readonly #sizeBytes: number;
  #methods: readonly string[] | undefined;
  readonly #digests: FileDigests;
  #tries = 0;

  constructor(request: UploadRequest) {
    const {artifact} = request;
    const entry = artifact.files.find(({path}) => path === artifact.file);
    if (entry === undefined) throw new Error(`The artifact has no file ${artifact.file}`);
    this.#request = request;
    this.#glance = request.glance;
    this.#path = join(artifact.folder, artifact.file);
    this.#sizeBytes = entry.sizeBytes;
    this.#digests = new FileDigests(this.#path, {sha256: entry.sha256, signal: this.#glance.signal});
  }

  stop(): void {
    this.#digests.stop();
  }

  async run(unfinished?: RawImage): Promise<RawImage> {
    let image = unfinished ?? (await this.#make());
    // What is on its way without our doing may have been left so.
    let isOurs = false;
    for (;;) {
      const id = idOf(image);
      switch (image['status']) {
        case 'active':
          await this.#compare(image);
          return this.#released(image);
        case 'queued': {
          const next = await this.#upload(image);
          isOurs = next.isSent;
          image = next.image ?? (await this.#make());
          break;
        }
        case 'saving':
        case 'uploading':
        case 'importing': {
          const settled = await this.#settle(image, isOurs ? undefined : this.#request.timing.settleMs);
          if (isOurs && settled !== undefined && hasGoneBack(image, settled))
            throw await this.#importFailed(id);
          image = settled ?? (await this.#anew(id));
          break;
        }
        default:
          if (isOurs) {
            throw new FgError(
              'REMOTE_REFUSED',
              `Image ${id} became "${statusOf(image)}" after it was uploaded`,
              {hint: 'Glance keeps the reason in its log: ask whoever runs the cloud'},
            );
          }
          image = await this.#anew(id);
      }
    }
  }

  /** Makes the image, with the first id that was never used. */
  async #make(): Promise<RawImage> {
    const {mark, body, artifact, progress} = this.#request;
    const projectId = await this.#glance.projectId();
    for (let generation = 0; generation < mostGenerations; generation += 1) {
      const id = imageId(projectId, mark, generation);
      const made = await this.#glance.create({
        ...body,
        id,
        disk_format: artifact.format,
        container_format: 'bare',
        tags: [markTag],
        [markNames.digest]: mark.digest,
        [markNames.lineage]: mark.lineage,
        [unverifiedName]: 'true',
      });
      if (made !== undefined) {
        progress.begun(id);
        this.#methods = made.methods;
        return made.image;
      }
      const there = await this.#glance.get(id);
      if (there === undefined || markOf(there)?.digest !== mark.digest) continue;
      progress.begun(id);
      return there;
    }
    throw new FgError('REMOTE_REFUSED', `The image was made and deleted ${mostGenerations} times there`, {
      hint: 'Glance keeps the ids of deleted images; "glance-manage db purge" forgets them',
    });
  }

  async #anew(id: string): Promise<RawImage> {
    this.#request.progress.report('Taking away what was left of an earlier upload');
    if (!(await this.#glance.remove(id)))
      throw new FgError('REMOTE_REFUSED', `Image ${id} was left unfinished, and is protected`);
    return this.#make();
  }

  /** Sends the data. An absent image: it was deleted meanwhile. */
  async #upload(image: RawImage): Promise<{readonly image: RawImage | undefined; readonly isSent: boolean}> {
    const id = idOf(image);
    this.#digests.begin('sha512');
    let isSent = false;
    try {
      await ((await this.#isImport()) ? this.#import(id) : this.#send(id, 'file'));
      isSent = true;
    } catch (error) {
      await this.#pause(error);
    }
    return {image: await this.#lookAgain(id), isSent};
  }

  /** Looks at an image as soon as the server, which may be starting again, lets it. */
  async #lookAgain(id: string): Promise<RawImage | undefined> {
    for (;;) {
      try {
        return await this.#glance.get(id);
      } catch (error) {
        await this.#pause(error);
      }
    }
  }

  /** Waits before another try; throws what is not worth one, and the last of them. */
  async #pause(error: unknown): Promise<void> {
    const {signal} = this.#glance;
    signal.throwIfAborted();
    const isPassing = error instanceof ConflictError || (error instanceof RemoteError && error.retriable);
    const delayMs = this.#request.timing.againMs[this.#tries];
    if (!isPassing || delayMs === undefined) throw error;
    this.#tries += 1;
    this.#request.progress.report(`Trying again: ${error.message}`);
    await wait(delayMs, undefined, {signal});
  }

  async #isImport(): Promise<boolean> {
    const {method} = this.#request;
    if (method === 'upload') return false;
    this.#methods ??= await this.#glance.importMethods();
    const isOffered = this.#methods.includes('glance-direct');
    if (method === 'import' && !isOffered) {
      const offered = this.#methods.length === 0 ? 'none' : this.#methods.map(printable).join(', ');
      throw new FgError(
        'REMOTE_REFUSED',
        `Glance does not offer imports by glance-direct (it offers ${offered})`,
        {
          hint: 'Use register.method: upload',
        },
      );
    }
    return isOffered;
  }

  async #import(id: string): Promise<void> {
    await this.#send(id, 'stage');
    await this.#glance.importStaged(id);
  }

  async #send(id: string, place: 'file' | 'stage'): Promise<void> {
    const {report} = this.#request.progress;
    let told = -1;
    const onProgress = (sentBytes: number): void => {
      const fraction = sentBytes / this.#sizeBytes;
      if (Math.floor(fraction * 100) === told) return;
      told = Math.floor(fraction * 100);
      report('Uploading', fraction);
    };
    const body: FileBody = {path: this.#path, sizeBytes: this.#sizeBytes, onProgress};
    await this.#glance.send(id, place, body);
  }

  /** Waits until an image is in another state; undefined: it did not get there in `limitMs`, or is gone. */
  async #settle(image: RawImage, limitMs: number | undefined): Promise<RawImage | undefined> {
    const {signal} = this.#glance;
    const until = limitMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + limitMs;
    const status = statusOf(image);
    this.#request.progress.report(`Waiting: the image is in "${status}"`);
    for (let polls = 0; Date.now() < until; polls += 1) {
      const delayMs = Math.min(this.#pollDelayMs(polls), until - Date.now());
      await wait(delayMs, undefined, {signal});
      const now = await this.#glance.get(idOf(image));
      if (now === undefined || statusOf(now) !== status) return now;
      // An import that fails at once is back where it was before anybody looks.
      if (
        limitMs === undefined &&
        status === 'uploading' &&
        (await this.#glance.failure(idOf(image))) !== undefined
      )
        throw await this.#importFailed(idOf(image));
    }
    return undefined;
  }

  /** The last steps of an import write the image again, and what others write meanwhile is lost. */
  async #released(image: RawImage): Promise<RawImage> {
    const until = Date.now() + this.#request.timing.settleMs;
    let now = image;
    for (let polls = 0; isHeld(now) && Date.now() < until; polls += 1) {
      await wait(this.#pollDelayMs(polls), undefined, {signal: this.#glance.signal});
      const next = await this.#glance.get(idOf(image));
      if (next === undefined) break;
      now = next;
    }
    return now;
  }

  #pollDelayMs(polls: number): number {
    const {pollMs} = this.#request.timing;
    return pollMs[Math.min(polls, pollMs.length - 1)] ?? 1000;
  }

  async #importFailed(id: string): Promise<FgError> {
    const words = await this.#glance.failure(id);
    return new FgError(
      'REMOTE_REFUSED',
      `Glance did not import image ${id}${words === undefined ? '' : `: ${words}`}`,
      {hint: 'Use register.method: upload, or ask whoever runs the cloud'},
    );
  }

  /** Holds size and digest of what Glance has against the file. */
  async #compare(image: RawImage): Promise<void> {
    const id = idOf(image);
    const {size, os_hash_algo: algorithm, os_hash_value: value} = image;
    if (size !== this.#sizeBytes) {
      throw new FgError(
        'REMOTE_REFUSED',
        `Image ${id} has ${String(size)} bytes there and ${this.#sizeBytes} here`,
        {hint: alteredHint},
      );
    }
    if (typeof algorithm !== 'string' || typeof value !== 'string' || !getHashes().includes(algorithm)) {
      this.#request.warn(
        `Glance tells no digest of image ${id} that could be compared; its size is right`,
        'Whoever runs the cloud chooses the digest with hashing_algorithm: sha512 is usual',
      );
      return;
    }
    this.#request.progress.report('Comparing digests');
    const expected = await this.#digests.of(algorithm);
    if (value.toLowerCase() === expected) return;
    throw new FgError('REMOTE_REFUSED', `Image ${id} has another ${algorithm} there than here`, {
      hint: alteredHint,
    });
  }
}

const mostGenerations = 64;

/** Where an import ends that failed. */
function hasGoneBack(from: RawImage, to: RawImage): boolean {
  return to['status'] === 'queued' || (from['status'] === 'importing' && to['status'] === 'uploading');
}

const alteredHint =
  'The cloud alters images when it imports them (ask for its image conversion), or the upload was cut: use register.method: upload, or the format that it converts to';

/** Glance's own lock, which an import holds. */
function isHeld(image: RawImage): boolean {
  return typeof image['os_glance_import_task'] === 'string';
}

function idOf(image: RawImage): string {
  return String(image['id']);
}

export function statusOf(image: RawImage): string {
  return printable(String(image['status']));
}
