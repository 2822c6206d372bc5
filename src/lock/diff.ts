import type {Lock, LockedArchive, LockedPackage, LockedStage, LockedSuite} from './lock.ts';
import {compareVersions} from './version.ts';

/** One package that two sets do not have alike. `changed`: the same version, but another file. */
export interface PackageChange {
  readonly change: 'added' | 'removed' | 'upgraded' | 'downgraded' | 'changed';
  readonly name: string;
  readonly architecture: string;
  /** Absent where it was added. */
  readonly from?: string;
  /** Absent where it was removed. */
  readonly to?: string;
  /** Archive of the new version, else of the old one: `main`, `security`, or a repository of the spec. */
  readonly origin?: string;
  /** The new version comes from the archive of security updates, and the old one did not have it. */
  readonly security?: true;
}

/** What a package is in a set of them. */
export interface PackageVersion {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly origin?: string;
  readonly sha256?: string;
}

/** A change of something that has a name: a suite, a stage, a file. */
export interface NamedChange {
  readonly change: 'added' | 'removed' | 'changed';
  readonly name: string;
  /** What it was and what it is, in words; absent where it was not there, or is not. */
  readonly from?: string;
  readonly to?: string;
}

export interface ArchiveChanges {
  readonly archive: string;
  /** Whether only one of the locks has it. */
  readonly change?: 'added' | 'removed';
  readonly suites: readonly NamedChange[];
  readonly packages: readonly PackageChange[];
}

export interface StageChanges {
  readonly stage: string;
  readonly change?: 'added' | 'removed';
  /** What it is asked to install and to remove, as apt-get(8) is told. */
  readonly request: readonly NamedChange[];
  readonly packages: readonly PackageChange[];
}

/** Everything in which two locks differ; empty lists where they are alike. */
export interface LockChanges {
  readonly archives: readonly ArchiveChanges[];
  readonly stages: readonly StageChanges[];
  /** Files that provisioners run, by image. */
  readonly sources: readonly {readonly image: string; readonly files: readonly NamedChange[]}[];
}

/** What it takes to get from lock `a` to lock `b`. */
export function diffLocks(a: Lock, b: Lock): LockChanges {
  return {
    archives: eachName(a.archives, b.archives)
      .map((archive) => diffArchive(archive, a.archives[archive], b.archives[archive]))
      .filter(({change, suites, packages}) => change !== undefined || suites.length + packages.length > 0),
    stages: eachName(a.stages, b.stages)
      .map((stage) => diffStage(stage, {lock: a, stage: a.stages[stage]}, {lock: b, stage: b.stages[stage]}))
      .filter(({change, request, packages}) => change !== undefined || request.length + packages.length > 0),
    sources: eachName(a.sources, b.sources)
      .map((image) => ({image, files: diffNamed(a.sources[image] ?? {}, b.sources[image] ?? {})}))
      .filter(({files}) => files.length > 0),
  };
}

/** Whether two locks say the same. */
export function isSameLock({archives, stages, sources}: LockChanges): boolean {
  return archives.length + stages.length + sources.length === 0;
}

/**
 * How one set of packages becomes another, by name and architecture. A set may hold several versions of a package; a
 * single version on either side is an upgrade or a downgrade, anything else is told as additions and removals.
 */
export function diffPackages(
  a: readonly PackageVersion[],
  b: readonly PackageVersion[],
): readonly PackageChange[] {
  const before = byPackage(a);
  const after = byPackage(b);
  return [...new Set([...before.keys(), ...after.keys()])].sort(bytewise).flatMap((key) => {
    const [olds, news] = [before.get(key) ?? [], after.get(key) ?? []];
    const gone = olds.filter((one) => !news.some((other) => other.version === one.version));
    const fresh = news.filter((one) => !olds.some((other) => other.version === one.version));
    const [old, next] = [gone[0], fresh[0]];
    const swapped = gone.length === 1 && fresh.length === 1 && old !== undefined && next !== undefined;
    return [
      ...(swapped ? [versionChange(old, next)] : [...gone.map(removal), ...fresh.map(addition)]),
      ...olds.flatMap((one) => {
        const same = news.find(({version}) => version === one.version);
        return same === undefined || isSameFile(one, same)
          ? []
          : [{...entry(same), ...span(one, same), change: 'changed' as const}];
      }),
    ];
  });
}

