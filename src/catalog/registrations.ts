import type {Database} from 'better-sqlite3';
import type {RemoteProperties} from '../../targets/registrar.ts';
import type {Image, JsonObject} from '../spec/image.ts';

/**
 * `begun`: something of it may be there, and is not ready; `registered`: the infrastructure said that it is ready;
 * `failed`: it was given up, and cleaned as far as the infrastructure let us; `removed`: fgimage took it away;
 * `gone`: it was found to be deleted by somebody else.
 */
export type RegistrationState = 'begun' | 'registered' | 'failed' | 'removed' | 'gone';

/** That an artifact is, was or was to be known to an infrastructure. Holds no credentials. */
export interface RegistrationRow {
  readonly id: number;
  /** `<project>/<image>/<target>`. */
  readonly lineage: string;
  readonly image: string;
  readonly target: string;
  readonly type: string;
  /** A URL or a folder. */
  readonly endpoint: string;
  /** What the infrastructure calls it; absent: it was not told yet. */
  readonly remoteId?: string;
  readonly name: string;
  /** Of the artifact. */
  readonly digest: string;
  readonly properties: RemoteProperties;
  readonly belongings: RemoteProperties;
  readonly request: RegistrationRequest;
  readonly state: RegistrationState;
  /** Why it failed. */
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
  readonly changedAt: number;
}

/** What it takes to ask the infrastructure again without the spec; options hold no credentials. */
export interface RegistrationRequest {
  readonly image: Image;
  readonly options: JsonObject;
  /** Folder of the project, which may hold the target itself. */
  readonly projectDir: string;
}

export type NewRegistration = Pick<
  RegistrationRow,
  'lineage' | 'image' | 'target' | 'type' | 'endpoint' | 'name' | 'digest' | 'request'
>;

export type RegistrationChange = Partial<
  Pick<RegistrationRow, 'remoteId' | 'name' | 'properties' | 'belongings' | 'state' | 'reason'>
>;

/** The registrations in the catalog. */
export class Registrations {
  readonly #database: Database;
  readonly #now: () => number;

  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** Notes what is about to be done, before the infrastructure hears of it; gives the row's id. */
  begin(registration: NewRegistration): number {
    const {lineage, image, target, type, endpoint, name, digest, request} = registration;
    const now = this.#now();
    const {lastInsertRowid} = this.#database
      .prepare(
        `INSERT INTO registrations
           (lineage, image, target, type, endpoint, name, digest, request, properties, belongings, state, begun_at,
            changed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', '{}', 'begun', ?, ?)`,
      )
      .run(lineage, image, target, type, endpoint, name, digest, JSON.stringify(request), now, now);
    return Number(lastInsertRowid);
  }

  change(id: number, change: RegistrationChange): void {
    const before = this.get(id);
    if (before === undefined) throw new Error(`There is no registration ${id}`);
    const {remoteId, name, properties, belongings, state, reason} = {...before, ...change};
    this.#database
      .prepare(
        `UPDATE registrations
         SET remote_id = ?, name = ?, properties = ?, belongings = ?, state = ?, reason = ?, changed_at = ?
         WHERE id = ?`,
      )
      .run(
        remoteId ?? null,
        name,
        JSON.stringify(properties),
        JSON.stringify(belongings),
        state,
        state === 'failed' ? (reason ?? null) : null,
        this.#now(),
        id,
      );
  }

  get(id: number): RegistrationRow | undefined {
    return this.#read('WHERE id = ?', id)[0];
  }

  /** The row of what an infrastructure calls so, the newest where there are several. */
  of(endpoint: string, remoteId: string): RegistrationRow | undefined {
    return this.#read('WHERE endpoint = ? AND remote_id = ? ORDER BY id DESC', endpoint, remoteId)[0];
  }

  /** An attempt that has not ended, as far as the catalog knows. */
  unfinished(lineage: string, endpoint: string, digest: string): RegistrationRow | undefined {
    const where = `WHERE lineage = ? AND endpoint = ? AND digest = ? AND state = 'begun' ORDER BY id DESC`;
    return this.#read(where, lineage, endpoint, digest)[0];
  }

  /** All rows, or those that stand for something that is there; the newest first. */
  list({living = false}: {readonly living?: boolean} = {}): readonly RegistrationRow[] {
    return this.#read(
      living ? `WHERE state IN ('begun', 'registered') ORDER BY id DESC` : 'ORDER BY id DESC',
    );
  }

  #read(where: string, ...values: readonly (string | number)[]): readonly RegistrationRow[] {
    const rows = this.#database.prepare(`SELECT ${columns} FROM registrations ${where}`).all(...values);
    return (rows as readonly StoredRow[]).map(readRow);
  }
}

const columns = `id, lineage, image, target, type, endpoint, remote_id AS remoteId, name, digest, properties, belongings,
  request, state, reason, begun_at AS begunAt, changed_at AS changedAt`;

interface StoredRow
  extends Omit<RegistrationRow, 'remoteId' | 'reason' | 'properties' | 'belongings' | 'request'> {
  readonly remoteId: string | null;
  readonly reason: string | null;
  readonly properties: string;
  readonly belongings: string;
  readonly request: string;
}

function readRow({remoteId, reason, properties, belongings, request, ...row}: StoredRow): RegistrationRow {
  return {
    ...row,
    ...(remoteId === null ? {} : {remoteId}),
    ...(reason === null ? {} : {reason}),
    properties: JSON.parse(properties) as RemoteProperties,
    belongings: JSON.parse(belongings) as RemoteProperties,
    request: JSON.parse(request) as RegistrationRequest,
  };
}
