import {createHash} from 'node:crypto';
import {linkSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {isErrno} from '../errors.ts';
import {type Brought, bringDebs} from '../lock/bring.ts';
import {controlFields} from '../lock/control.ts';
import {debFileName} from '../lock/lock.ts';
import {wantedDebs} from '../lock/wanted.ts';
import type {LockedInstall} from '../plan/graph.ts';
import {ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {StageContext} from './stage.ts';

/**
 * A repository (https://wiki.debian.org/DebianRepository/Format) of exactly the packages that fgimage.lock names for a
 * stage, below the stage's scratch folder: apt finds nothing else there. It has no signature: each package was compared
 * with its SHA-256 in the lock.
 */
export interface LocalRepository {
  readonly folder: string;
  /** Its line in sources.list(5), where apt sees the folder at `path`. */
  readonly sourceLine: (path: string) => string;
  /** The packages by file name, as links. */
  readonly pool: string;
}

/** Where the repository is, in the stage's scratch folder. */
export const repositoryFolder = 'repository';

export async function makeRepository(
  context: StageContext,
  locked: LockedInstall,
): Promise<Result<LocalRepository, StageFailure>> {
  const folder = join(context.work, repositoryFolder);
  const pool = join(folder, 'pool');
  const brought = await bringLocked(context, locked, pool);
  if (!brought.ok) return brought;
  const {release, architecture} = locked.os;
  const suite = join(folder, 'dists', release);
  const indexPath = `main/binary-${architecture}/Packages`;
  mkdirSync(join(suite, `main/binary-${architecture}`), {recursive: true});
  const index = await packagesIndex(context, locked, pool);
  writeFileSync(join(suite, indexPath), index);
  writeFileSync(join(suite, 'Release'), releaseFile({release, architecture, indexPath, index}));
  return ok({
    folder,
    pool,
    sourceLine: (path) => `deb [trusted=yes] copy:${encodeURI(path)} ${release} main\n`,
  });
}

/** Brings what the lock names for a stage into the package store, and links it into `into`. */
function bringLocked(
  context: StageContext,
  locked: LockedInstall,
  into: string,
): Promise<Result<Brought, StageFailure>> {
  return bringDebs(wantedDebs(locked), {
    packages: context.store.layout.packages,
    work: context.work,
    offline: context.offline,
    remote: context.remotePackages,
    into,
    log: context.log,
    signal: context.signal,
    progress: context.progress,
    warn: context.warn,
  });
}

/** Links the packages of a repository to where apt keeps what it fetched. */
export function linkPool({packages}: LockedInstall, pool: string, archives: string): void {
  for (const one of packages) {
    const name = debFileName(one);
    try {
      linkSync(join(pool, name), join(archives, name));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

/** deb-control(5) of each package, with what an index adds. The archive's word on what is required counts, not theirs. */
async function packagesIndex(context: StageContext, locked: LockedInstall, pool: string): Promise<string> {
  const required = new Set(locked.required);
  const controls = await readControls(context, locked, pool);
  return locked.packages
    .map((one, index) => {
      const control = (controls[index] ?? '').replace(/^Priority:.*\n/m, '');
      const priority = required.has(one.name) ? 'required' : 'optional';
      const file = `Filename: pool/${debFileName(one)}\nSize: ${String(one.size)}\nSHA256: ${one.sha256}\n`;
      return `${control}Priority: ${priority}\n${file}`;
    })
    .join('\n');
}

/** What `dpkg-deb --field` says of each package; remembered by digest, as it takes some milliseconds each. */
async function readControls(
  {store, signal}: StageContext,
  {packages}: LockedInstall,
  pool: string,
): Promise<readonly string[]> {
  const memoOf = (sha256: string): string => `control:${sha256}`;
  const unknown = packages.filter(({sha256}) => store.memo(memoOf(sha256)) === undefined);
  if (unknown.length > 0) {
    const controls = await controlFields(
      unknown.map((one) => join(pool, debFileName(one))),
      signal,
    );
    for (const [index, {sha256}] of unknown.entries()) store.setMemo(memoOf(sha256), controls[index] ?? '');
  }
  return packages.map(({sha256}) => store.memo(memoOf(sha256)) ?? '');
}

function releaseFile({
  release,
  architecture,
  indexPath,
  index,
}: {
  release: string;
  architecture: string;
  indexPath: string;
  index: string;
}): string {
  const digest = createHash('sha256').update(index).digest('hex');
  return `Origin: fgimage.lock
Suite: ${release}
Codename: ${release}
Architectures: ${architecture} all
Components: main
SHA256:
 ${digest} ${String(Buffer.byteLength(index))} ${indexPath}
`;
}

/** What is, or would be, installed though the lock has something else: lines that begin with a file name. */
export function differenceToLock(
  found: readonly string[],
  locked: readonly string[],
): StageFailure | undefined {
  const name = (line: string): string => line.split(' ', 1)[0] ?? line;
  const lines = [
    ...found.filter((line) => !locked.includes(line)).map((line) => `+ ${name(line)}`),
    ...locked.filter((line) => !found.includes(line)).map((line) => `- ${name(line)}`),
  ];
  if (lines.length === 0) return undefined;
  const more = lines.length > 10 ? ` and ${String(lines.length - 10)} more` : '';
  return {
    reason: 'refused',
    message: `What is installed is not what fgimage.lock says: ${lines.slice(0, 10).join(', ')}${more}`,
    hint: 'A provisioner or another package may have changed what is installed: make the lock anew with "fgimage update"',
  };
}
