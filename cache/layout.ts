import {join} from 'node:path';

/** Where everything lies in a cache folder. */
export interface CacheLayout {
  readonly root: string;
  readonly database: string;
  /** Content by digest: `objects/<sha256>/{manifest,tree/}`. */
  readonly objects: string;
  /** Folders of living runs: `tmp/<run>/`. Whatever belongs to no living run is garbage. */
  readonly tmp: string;
  /** One SQLite file for each lock; held in an exclusive transaction, so that the kernel frees it. */
  readonly locks: string;
  readonly logs: string;
  /** Debian packages as apt names them, shared by all builds. */
  readonly packages: string;
}

export function cacheLayout(root: string): CacheLayout {
  return {
    root,
    database: join(root, 'fgimage.db'),
    objects: join(root, 'objects'),
    tmp: join(root, 'tmp'),
    locks: join(root, 'locks'),
    logs: join(root, 'logs'),
    packages: join(root, 'packages'),
  };
}
