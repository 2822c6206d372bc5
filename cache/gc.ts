import {existsSync, statfsSync, statSync, utimesSync} from 'node:fs';
import {isErrno} from '../src/errors.ts';
import {type Candidate, findCandidates} from './gc-candidates.ts';
import {discard, findLeftovers, forgetHistory} from './gc-leftovers.ts';
import type {GcRemoval, GcReport, GcRequest, GcRule} from './gc-report.ts';
import {lastUses, leasedDigests, livingRuns, rootedDigests} from './gc-roots.ts';
import {takeAway} from './gc-take.ts';
import {lockHousekeeping} from './housekeeping.ts';
import {forgetLostLocks} from './lock-roots.ts';
import {diskUse} from './measure.ts';
import type {Store} from './store.ts';
import {digestFile} from './tree.ts';

/**
 * Removes what the bounds do not allow, least recently used first; never what a living run leased, what is pinned or
 * what `keepLast` names. Builds go on meanwhile: what goes is chosen, renamed to `trash/` and marked in one
 * transaction for a few at a time, in which the leases are read again, and deleted after it. Throws `FgError` when
 * another process cleans the same cache, and what the file system and SQLite throw.
 */
export function collectGarbage(store: Store, request: GcRequest): GcReport {
  if (request.dryRun) return new Collection(store, request).collect();
  const lock = lockHousekeeping(store.layout);
  try {
    return new Collection(store, request).collect();
  } finally {
    lock.release();
  }
}

class Collection {
  readonly #store: Store;
  readonly #request: GcRequest;
  readonly #removed = new Map<string, GcRemoval>();
  readonly #freeBytes: () => number;
  readonly #freeAtStart: number;
  /** Content, packages and kept work, the least recently used first; shrinks as they go. */
  #candidates: readonly Candidate[] = [];
  #bytes = 0;
  #freed = 0;
  #packagesInUse = false;
  #seen: (Omit<Guard, 'leased'> & {readonly version: unknown}) | undefined;

  constructor(store: Store, request: GcRequest) {
    this.#store = store;
    this.#request = request;
    this.#freeBytes = request.freeBytes ?? (() => freeBytesOf(store.layout.root));
    this.#freeAtStart = this.#freeBytes();
  }

