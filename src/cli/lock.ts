import {basename} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {diffLocks, isSameLock, type LockChanges} from '../lock/diff.ts';
import type {Lock} from '../lock/lock.ts';
import {lockPathOf} from '../lock/path.ts';
import {ProjectDigests} from '../run/digest-cache.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {formatCount, printable} from '../ui/format.ts';
import {createStyle} from '../ui/style.ts';
import {cancelOnSignals} from './cancel.ts';
import {formatLockChanges} from './diff-text.ts';
import {readLock, StaleLock} from './read-lock.ts';
import {type Relocked, type RelockOptions, relock} from './relock.ts';
import {openStore, planSpec, refuseUserNamespace} from './session.ts';
import {readSpecWithMemory} from './spec.ts';

export interface LockOptions {
  readonly file: string;
  readonly profiles?: ChosenProfiles;
  readonly cacheDir: string | undefined;
  readonly json: boolean;
  readonly color: boolean;
}

/** `fgimage lock`: brings the lock up to the spec; what is locked stays. `check`: only says whether it is. */
export async function runLock(options: LockOptions & {readonly check: boolean}): Promise<ExitCode> {
  if (options.check) return check(options);
  return inNamespace(options, async (store) => {
    const done = await relockFor(options, {store, update: 'nothing'});
    report(done, {options, dryRun: false});
    return exitCode.done;
  });
}

/** `fgimage update`: takes anew what the lock has, all of it or some packages with what they need. */
export async function runUpdate(
  options: LockOptions & {readonly packages: readonly string[]; readonly dryRun: boolean},
): Promise<ExitCode> {
  const {packages, dryRun} = options;
  return inNamespace(options, async (store) => {
    if (packages.length > 0) await refuseUnknown(packages, {options, store});
    const update = packages.length === 0 ? 'all' : packages;
    report(await relockFor(options, {store, update, dryRun}), {options, dryRun});
    return exitCode.done;
  });
}

/** Names that no package of the lock has. */
async function refuseUnknown(
  packages: readonly string[],
  {options, store}: {options: LockOptions; store: Store},
): Promise<void> {
  const spec = await readSpecWithMemory(options.file, {...options, store});
  const found = await readLock(spec, {useLock: true, locked: true, store});
  const known = Object.values(found?.lock.archives ?? {}).flatMap((archive) =>
    archive.packages.map(({name}) => name),
  );
  const unknown = packages.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const {nearest} = await import('../spec/nearest.ts');
  const similar = nearest(unknown[0] ?? '', known);
  throw new FgError(
    'USAGE',
    `${basename(lockPathOf(spec.file, spec.profiles))} has no package ${unknown.join(', ')}`,
    {
      hint:
        similar === undefined
          ? 'A package that the spec has just got is added by "fgimage lock"'
          : `Did you mean ${similar}?`,
    },
  );
}

async function check({file, profiles, cacheDir, color, json}: LockOptions): Promise<ExitCode> {
  const store = openStore(cacheFolder(cacheDir));
  try {
    const spec = await readSpecWithMemory(file, {color, profiles, store});
    const found = await readLock(spec, {useLock: true, locked: true, store});
    if (found === undefined) throw new Error('A lock that must be there was not read');
    const plan = await planSpec(spec, {
      store,
      digests: new ProjectDigests(spec.projectDir, store),
      test: false,
      images: [],
      targets: [],
      lock: found.lock,
    });
    const wanted = new Set(plan.nodes.map(({id}) => id));
    const unused = Object.keys(found.lock.stages).filter((stage) => !wanted.has(stage));
    const problems = [
      ...plan.lockProblems,
      ...unused.map((stage) => `${stage}: in the lock, but not of the spec`),
    ];
    if (json) {
      const body = {version: 1, file: found.path, up_to_date: problems.length === 0, problems};
      process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`);
      return problems.length === 0 ? exitCode.done : exitCode.lockOutOfDate;
    }
    if (problems.length > 0) throw new StaleLock(found.path, problems);
    process.stdout.write(`${printable(basename(found.path))} answers the spec\n`);
    return exitCode.done;
  } finally {
    store.close();
  }
}

/** Runs `work` with the cache, as the root of a user namespace where the user is none. */
export async function inNamespace(
  {cacheDir}: Pick<LockOptions, 'cacheDir'>,
  work: (store: Store) => Promise<ExitCode>,
): Promise<ExitCode> {
  process.umask(0o022);
  if (!isRoot()) {
    if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(cacheDir));
    return (await enterUserNamespace()) as ExitCode;
  }
  const store = openStore(cacheFolder(cacheDir));
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** `relock` with its progress on standard error; Ctrl-C ends it. */
export async function relockFor(
  {file, profiles, color}: Pick<LockOptions, 'file' | 'profiles' | 'color'>,
  rest: Pick<RelockOptions, 'store' | 'update' | 'dryRun'>,
): Promise<Relocked> {
  using abort = cancelOnSignals();
  const say = (text: string): void => void process.stderr.write(`${printable(text)}\n`);
  try {
    return await relock({
      file,
      profiles,
      color,
      ...rest,
      signal: abort.signal,
      progress: say,
      warn: (message) => say(`warning: ${message}`),
    });
  } catch (error) {
    if (abort.signal.aborted)
      throw new FgError('CANCELLED', 'Cancelled: the lock is as it was', {cause: error});
    throw error;
  }
}

function report(
  {path, before, lock}: Relocked,
  {options, dryRun}: {options: LockOptions; dryRun: boolean},
): void {
  const empty: Lock = {version: 1, archives: {}, stages: {}, sources: {}};
  const changes = diffLocks(before ?? empty, lock);
  const same = before !== undefined && isSameLock(changes);
  if (options.json) {
    const body = {version: 1, file: path, written: !dryRun, changed: !same, changes};
    process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`${summary({path, before, lock}, {changes, options, dryRun, same}).join('\n')}\n`);
}

function summary(
  {path, before, lock}: Relocked,
  {
    changes,
    options,
    dryRun,
    same,
  }: {changes: LockChanges; options: LockOptions; dryRun: boolean; same: boolean},
): readonly string[] {
  const name = printable(basename(path));
  const counts = Object.entries(lock.archives).map(
    ([archive, {packages}]) => `${formatCount(packages.length, 'package')} of ${printable(archive)}`,
  );
  const has = `${name}: ${counts.join(', ')}, for ${formatCount(Object.keys(lock.stages).length, 'stage')}`;
  if (before === undefined) return [dryRun ? `would be written: ${has}` : has];
  if (same) return [`${has}; nothing changed`];
  return [
    ...lockChangeLines(changes, {name, color: options.color}),
    '',
    dryRun ? `would be written: ${has}` : has,
  ];
}

/** What changed in a lock, each package once however many stages have it. */
export function lockChangeLines(
  changes: LockChanges,
  {name, color}: {readonly name: string; readonly color: boolean},
): readonly string[] {
  const stages = changes.stages
    .map((stage) => ({...stage, packages: []}))
    .filter(({change, request}) => change !== undefined || request.length > 0);
  const names = {a: name, b: `${name}, renewed`};
  return formatLockChanges({...changes, stages}, names, createStyle(color));
}
