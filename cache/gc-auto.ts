import {FgError, isErrno, isNoSpace} from '../src/errors.ts';
import {collectGarbage, freeBytesOf} from './gc.ts';
import type {GcBounds, GcReport} from './gc-report.ts';
import {diskUse} from './measure.ts';
import type {Store} from './store.ts';

/** What became of cleaning up after a build. */
export type AutoGc =
  /** No bound is passed, or another process cleans already. */
  | {readonly state: 'not-needed'}
  | {readonly state: 'done'; readonly report: GcReport}
  /** Worth a warning: the build is done all the same. */
  | {readonly state: 'failed'; readonly message: string};

/**
 * For the end of a build in which stages ran: removes what the configured bounds do not allow, if one of them is
 * passed. That is estimated first, from the database and one question to the file system. Fails as a value.
 */
export function autoCollect(
  store: Store,
  bounds: GcBounds,
  {
    now = Date.now(),
    freeBytes = () => freeBytesOf(store.layout.root),
  }: {now?: number; freeBytes?: () => number} = {},
): AutoGc {
  try {
    if (!isPassed(store, bounds, {now, freeBytes})) return {state: 'not-needed'};
    const report = collectGarbage(store, {...bounds, dryRun: false, now, freeBytes});
    store.setMemo(lastAutoGc, String(now));
    return {state: 'done', report};
  } catch (error) {
    if (error instanceof FgError && error.code === 'CACHE_UNUSABLE') return {state: 'not-needed'};
    const isExpected = isNoSpace(error) || isErrno(error, ...expected);
    if (!isExpected || !(error instanceof Error)) throw error;
    return {
      state: 'failed',
      message: `The cache in ${store.layout.root} was not cleaned up: ${error.message}`,
    };
  }
}

function isPassed(
  store: Store,
  {maxSizeBytes, maxAgeMs, minFreeBytes}: GcBounds,
  {now, freeBytes}: {now: number; freeBytes: () => number},
): boolean {
  if (minFreeBytes !== undefined && freeBytes() < minFreeBytes) return true;
  if (maxSizeBytes !== undefined && estimatedBytes(store) > maxSizeBytes) return true;
  if (maxAgeMs === undefined) return false;
  // What is used again and again has old records too, so that this alone asks once a day.
  const last = Number(store.memo(lastAutoGc) ?? 0);
  const oldest = store.database
    .prepare('SELECT MIN(last_used_at) FROM actions WHERE evicted_at IS NULL')
    .pluck()
    .get() as number | null;
  return oldest !== null && oldest < now - maxAgeMs && last < now - dayMs;
}

/** As measured, where that was done before, else the sum of the files. */
function estimatedBytes(store: Store): number {
  const objects = store.database
    .prepare(
      `SELECT COALESCE(SUM(COALESCE(CAST(m.value AS INTEGER), a.size_bytes)), 0)
       FROM (SELECT digest, MAX(size_bytes) AS size_bytes FROM actions WHERE evicted_at IS NULL GROUP BY digest) a
       LEFT JOIN memo m ON m.key = 'disk:' || a.digest`,
    )
    .pluck()
    .get() as number;
  const {packages, logs, records, corrupt, kept, caches, traces} = store.layout;
  const folders = [packages, logs, records, corrupt, kept, caches, traces];
  return folders.reduce((sum, folder) => sum + diskUse(folder).bytes, objects);
}

const lastAutoGc = 'gc:last';
const dayMs = 24 * 3_600_000;
const expected = [
  ...['EACCES', 'EPERM', 'EROFS', 'EBUSY', 'EIO', 'ENOENT', 'ENOTEMPTY'],
  ...['SQLITE_BUSY', 'SQLITE_IOERR', 'SQLITE_READONLY'],
];
