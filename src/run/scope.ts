import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import type {RunFolder, Store} from '../../cache/store.ts';

/**
 * The folder of a run in the cache, made when something first needs it: a run in which nothing is done leaves no trace.
 * Content that is leased here stays until the scope is closed.
 */
export class RunScope {
  readonly #store: Store;
  #folder: RunFolder | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  get folder(): RunFolder {
    this.#folder ??= this.#store.openRun();
    return this.#folder;
  }

  /** A new empty folder of this name in it. */
  scratch(name: string): string {
    const path = join(this.folder.path, name);
    rmSync(path, {recursive: true, force: true});
    mkdirSync(path);
    return path;
  }

  /** Keeps content from gc; gives what of it is no longer there. */
  lease(digests: readonly string[]): readonly string[] {
    this.#store.lease(this.folder, digests);
    return digests.filter((digest) => !this.#store.hasContent(digest));
  }

  close(): void {
    if (this.#folder !== undefined) this.#store.closeRun(this.#folder);
    this.#folder = undefined;
  }
}
