import type {Candidate} from './gc-candidates.ts';
import type {Leftover} from './gc-leftovers.ts';

/** How large the cache may be. Without any bound only goes what nothing can need any more. */
export interface GcBounds {
  readonly maxSizeBytes?: number;
  /** Content that was not used for so long goes. */
  readonly maxAgeMs?: number;
  /** Room that the file system of the cache shall have. */
  readonly minFreeBytes?: number;
  /** What the last so many good builds of each spec file and set of stages used stays, whatever the bounds. */
  readonly keepLast?: number;
}

export interface GcRequest extends GcBounds {
  /** Finds out and tells, and removes nothing. */
  readonly dryRun: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Room on the file system of the cache; asked anew after each removal. */
  readonly freeBytes?: () => number;
}

/** Why something goes. The last three are also what `actions.evicted_why` says of content. */
export type GcRule = 'leftover' | 'orphan' | 'max-age' | 'max-size' | 'min-free';

export interface GcRemoval {
  readonly rule: GcRule;
  readonly kind: Leftover['kind'] | Candidate['kind'];
  readonly count: number;
  /** Room on the disk that this gives back. */
  readonly bytes: number;
}

export interface GcReport {
  readonly dryRun: boolean;
  readonly removed: readonly GcRemoval[];
  readonly freedBytes: number;
  /** Runs that the history forgot. */
  readonly forgottenRuns: number;
  readonly remaining: {
    /** Content with its records, packages, logs, traces and kept work, on the disk. */
    readonly bytes: number;
    readonly objects: number;
    /** Of these, what no bound can remove: in use, pinned, registered, or of the last builds. */
    readonly keptObjects: number;
    readonly keptBytes: number;
  };
  /** Bounds that could not be reached, and what lacks to each. */
  readonly short: {readonly maxSizeBytes?: number; readonly minFreeBytes?: number};
  /** Whether packages had to stay because a build runs. */
  readonly packagesInUse: boolean;
}
