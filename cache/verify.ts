import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {isDeepStrictEqual} from 'node:util';
import {type ObjectProblem, skimObject} from './content.ts';
import {leasedDigests} from './gc-roots.ts';
import {lockHousekeeping} from './housekeeping.ts';
import {type ActionRecord, parseRecord, recordPath, writeRecord} from './record.ts';
import {listObjects, type Store} from './store.ts';

export interface VerifyOptions {
  /** Whether all bytes are read; else only what lstat(2) and the manifests tell. */
  readonly deep: boolean;
  /** Whether content that is not what it was is set aside, and records beside the content are written anew. */
  readonly repair: boolean;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Content that is not what it was when it was made. */
interface ContentFault {
  readonly digest: string;
  /** The stages that gave it. */
  readonly stages: readonly string[];
  readonly problem: ObjectProblem;
  /** `set-aside`: its records are misses now. `in-use`: a living run reads it, so that it stays. */
  readonly repair: 'none' | 'set-aside' | 'in-use';
  /** Where it lies now. */
  readonly place?: string;
}

/** A record whose copy beside the content, from which the database can be made again, is not what it should be. */
interface RecordFault {
  readonly key: string;
  readonly stage: string;
  readonly problem: 'missing' | 'different';
  readonly isRepaired: boolean;
}

export interface VerifyReport {
  readonly isDeep: boolean;
  /** How many objects and records were looked at. */
  readonly objects: number;
  readonly records: number;
  readonly contentFaults: readonly ContentFault[];
  readonly recordFaults: readonly RecordFault[];
  /** Objects without a record, and records that the database lacks: gc removes them, `cache rebuild` takes them up. */
  readonly unrecordedObjects: number;
  readonly unrecordedRecords: number;
  /** Whether nothing is wrong, or no longer. */
  readonly isSound: boolean;
}

/**
 * Holds content against its manifests, and records against the database. Throws `FgError` when another process cleans
 * or checks the same cache.
 */
export async function verifyCache(store: Store, options: VerifyOptions): Promise<VerifyReport> {
  const lock = lockHousekeeping(store.layout);
  try {
    const digests = [...recordedObjects(store)];
    const contentFaults: ContentFault[] = [];
    for (const [index, [digest, object]] of digests.entries()) {
      options.onProgress?.(index, digests.length);
      const problem = await problemOf(store, {...object, digest, deep: options.deep});
      if (problem === undefined) continue;
      const repair = options.repair ? setAside(store, digest) : ({repair: 'none'} as const);
      contentFaults.push({digest, stages: object.stages, problem, ...repair});
    }
    options.onProgress?.(digests.length, digests.length);
    const records = checkRecords(store, options);
    const recorded = new Map(digests);
    return {
      isDeep: options.deep,
      objects: digests.length,
      records: records.count,
      contentFaults,
      recordFaults: records.faults,
      unrecordedObjects: listObjects(store.layout).filter((digest) => !recorded.has(digest)).length,
      unrecordedRecords: records.unrecorded,
      isSound:
        contentFaults.every(({repair}) => repair === 'set-aside') &&
        records.faults.every(({isRepaired}) => isRepaired),
    };
  } finally {
    lock.release();
  }
}

interface RecordedObject {
  readonly sizeBytes: number;
  readonly stages: readonly string[];
}

/** What the records that count say of content, by digest. */
function recordedObjects(store: Store): ReadonlyMap<string, RecordedObject> {
  const rows = store.database
    .prepare(
      'SELECT digest, size_bytes AS sizeBytes, stage FROM actions WHERE evicted_at IS NULL ORDER BY digest, stage',
    )
    .all() as {digest: string; sizeBytes: number; stage: string}[];
  const objects = new Map<string, RecordedObject>();
  for (const {digest, sizeBytes, stage} of rows) {
    const stages = objects.get(digest)?.stages ?? [];
    objects.set(digest, {sizeBytes, stages: stages.includes(stage) ? stages : [...stages, stage]});
  }
  return objects;
}

/** Looked at twice: a build may put content in the place of what an earlier boot left, or set it aside itself. */
async function problemOf(
  store: Store,
  {digest, sizeBytes, deep}: RecordedObject & {digest: string; deep: boolean},
): Promise<ObjectProblem | undefined> {
  const look = (): Promise<ObjectProblem | undefined> =>
    deep ? store.check(digest) : Promise.resolve(skimObject(store.objectPath(digest), {digest, sizeBytes}));
  const problem = await look();
  if (problem === undefined || !recordedObjects(store).has(digest)) return undefined;
  return problem.problem === 'missing' ? look() : problem;
}

/** In one transaction with the look at the leases: no run can take hold of it in between. */
function setAside(store: Store, digest: string): Pick<ContentFault, 'repair' | 'place'> {
  return store.database
    .transaction((): Pick<ContentFault, 'repair' | 'place'> => {
      if (leasedDigests(store.database, store.layout).has(digest)) return {repair: 'in-use'};
      const isThere = store.hasContent(digest);
      const place = store.quarantine(digest);
      return {repair: 'set-aside', ...(isThere ? {place} : {})};
    })
    .immediate();
}

function checkRecords(
  store: Store,
  {repair}: VerifyOptions,
): {readonly count: number; readonly faults: readonly RecordFault[]; readonly unrecorded: number} {
  const {database, layout} = store;
  const keys = database
    .prepare('SELECT key FROM actions WHERE evicted_at IS NULL ORDER BY key')
    .pluck()
    .all() as string[];
  const faults = keys.flatMap((key): RecordFault[] => {
    const action = recordOf(store, key);
    if (action === undefined) return [];
    const problem = recordProblem(recordPath(layout, key), action);
    if (problem === undefined) return [];
    if (repair) writeRecord(layout, action);
    return [{key, stage: action.stage, problem, isRepaired: repair}];
  });
  const known = new Set(database.prepare('SELECT key FROM actions').pluck().all());
  const lying = existsSync(layout.records) ? readdirSync(layout.records) : [];
  const unrecorded = lying.filter(
    (name) => name.endsWith('.json') && !known.has(name.slice(0, -'.json'.length)),
  );
  return {count: keys.length, faults, unrecorded: unrecorded.length};
}

function recordOf(store: Store, key: string): ActionRecord | undefined {
  const found = store.find(key);
  return found.state === 'known' ? {...found.action, parts: store.keyParts(key)} : undefined;
}

/** Names of stages and notes in the parts may be of a later run with the same key: they do not count. */
function recordProblem(path: string, action: ActionRecord): RecordFault['problem'] | undefined {
  if (!existsSync(path)) return 'missing';
  const copy = parseRecord(readFileSync(path, 'utf8'));
  if (copy === undefined) return 'different';
  const same =
    copy.key === action.key && copy.digest === action.digest && copy.sizeBytes === action.sizeBytes;
  return same && isDeepStrictEqual(copy.result, action.result) ? undefined : 'different';
}
