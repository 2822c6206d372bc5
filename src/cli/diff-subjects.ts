import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {listImages} from '../catalog/catalog.ts';
import {factsOfDigest, factsOfFolder} from '../compare/image-facts.ts';
import type {ImageFacts} from '../compare/images.ts';
import type {RunFacts, RunStage} from '../compare/runs.ts';
import {FgError, isErrno} from '../errors.ts';
import {parseLock} from '../lock/file.ts';
import type {Lock} from '../lock/lock.ts';
import {type PastRun, resolveRun, stagesOfRun} from '../run/history.ts';
import {nearest} from '../spec/nearest.ts';

/** One side of a comparison. */
export type Subject =
  | {readonly kind: 'image'; readonly name: string; readonly facts: ImageFacts}
  | {readonly kind: 'lock'; readonly name: string; readonly lock: Lock}
  | {readonly kind: 'run'; readonly name: string; readonly run: PastRun; readonly facts: RunFacts};

export interface SubjectSources {
  readonly store: Store;
  /** Whether all files of images are compared. */
  readonly files: boolean;
}

/**
 * What a word of `fgimage diff` names: `run:<id>`, a folder with an artifact, a lock, `<revision>:<path>` of a lock in
 * git, the digest of an artifact or the beginning of it, `<image>` or `<image>/<target>`. What lies on disk comes before
 * names. Throws `FgError` where there is no such thing.
 */
export function subjectOf(word: string, sources: SubjectSources): Subject {
  if (word.startsWith('run:')) return runSubject(word.slice('run:'.length), sources);
  const stat = statSync(word, {throwIfNoEntry: false});
  if (stat?.isDirectory() === true) {
    const facts = factsOfFolder(word, sources);
    if (facts !== undefined) return image(facts);
    if (/[/.]/.test(word) && !isKnown(word, sources)) throw noArtifact(word);
  } else if (stat !== undefined)
    return {kind: 'lock', name: word, lock: parseLock(readFileSync(word, 'utf8'), word)};
  const inGit = /^(?<revision>[^:/]+):(?<path>.+)$/.test(word) ? textInGit(word) : undefined;
  if (inGit !== undefined) return {kind: 'lock', name: word, lock: parseLock(inGit, word)};
  const digest = /^(?:sha256:)?(?<hex>[0-9a-f]{8,64})$/.exec(word)?.groups?.['hex'];
  return digest === undefined ? imageByName(word, sources) : imageByDigest(digest, sources);
}

function image(facts: ImageFacts): Subject {
  const digest = facts.digest === undefined ? '' : ` ${facts.digest.slice(0, 12)}`;
  return {kind: 'image', name: `${facts.image}/${facts.target}${digest}`, facts};
}

function isKnown(word: string, {store}: SubjectSources): boolean {
  return listImages(store.database).some(
    (row) => word === row.image || word === `${row.image}/${row.target}`,
  );
}

function noArtifact(folder: string): FgError {
  const below = readdirSync(folder, {withFileTypes: true})
    .filter(({name}) => existsSync(join(folder, name, 'manifest.json')))
    .map(({name}) => join(folder, name));
  return new FgError('USAGE', `There is no artifact in ${folder}: it has no manifest.json`, {
    hint: below.length === 0 ? 'Name the folder artifacts/<image>/<target>' : `Name ${below.join(' or ')}`,
  });
}

/** The newest of that name, and of that target, that was built into this cache. */
function imageByName(word: string, sources: SubjectSources): Subject {
  const rows = listImages(sources.store.database);
  const found = rows.filter((row) => word === row.image || word === `${row.image}/${row.target}`);
  const [first] = found;
  if (first === undefined) {
    const known = [...new Set(rows.flatMap((row) => [row.image, `${row.image}/${row.target}`]))];
    const similar = nearest(word, known);
    throw new FgError('USAGE', `There is no image, folder, lock or run ${word}`, {
      hint:
        similar !== undefined
          ? `Did you mean ${similar}?`
          : known.length === 0
            ? 'Nothing was built into this cache yet; "fgimage diff --help" says what can be compared'
            : `Images that were built: ${known.filter((name) => name.includes('/')).join(', ')}`,
    });
  }
  const targets = [...new Set(found.map(({target}) => target))].sort();
  if (targets.length > 1) {
    throw new FgError('USAGE', `${word} was built for several targets`, {
      hint: `Name one: ${targets.map((target) => `${word}/${target}`).join(', ')}`,
    });
  }
  const inFolder = existsSync(first.path) ? factsOfFolder(first.path, sources) : undefined;
  const facts = inFolder?.digest === first.digest ? inFolder : factsOfDigest(first.digest, sources);
  if (facts === undefined) {
    throw new FgError(
      'USAGE',
      `Nothing is known any more of ${word}: ${first.path} is gone, and the cache has forgotten it`,
      {
        hint: 'Build it again: fgimage build',
      },
    );
  }
  return image(facts);
}

function imageByDigest(digest: string, sources: SubjectSources): Subject {
  const found = sources.store.database
    .prepare(
      `SELECT DISTINCT digest FROM actions WHERE stage LIKE 'pack:%' AND substr(digest, 1, ?) = ? LIMIT 10`,
    )
    .pluck()
    .all(digest.length, digest) as string[];
  const [only, ...others] = found;
  if (others.length > 0) {
    throw new FgError('USAGE', `${digest} begins the digests of several artifacts`, {
      hint: `They are ${found.join(', ')}`,
    });
  }
  const facts = only === undefined ? undefined : factsOfDigest(only, sources);
  if (facts === undefined) {
    throw new FgError('USAGE', `There is no artifact with the digest ${digest} in this cache`, {
      hint: '"fgimage images" lists those that were built; run:<id> names a run',
    });
  }
  return image(facts);
}

function runSubject(id: string, {store}: SubjectSources): Subject {
  const run = resolveRun(store.database, id);
  const stages = stagesOfRun(store.database, run).map(({stage, state, key, durationMs}): RunStage => {
    const found = key === undefined ? undefined : store.find(key);
    return {
      stage,
      state,
      durationMs,
      ...(key === undefined ? {} : {key}),
      ...(found?.state === 'known' && state !== 'failed' ? {digest: found.action.digest} : {}),
    };
  });
  return {kind: 'run', name: `run ${run.id.slice(0, 8)}`, run, facts: {durationMs: run.durationMs, stages}};
}

/** `git show <revision>:<path>`; undefined where that is nothing in a repository. */
function textInGit(word: string): string | undefined {
  try {
    return execFileSync('git', ['show', '--end-of-options', word], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 28,
    });
  } catch (error) {
    if (isErrno(error, 'ENOENT') || (error instanceof Error && 'status' in error)) return undefined;
    throw error;
  }
}