  collect(): GcReport {
    const {now, dryRun, maxAgeMs, maxSizeBytes, minFreeBytes} = this.#request;
    this.#dropLeftovers();
    if (!this.#request.dryRun) forgetLostLocks(this.#store.database);
    const found = findCandidates(this.#store);
    this.#candidates = found.candidates;
    this.#bytes = found.otherBytes + sum(found.candidates.map(({use}) => use.bytes));
    this.#take('orphan', {which: ({isOrphan}) => isOrphan});
    if (maxAgeMs !== undefined) this.#take('max-age', {which: ({lastUsedAt}) => lastUsedAt < now - maxAgeMs});
    if (maxSizeBytes !== undefined) this.#take('max-size', {excess: () => this.#bytes - maxSizeBytes});
    if (minFreeBytes !== undefined) this.#take('min-free', {excess: () => minFreeBytes - this.#freeNow()});
    const forgottenRuns = forgetHistory(this.#store, now, {dryRun});
    return this.#report(forgottenRuns);
  }

  #dropLeftovers(): void {
    for (const {kind, path} of findLeftovers(this.#store, this.#request.now)) {
      const use = diskUse(path);
      if (!this.#request.dryRun) discard(path);
      this.#tally('leftover', kind, use.bytes - use.linkedBytes);
    }
  }

  /** Removes candidates, the least recently used first, as long as there is an excess. */
  #take(
    rule: GcRule,
    {
      which = () => true,
      excess = () => Number.POSITIVE_INFINITY,
    }: {which?: (one: Candidate) => boolean; excess?: () => number},
  ): void {
    const queue = this.#candidates.filter(which);
    const gone = new Set<Candidate>();
    for (let next = 0; next < queue.length; ) {
      const wanted = excess();
      if (wanted <= 0) break;
      const batch: Candidate[] = [];
      for (let bytes = 0; next < queue.length && batch.length < batchSize && bytes < wanted; next += 1) {
        const one = queue[next];
        if (one === undefined) break;
        batch.push(one);
        bytes += freedBy(one);
      }
      for (const one of this.#remove(batch, rule)) gone.add(one);
    }
    this.#candidates = this.#candidates.filter((one) => !gone.has(one));
  }

  /** Takes away what of these may go, and gives what of them is not there any more. */
  #remove(batch: readonly Candidate[], rule: GcRule): readonly Candidate[] {
    const choose = (): readonly Candidate[] => this.#allowed(batch);
    const gone = this.#request.dryRun
      ? choose().map((one) => ({one, isOurs: true}))
      : takeAway(this.#store, {rule, choose});
    for (const {one, isOurs} of gone) {
      this.#bytes -= one.use.bytes;
      if (isOurs) this.#tally(rule, one.kind, freedBy(one));
    }
    return gone.map(({one}) => one);
  }

  /** What of a batch is in nobody's way, as things stand at this moment. */
  #allowed(batch: readonly Candidate[]): readonly Candidate[] {
    const guard = this.#guardNow();
    const packages = batch.filter(({kind}) => kind === 'package');
    // A build looks packages up and links them later, without a lease.
    const busy = packages.length > 0 && livingRuns(this.#store.layout).length > 0;
    if (busy) this.#packagesInUse = true;
    return batch.filter((one) => {
      if (one.kind === 'package') return !busy && !isLocked(one, guard);
      // Used since it was chosen, by a run that has ended.
      return (
        one.kind === 'kept' || (!isKept(one, guard) && (guard.uses.get(one.name) ?? 0) <= one.lastUsedAt)
      );
    });
  }

  /** Leases every time; roots and uses again when another process wrote to the database. */
  #guardNow(): Guard {
    const {database, layout} = this.#store;
    const leased = leasedDigests(database, layout);
    const version = database.pragma('data_version', {simple: true});
    const before = this.#seen;
    const seen =
      before !== undefined && before.version === version
        ? before
        : {
            version,
            rooted: rootedDigests(database, this.#request.keepLast ?? 0),
            uses: lastUses(database),
          };
    this.#seen = seen;
    return {...seen, leased};
  }

  /** By what was removed, too: file systems give room back with a delay, and more must not go for that. */
  #freeNow(): number {
    const expected = this.#freeAtStart + this.#freed;
    return this.#request.dryRun ? expected : Math.max(this.#freeBytes(), expected);
  }

  #tally(rule: GcRule, kind: GcRemoval['kind'], bytes: number): void {
    const before = this.#removed.get(`${rule} ${kind}`);
    const count = (before?.count ?? 0) + 1;
    this.#removed.set(`${rule} ${kind}`, {rule, kind, count, bytes: (before?.bytes ?? 0) + bytes});
    this.#freed += bytes;
  }

  #report(forgottenRuns: number): GcReport {
    const {dryRun, maxSizeBytes, minFreeBytes} = this.#request;
    const guard = this.#guardNow();
    const objects = this.#candidates.filter(({kind}) => kind === 'object');
    const kept = objects.filter((one) => isKept(one, guard));
    const tooLarge = maxSizeBytes === undefined ? 0 : this.#bytes - maxSizeBytes;
    const free = dryRun ? this.#freeNow() : this.#freeBytes();
    const tooFull = minFreeBytes === undefined ? 0 : minFreeBytes - free;
    return {
      dryRun,
      removed: [...this.#removed.values()],
      freedBytes: this.#freed,
      forgottenRuns,
      remaining: {
        bytes: this.#bytes,
        objects: objects.length,
        keptObjects: kept.length,
        keptBytes: sum(kept.map(({use}) => use.bytes)),
      },
      short: {
        ...(tooLarge > 0 ? {maxSizeBytes: tooLarge} : {}),
        ...(tooFull > 0 ? {minFreeBytes: tooFull} : {}),
      },
      packagesInUse: this.#packagesInUse,
    };
  }
}

interface Guard {
  readonly leased: ReadonlySet<string>;
  readonly rooted: ReadonlySet<string>;
  readonly uses: ReadonlyMap<string, number>;
}

/** Builds wait for a batch no longer than its renames take. */
const batchSize = 64;

/** Whether a lock names a package: by its bytes, which are read only where there is any root. */
function isLocked({path}: Candidate, {rooted}: Guard): boolean {
  if (rooted.size === 0) return false;
  try {
    const {atime, mtime} = statSync(path);
    const digest = digestFile(path);
    // Being looked at by gc is no use.
    utimesSync(path, atime, mtime);
    return rooted.has(digest);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function isKept({name}: Candidate, {leased, rooted}: Guard): boolean {
  return leased.has(name) || rooted.has(name);
}

function freedBy({use}: Candidate): number {
  return use.bytes - use.linkedBytes;
}

/** Room that this process may fill on the file system of a folder; of one that is not there yet, all there is. */
export function freeBytesOf(folder: string): number {
  if (!existsSync(folder)) return Number.POSITIVE_INFINITY;
  const {bavail, bsize} = statfsSync(folder);
  return bavail * bsize;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
