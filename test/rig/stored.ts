import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import type {RunFolder} from '../../cache/runs.ts';
import {Store} from '../../cache/store.ts';
import {TemporaryFolder} from './temporary-folder.ts';

/**
 * Publishes these files as an object of the store, as a stage does, and gives its digest. It stays leased where a run is
 * given.
 */
export async function publishFiles(
  store: Store,
  files: Readonly<Record<string, string>>,
  run?: RunFolder,
): Promise<string> {
  const publisher = run ?? store.openRun();
  const object = join(publisher.path, 'object');
  mkdirSync(join(object, 'tree'), {recursive: true});
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(object, 'tree', name)), {recursive: true});
    writeFileSync(join(object, 'tree', name), text);
  }
  const {digest} = await store.publish(object, {clamp: {writtenSince: 0, epoch: 0}, run: publisher});
  if (run === undefined) store.closeRun(publisher);
  return digest;
}

/** A store in a folder of its own, closed and removed with its scope. */
export class TemporaryStore {
  readonly folder = new TemporaryFolder();
  readonly store = Store.open(this.folder.join('cache'));

  [Symbol.dispose](): void {
    this.store.close();
    this.folder[Symbol.dispose]();
  }
}
