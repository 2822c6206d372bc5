import {execFileSync} from 'node:child_process';
import type {Os} from '../spec/image.ts';
import type {LockedSuite} from './lock.ts';

/** Where archives of snapshots are, as the host's apt is told: `Acquire::Snapshots::URI` of apt.conf(5). */
export type SnapshotConfiguration = ReadonlyMap<string, string>;

/** What is asked: where packages of one archive of a lock are in archives of snapshots. */
export interface SnapshotQuestion {
  readonly os: Pick<Os, 'distribution' | 'snapshots'>;
  /** `main`, `security`, or the name of a repository of the spec. */
  readonly origin: string;
  /** URI of the archive that it is a snapshot of. */
  readonly root: string;
  /** The suites of the lock. */
  readonly suites: readonly LockedSuite[];
  readonly configured: SnapshotConfiguration;
}

/**
 * Roots of the snapshots that have what an archive had when it was locked, the likeliest first; none where neither the
 * spec nor the host's apt knows an archive of snapshots.
 */
export function snapshotRoots(question: SnapshotQuestion): readonly string[] {
  const template = templateOf(question);
  if (template === undefined) return [];
  const {origin, root, suites} = question;
  return snapshotIds(suites.filter((suite) => suite.origin === origin)).map((id) =>
    template.replaceAll('@SNAPSHOTID@', id).replaceAll('@PATH@', pathOf(root)).replace(/\/+$/, ''),
  );
}

/**
 * Times of snapshots to ask for. All packages of a lock were in the archive together when the newest of its Release
 * files had been written. Archives of snapshots give, for a time, the last snapshot before it; they take one some
 * hours after a Release file's date. One that has snapshots by the date itself has the first.
 */
export function snapshotIds(suites: readonly Pick<LockedSuite, 'date'>[]): readonly string[] {
  const times = suites.map(({date}) => Date.parse(date)).filter((time) => !Number.isNaN(time));
  if (times.length === 0) return [];
  const newest = Math.max(...times);
  return laterHours.map((hours) =>
    new Date(newest + hours * 3_600_000).toISOString().replaceAll(/[:-]|\.\d+/g, ''),
  );
}

const laterHours = [0, 6, 24];

/**
 * What the host's apt knows of archives of snapshots; nothing where it is older than 2.9 and was told nothing. Every
 * stage of a locked build wants to know: apt is asked once.
 */
export function hostSnapshots(): SnapshotConfiguration {
  known ??= askHost();
  return known;
}

let known: SnapshotConfiguration | undefined;

function askHost(): SnapshotConfiguration {
  try {
    return parseSnapshotConfiguration(
      execFileSync('apt-config', ['dump', 'Acquire::Snapshots::URI'], {encoding: 'utf8'}),
    );
  } catch {
    return new Map();
  }
}

/** Reads `apt-config dump`: a line `name "value";` for each, the names below `Acquire::Snapshots::URI::`. */
export function parseSnapshotConfiguration(text: string): SnapshotConfiguration {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const {name, value} =
      /^Acquire::Snapshots::URI::(?<name>\S+) "(?<value>[^"]+)";$/.exec(line)?.groups ?? {};
    if (name !== undefined && value?.includes('@SNAPSHOTID@') === true) found.set(name.toLowerCase(), value);
  }
  return found;
}

function templateOf({os, origin, root, configured}: SnapshotQuestion): string | undefined {
  const names = releaseNames(os.distribution, origin);
  if (names !== undefined && os.snapshots !== undefined)
    return origin === 'security' ? securityTemplate(os.snapshots) : os.snapshots;
  // In apt's own order (apt.conf(5)).
  const keys = [
    ...(names === undefined
      ? []
      : [
          `override::label::${names.label}`,
          `override::origin::${names.origin}`,
          `label::${names.label}`,
          ...(origin === 'main' ? [`origin::${names.origin}`] : []),
        ]),
    ...hostKeys(root),
  ];
  for (const key of keys) {
    const template = configured.get(key.toLowerCase());
    if (template !== undefined) return template;
  }
  return undefined;
}

/** `Origin` and `Label` in the Release files of a distribution's own archives. */
function releaseNames(
  distribution: Os['distribution'],
  origin: string,
): {readonly origin: string; readonly label: string} | undefined {
  const name = `${distribution.slice(0, 1).toUpperCase()}${distribution.slice(1)}`;
  if (origin === 'main') return {origin: name, label: name};
  return origin === 'security' ? {origin: name, label: `${name}-Security`} : undefined;
}

/** Of one archive's snapshots those of its sibling with the security updates, in Debian's layout. */
function securityTemplate(template: string): string | undefined {
  if (template.includes('@PATH@')) return template;
  const sibling = template.replace(/\/debian\/(?=@SNAPSHOTID@)/, '/debian-security/');
  return sibling === template ? undefined : sibling;
}

/** A mirror's own name, then the domains that it is in: those begin with a dot. */
function hostKeys(root: string): readonly string[] {
  if (!URL.canParse(root)) return [];
  const {hostname} = new URL(root);
  const parts = hostname.split('.');
  return hostname === ''
    ? []
    : [hostname, ...parts.slice(1).map((_, index) => `.${parts.slice(index + 1).join('.')}`)].map(
        (name) => `host::${name}`,
      );
}

function pathOf(root: string): string {
  return root.replace(/^[a-z0-9+.-]+:(\/\/[^/]*)?/i, '').replaceAll(/^\/+|\/+$/g, '');
}
