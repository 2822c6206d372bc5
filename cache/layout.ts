import {join} from 'node:path';

/** Where everything lies in a cache folder. */
export interface CacheLayout {
  readonly root: string;
  readonly database: string;
  /** Content by digest: `objects/<sha256>/{manifest,tree/}`. */
  readonly objects: string;
  /** `records/<key>.json`: the records, beside the content, from which the database can be made again. */
  readonly records: string;
  /** Folders of living runs: `tmp/<run>/`. Whatever belongs to no living run is garbage. */
  readonly tmp: string;
  /** One SQLite file for each lock; held in an exclusive transaction, so that the kernel frees it. */
  readonly locks: string;
  /** Logs of stages by the SHA-256 of their text; `live-…` while the stage runs. */
  readonly logs: string;
  /** Debian packages as apt names them, shared by all builds. */
  readonly packages: string;
  /** Content whose bytes have changed on disk, set aside: `corrupt/<digest>-<time>`. */
  readonly corrupt: string;
  /** Content that is being removed. */
  readonly trash: string;
  /** Work folders of failed stages, kept by `--keep-work`. */
  readonly kept: string;
  /** Folders that steps of `provision` keep between builds (`caches`), each under a digest. */
  readonly caches: string;
  /** A timeline of each of the last runs. */
  readonly traces: string;
  /** What builds that ended well leave for the next one, to tell at a glance that nothing has changed. */
  readonly unchanged: string;
  /** What artifacts can be made again from: `recipes/<digest>.json`, `recipes/files/<sha256>`. */
  readonly recipes: string;
  /** What is pinned, beside the content, for a database that is made again. */
  readonly pins: string;
}

export function cacheLayout(root: string): CacheLayout {
  return {
    root,
    database: join(root, 'fgimage.db'),
    objects: join(root, 'objects'),
    records: join(root, 'records'),
    tmp: join(root, 'tmp'),
    locks: join(root, 'locks'),
    logs: join(root, 'logs'),
    packages: join(root, 'packages'),
    corrupt: join(root, 'corrupt'),
    trash: join(root, 'trash'),
    kept: join(root, 'kept'),
    caches: join(root, 'caches'),
    traces: join(root, 'traces'),
    unchanged: join(root, 'unchanged'),
    recipes: join(root, 'recipes'),
    pins: join(root, 'pins.json'),
  };
}
