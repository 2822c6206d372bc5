import {randomUUID} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {isErrno, isNoSpace} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import {type Blob, largestRecordBytes, type PutRecordOptions, type RemoteBackend} from './backend.ts';
import {saveBlob} from './transfer.ts';

const abandonedAfterMs = 24 * 3600 * 1000;

/**
 * A remote cache in a folder that several machines mount: `ac/<key>` and `cas/<sha256>`, so that any web server can
 * hand out the same folder. Everything is written to `tmp/`, flushed, and then given its name in one step; no locks,
 * which network file systems may lack.
 */
export class DirectoryBackend implements RemoteBackend {
  readonly name: string;
  readonly #root: string;
  #isReady = false;

  constructor(root: string) {
    this.name = root;
    this.#root = root;
  }

  getRecord(key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#guard(signal, async () => {
      const path = this.#path('ac', key);
      const status = await statIfThere(path);
      // A share that is not mounted is not an empty cache.
      if (status === undefined) await stat(this.#root);
      if (status === undefined || status.size > largestRecordBytes) return undefined;
      return await readFile(path, {signal});
    });
  }

  putRecord(key: string, record: Buffer, {replace, signal}: PutRecordOptions): Promise<void> {
    return this.#guard(signal, async () => {
      await this.#publish(this.#path('ac', key), {
        replace: replace === true,
        write: (path) => writeFile(path, record, {flag: 'wx', flush: true, signal}),
      });
    });
  }

  hasBlob(blob: Blob, signal: AbortSignal): Promise<boolean> {
    return this.#guard(signal, async () => {
      const status = await statIfThere(this.#path('cas', blob.sha256));
      return status?.size === blob.sizeBytes;
    });
  }

  getBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    return this.#guard(signal, async () => {
      const from = this.#path('cas', blob.sha256);
      if ((await statIfThere(from)) === undefined) throw missing(blob);
      await saveBlob(createReadStream(from), blob, {path, signal});
    }).catch((error: unknown) => {
      // Reading needs no room there: it is the own disk that is full.
      throw error instanceof RemoteError && isNoSpace(error.cause) ? error.cause : error;
    });
  }

  putBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    return this.#guard(signal, () =>
      this.#publish(this.#path('cas', blob.sha256), {
        replace: true,
        write: (temporary) =>
          saveBlob(createReadStream(path), blob, {path: temporary, signal, durable: true}),
      }),
    );
  }

  #path(kind: 'ac' | 'cas', name: string): string {
    return join(this.#root, kind, name);
  }

  async #publish(
    path: string,
    {replace, write}: {readonly replace: boolean; readonly write: (temporary: string) => Promise<void>},
  ): Promise<void> {
    await this.#prepare();
    const temporary = join(this.#root, 'tmp', randomUUID());
    try {
      await write(temporary);
      if (replace) await rename(temporary, path);
      else await createOnly(temporary, path);
      await flushFolder(dirname(path));
    } finally {
      await rm(temporary, {force: true});
    }
  }

  async #prepare(): Promise<void> {
    if (this.#isReady) return;
    await stat(this.#root);
    for (const folder of ['ac', 'cas', 'tmp']) await mkdir(join(this.#root, folder), {recursive: true});
    this.#isReady = true;
    // What machines left there that went down while they wrote.
    for (const name of await readdir(join(this.#root, 'tmp'))) {
      const path = join(this.#root, 'tmp', name);
      const status = await statIfThere(path);
      if (status !== undefined && status.mtimeMs < Date.now() - abandonedAfterMs)
        await rm(path, {force: true});
    }
  }

  async #guard<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RemoteError || !(error instanceof Error) || !('code' in error)) throw error;
      const kind = isErrno(error, 'EACCES', 'EPERM', 'EROFS') ? 'refused' : 'unreachable';
      throw new RemoteError(kind, `The folder ${this.name} cannot be used: ${error.message}`, {
        hint: `Check that ${this.name} is there and mounted, that its disk has room, and that you may use it.`,
        cause: error,
        // A share that hiccups may answer the next call; what is not there will not come at once.
        retriable: isErrno(error, 'EIO', 'ESTALE', 'ETIMEDOUT', 'EAGAIN'),
      });
    }
  }
}

/** Gives a file its name unless the name is taken. */
async function createOnly(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return;
    // Windows shares and some FUSE file systems have no hard links: the second writer may win there.
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    if ((await statIfThere(path)) === undefined) await rename(temporary, path);
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    // Not every network file system knows how to flush a folder.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
  } finally {
    await folder.close();
  }
}

async function statIfThere(
  path: string,
): Promise<{readonly size: number; readonly mtimeMs: number} | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function missing(blob: Blob): RemoteError {
  return new RemoteError('missing', `The blob ${blob.sha256.slice(0, 12)} is not there any more`);
}