/** How one table of names becomes another. */
function diffNamed(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): readonly NamedChange[] {
  return eachName(a, b).flatMap((name): readonly NamedChange[] => {
    const [from, to] = [a[name], b[name]];
    if (from === to) return [];
    if (to === undefined) return [{change: 'removed', name, ...(from === undefined ? {} : {from})}];
    return from === undefined ? [{change: 'added', name, to}] : [{change: 'changed', name, from, to}];
  });
}

function diffArchive(
  archive: string,
  a: LockedArchive | undefined,
  b: LockedArchive | undefined,
): ArchiveChanges {
  return {
    archive,
    ...onlyOne(a, b),
    suites: diffNamed(suiteTexts(a?.suites ?? []), suiteTexts(b?.suites ?? [])),
    packages: diffPackages(a?.packages ?? [], b?.packages ?? []),
  };
}

interface StageOf {
  readonly lock: Lock;
  readonly stage: LockedStage | undefined;
}

function diffStage(stage: string, a: StageOf, b: StageOf): StageChanges {
  return {
    stage,
    ...onlyOne(a.stage, b.stage),
    request: diffNamed(requestTexts(a.stage), requestTexts(b.stage)),
    packages: diffPackages(packagesOf(a), packagesOf(b)),
  };
}

/** A stage's packages with what the archive's section says of each. */
function packagesOf({lock, stage}: StageOf): readonly PackageVersion[] {
  if (stage === undefined) return [];
  const known = new Map<string, LockedPackage>();
  for (const one of lock.archives[stage.archive]?.packages ?? []) {
    known.set(one.name, one);
    known.set(`${one.name}=${one.version}`, one);
  }
  return stage.packages.map((word) => {
    const [name = word, version = '?'] = word.split('=', 2);
    return known.get(word) ?? {name, version, architecture: '?'};
  });
}

/** Suites by archive and name, in words: when each was published, and by which file. */
function suiteTexts(suites: readonly LockedSuite[]): Record<string, string> {
  return Object.fromEntries(
    suites.map(({origin, name, components, date, sha256}) => [
      `${origin} ${name}`,
      `${date} ${components.join(' ')} ${sha256}`,
    ]),
  );
}

function requestTexts(stage: LockedStage | undefined): Record<string, string> {
  return Object.fromEntries([
    ...(stage?.install ?? []).map((word) => [`install ${word}`, ''] as const),
    ...(stage?.remove ?? []).map((word) => [`remove ${word}`, ''] as const),
  ]);
}

function versionChange(old: PackageVersion, next: PackageVersion): PackageChange {
  const order = compareVersions(old.version, next.version);
  const change = order < 0 ? 'upgraded' : order > 0 ? 'downgraded' : 'changed';
  const isSecurity = change === 'upgraded' && next.origin === 'security';
  return {...entry(next), ...span(old, next), change, ...(isSecurity ? {security: true} : {})};
}

function addition(one: PackageVersion): PackageChange {
  return {...entry(one), change: 'added', to: one.version};
}

function removal(one: PackageVersion): PackageChange {
  return {...entry(one), change: 'removed', from: one.version};
}

function entry({
  name,
  architecture,
  origin,
}: PackageVersion): Pick<PackageChange, 'name' | 'architecture' | 'origin'> {
  return {name, architecture, ...(origin === undefined ? {} : {origin})};
}

function span(old: PackageVersion, next: PackageVersion): {readonly from: string; readonly to: string} {
  return {from: old.version, to: next.version};
}

function isSameFile(a: PackageVersion, b: PackageVersion): boolean {
  return a.sha256 === undefined || b.sha256 === undefined || a.sha256 === b.sha256;
}

function byPackage(packages: readonly PackageVersion[]): ReadonlyMap<string, readonly PackageVersion[]> {
  const grouped = new Map<string, PackageVersion[]>();
  for (const one of packages) {
    const key = `${one.name}:${one.architecture}`;
    const group = grouped.get(key);
    if (group === undefined) grouped.set(key, [one]);
    else group.push(one);
  }
  return grouped;
}

function onlyOne(a: unknown, b: unknown): {readonly change?: 'added' | 'removed'} {
  if (a === undefined) return {change: 'added'};
  return b === undefined ? {change: 'removed'} : {};
}

function eachName(a: object, b: object): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort(bytewise);
}

function bytewise(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
