import type {Database} from 'better-sqlite3';

/** What somebody said of an artifact: it may be registered, or must not. About its digest, whatever it is called. */
export interface Verdict {
  readonly digest: string;
  readonly image: string;
  readonly target: string;
  readonly verdict: 'approved' | 'rejected';
  readonly reason: string;
  /** `user@host`, or what $FGIMAGE_USER says. */
  readonly who: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Nothing is ever taken back: a newer verdict stands before an older one. */
export function enterVerdict(database: Database, verdict: Verdict): void {
  const {digest, image, target, reason, who, at} = verdict;
  database
    .prepare(
      `INSERT INTO verdicts (digest, image, target, verdict, reason, who, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(digest, image, target, verdict.verdict, reason, who, at);
}

/** The one that counts. */
export function newestVerdict(database: Database, digest: string): Verdict | undefined {
  return verdictsOf(database, digest)[0];
}

/** The ones that count, by digest. */
export function newestVerdicts(database: Database): ReadonlyMap<string, Verdict['verdict']> {
  const rows = database.prepare('SELECT digest, verdict FROM verdicts ORDER BY id').all() as readonly Pick<
    Verdict,
    'digest' | 'verdict'
  >[];
  return new Map(rows.map(({digest, verdict}) => [digest, verdict]));
}

/** All on an artifact, the newest first. */
export function verdictsOf(database: Database, digest: string): readonly Verdict[] {
  return database
    .prepare(
      `SELECT digest, image, target, verdict, reason, who, at FROM verdicts WHERE digest = ? ORDER BY id DESC`,
    )
    .all(digest) as Verdict[];
}
