import {randomUUID} from 'node:crypto';
import {renameSync} from 'node:fs';
import {join} from 'node:path';
import {isErrno, isNoSpace} from '../src/errors.ts';
import type {Candidate} from './gc-candidates.ts';
import {discard} from './gc-leftovers.ts';
import type {GcRule} from './gc-report.ts';
import {diskMemo} from './measure.ts';
import type {Store} from './store.ts';

/** Why content is taken away: a rule of gc, or somebody who wants its room. */
export type TakenBy = GcRule | 'purged';

/** Something that is not there any more. */
export interface TakenAway {
  readonly one: Candidate;
  /** Whether this process took it, and not another one before. */
  readonly isOurs: boolean;
}

/**
 * Removes what `choose` gives, called in the transaction in which it is renamed to `trash/` and marked: a build leases in
 * the same kind of transaction, so that one of the two comes first. Renamed first, marked then: after a crash in between
 * the record says present of content that is not there, a miss. The deleting comes after the transaction.
 */
export function takeAway(
  store: Store,
  {rule, choose}: {readonly rule: TakenBy; readonly choose: () => readonly Candidate[]},
): readonly TakenAway[] {
  const renamed: Renamed[] = [];
  let isMarked = true;
  try {
    store.database
      .transaction(() => {
        for (const one of choose()) renamed.push(...toTrash(store, one));
        for (const one of renamed) mark(store, one, rule);
      })
      .immediate();
  } catch (error) {
    // A disk that is full takes no marks, and what was renamed is what gives it room.
    if (!isNoSpace(error) || renamed.length === 0) throw error;
    isMarked = false;
  }
  for (const {trash} of renamed) if (trash !== undefined) discard(trash);
  if (!isMarked) markLater(store, renamed, rule);
  return renamed.map(({one, trash}) => ({one, isOurs: trash !== undefined}));
}

interface Renamed {
  readonly one: Candidate;
  /** Undefined: it was gone before. */
  readonly trash: string | undefined;
}

/** Gives nothing for what cannot be taken away. */
function toTrash({layout}: Store, one: Candidate): readonly Renamed[] {
  const trash = join(layout.trash, `${one.kind === 'object' ? one.name : one.kind}-${randomUUID()}`);
  try {
    renameSync(one.path, trash);
    return [{one, trash}];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [{one, trash: undefined}];
    // Kept work that is mounted somewhere.
    if (isErrno(error, 'EBUSY')) return [];
    throw error;
  }
}

function mark({database}: Store, {one: {kind, name}, trash}: Renamed, rule: TakenBy): void {
  if (kind !== 'object' || trash === undefined) return;
  database
    .prepare('UPDATE actions SET evicted_at = ?, evicted_why = ? WHERE digest = ? AND evicted_at IS NULL')
    .run(Date.now(), rule, name);
  database.prepare('DELETE FROM memo WHERE key = ?').run(diskMemo(name));
}

/** Now that there is room. What a build made again meanwhile is there; without a mark the rest is a miss all the same. */
function markLater(store: Store, renamed: readonly Renamed[], rule: TakenBy): void {
  try {
    store.database
      .transaction(() => {
        for (const one of renamed) if (!store.hasContent(one.one.name)) mark(store, one, rule);
      })
      .immediate();
  } catch (error) {
    if (!isNoSpace(error)) throw error;
  }
}
