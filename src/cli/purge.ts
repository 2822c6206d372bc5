import {existsSync} from 'node:fs';
import type {Candidate} from '../../cache/gc-candidates.ts';
import {leasedDigests, rootedDigests} from '../../cache/gc-roots.ts';
import {takeAway} from '../../cache/gc-take.ts';
import {diskUse, objectUse} from '../../cache/measure.ts';
import {readRecipe} from '../../cache/recipes.ts';
import type {Store} from '../../cache/store.ts';
import {listImages} from '../catalog/catalog.ts';
import {type ExitCode, exitCode, FgError, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {withdraw} from '../run/withdraw.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {formatCount, formatSize, printable} from '../ui/format.ts';
import {openStore, refuseUserNamespace} from './session.ts';
import {findSubjects, recipeOf, type Subject} from './subjects.ts';

export interface PurgeOptions {
  /** `web`, `web/openstack` or a digest. */
  readonly subject: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly cacheDir: string | undefined;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/**
 * `fgimage purge`: frees what an image takes, its artifacts and the stages that no other image needs, and keeps what it
 * can be made again from. Throws `FgError` where that is not there: nothing is freed that cannot come back.
 */
export async function runPurge({
  subject,
  dryRun,
  json,
  cacheDir,
  stream = process.stdout,
}: PurgeOptions): Promise<ExitCode> {
  if (!isRoot()) {
    // What stages made belongs to subordinate ids.
    if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(cacheDir));
    return (await enterUserNamespace()) as ExitCode;
  }
  const store = openStore(cacheFolder(cacheDir));
  try {
    const subjects = findSubjects(store, subject);
    for (const one of subjects) recipeOf(one);
    const freed = dryRun ? wouldFree(store, subjects) : free(store, subjects);
    const purged = subjects.map(({image, target, digest}) => ({image, target, digest}));
    if (json) {
      const {bytes, stages, kept} = freed;
      const told = {version: 1, dry_run: dryRun, purged, freed_bytes: bytes, stages, kept};
      stream.write(`${JSON.stringify(told, undefined, 2)}\n`);
      return exitCode.done;
    }
    const names = purged.map(({image, target}) => printable(`${image}/${target}`)).join(', ');
    const what = `${formatSize(freed.bytes)} of ${formatCount(freed.stages.length, 'stage')} and what was handed out`;
    const isGone = freed.bytes === 0 && freed.stages.length === 0;
    const told = isGone ? 'nothing to free' : `${what} ${dryRun ? 'would be freed' : 'freed'}`;
    stream.write(`${names}: ${told}\n`);
    if (freed.kept.length > 0)
      stream.write(
        `Stays (package lists, what is pinned, registered or in use, what others need): ${freed.kept.map(printable).join(', ')}\n`,
      );
    stream.write(`Make it again with "fgimage regenerate ${printable(subject)}"\n`);
    return exitCode.done;
  } finally {
    store.close();
  }
}

interface Freed {
  readonly bytes: number;
  /** Stages whose content is gone. */
  readonly stages: readonly string[];
  /** Stages of the image whose content stays. */
  readonly kept: readonly string[];
}

function free(store: Store, subjects: readonly Subject[]): Freed {
  let bytes = 0;
  for (const {digest, rows} of subjects) for (const {path} of rows) bytes += withdrawn(path, digest);
  let divided = divide(store, subjects);
  const taken = takeAway(store, {
    rule: 'purged',
    choose: () => {
      // Once more in the transaction: a build may have begun to use some of it.
      divided = divide(store, subjects);
      return [...divided.gone.keys()].map((name): Candidate => {
        const use = objectUse(store, name);
        return {kind: 'object', name, path: store.objectPath(name), isOrphan: false, lastUsedAt: 0, use};
      });
    },
  });
  const ours = taken.filter(({isOurs}) => isOurs).map(({one}) => one);
  return {
    bytes: ours.reduce((sum, {use}) => sum + use.bytes - use.linkedBytes, bytes),
    stages: ours.flatMap(({name}) => divided.gone.get(name) ?? []),
    kept: [...divided.kept.values()].flat(),
  };
}

function wouldFree(store: Store, subjects: readonly Subject[]): Freed {
  const {gone, kept} = divide(store, subjects);
  const delivered = subjects.flatMap(({rows}) => rows.map(({path}) => diskUse(`${path}/.`).bytes));
  const objects = [...gone.keys()].map((digest) => objectUse(store, digest).bytes);
  return {
    bytes: [...delivered, ...objects].reduce((sum, one) => sum + one, 0),
    stages: [...gone.values()].flat(),
    kept: [...kept.values()].flat(),
  };
}

/** What of the stages' content goes and what stays, as things stand at this moment. */
function divide(store: Store, subjects: readonly Subject[]) {
  const {database, layout} = store;
  const purged = new Set(subjects.map(({digest}) => digest));
  const own = new Set(subjects.flatMap(({rows}) => rows.map(({path}) => path)));
  // Of one that was purged before, nothing is needed; content of the same bytes may be there for the one that goes now.
  const others = listImages(database).filter(
    ({digest, path}) =>
      !own.has(path) && (existsSync(path) || (!purged.has(digest) && store.hasContent(digest))),
  );
  const needed = new Set([
    ...rootedDigests(database, 0),
    ...leasedDigests(database, layout),
    ...others.flatMap((one) => readRecipe(layout, one)?.stages.map((stage) => stage.digest) ?? [one.digest]),
  ]);
  const {gone, kept} = stagesByContent(subjects);
  const present = [...gone].filter(([digest]) => store.hasContent(digest));
  return {
    gone: new Map(present.filter(([digest]) => !needed.has(digest))),
    kept: new Map([
      ...[...kept].filter(([digest]) => store.hasContent(digest)),
      ...present.filter(([digest]) => needed.has(digest)),
    ]),
  };
}

/** Ids of stages by the digest of what they made. Package lists stay: they say which versions an unlocked build took. */
function stagesByContent(subjects: readonly Subject[]) {
  const gone = new Map<string, string[]>();
  const kept = new Map<string, string[]>();
  for (const {recipe} of subjects) {
    for (const {stage, kind, digest} of recipe?.stages ?? []) {
      const side = kind === 'archive' ? kept : gone;
      const ids = side.get(digest) ?? [];
      if (!ids.includes(stage)) side.set(digest, [...ids, stage]);
    }
  }
  return {gone, kept};
}

function withdrawn(path: string, digest: string): number {
  try {
    return withdraw(path, digest) ?? 0;
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    throw new FgError('OUTPUT_UNUSABLE', `Cannot remove the artifact in ${path}`, {
      cause: error,
      hint: 'Run it as the user that owns it',
    });
  }
}
