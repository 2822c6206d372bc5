import {join} from 'node:path';
import {diskError} from '../../cache/disk-error.ts';
import {keepLocked} from '../../cache/lock-roots.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {type BringOptions, type Brought, bringDebs, type WantedDeb} from '../lock/bring.ts';
import {hostSnapshots} from '../lock/snapshot.ts';
import {bringSources, sourceNames} from '../lock/sources-bring.ts';
import {wantedDebs} from '../lock/wanted.ts';
import type {Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {CommandLog} from '../sandbox/process.ts';
import {formatCount, formatSize, printable} from '../ui/format.ts';
import {cancelOnSignals} from './cancel.ts';
import {lockRoot} from './read-lock.ts';
import {openSession, type Session, type SessionOptions} from './session.ts';
import {sourceArchives} from './source-archives.ts';

export interface FetchOptions extends SessionOptions {
  /** Whether the source packages are wanted too. */
  readonly sources: boolean;
  readonly json: boolean;
}

/** A file that was brought, and where it is as long as the session is. */
export interface FetchedFile extends WantedDeb {
  readonly path: string;
}

/** What of a lock lies in the package store now. */
export interface Fetched {
  readonly debs: readonly FetchedFile[];
  readonly brought: Brought;
  readonly sources?: {
    readonly files: readonly FetchedFile[];
    readonly packages: number;
    readonly brought: Brought;
  };
}

/** `fgimage fetch`: brings everything that fgimage.lock names, so that `build --offline` needs no network. */
export async function runFetch(options: FetchOptions): Promise<ExitCode> {
  const {debs, brought, sources} = await withLockedSession(options, (session, signal) =>
    fetchLocked(session, {sources: options.sources, signal}),
  );
  if (options.json) {
    const of = (files: readonly WantedDeb[], {broughtBytes, ...from}: Brought): object => ({
      files: files.length,
      size_bytes: sum(files),
      fetched_bytes: broughtBytes,
      from_store: from.fromStore,
      from_mirror: from.fromMirror,
      from_snapshot: from.fromSnapshot,
      from_remote: from.fromRemote,
    });
    const json = {
      packages: of(debs, brought),
      ...(sources === undefined ? {} : {sources: of(sources.files, sources.brought)}),
    };
    process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`);
    return exitCode.done;
  }
  process.stdout.write(`${fetchedLine(formatCount(debs.length, 'package'), debs, brought)}\n`);
  if (sources !== undefined) {
    const what = `${formatCount(sources.packages, 'source package')}, ${formatCount(sources.files.length, 'file')}`;
    process.stdout.write(`${fetchedLine(what, sources.files, sources.brought)}\n`);
  }
  return exitCode.done;
}

/** Opens a session whose lock must be there and answer the spec; one that cancels ends it in good order. */
export async function withLockedSession<T>(
  options: SessionOptions,
  use: (session: Session, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  process.umask(0o022);
  using stop = cancelOnSignals();
  const locked = {...options, useLock: true, locked: true};
  const session = await openSession(locked, {look: false, warn});
  try {
    if (session.lock !== undefined) keepLocked(session.store, lockRoot(session.lock));
    return await use(session, stop.signal);
  } catch (error) {
    if (stop.signal.aborted) throw new FgError('CANCELLED', 'Cancelled: what was fetched is kept');
    throw diskError(error, cacheFolder(options.cacheDir)) ?? error;
  } finally {
    await session.remote?.finish(stop.signal);
    session.scope.close();
    session.store.close();
  }
}

/** Brings what the stages of a plan have locked into the package store. Throws `FgError` where something is missing. */
export async function fetchLocked(
  session: Session,
  {sources, signal}: {readonly sources: boolean; readonly signal: AbortSignal},
): Promise<Fetched> {
  const work = session.scope.scratch('fetch');
  const log = new CommandLog(join(work, 'fetch.log'), () => undefined);
  const options: BringOptions = {
    packages: session.store.layout.packages,
    work,
    into: join(work, 'files'),
    // One name may be that of two archives' packages.
    linkName: ({sha256}) => sha256,
    offline: session.options.offline,
    remote: session.remote?.packages,
    log,
    signal,
    progress: showProgress,
    warn,
  };
  try {
    const wanted = lockedDebs(session);
    const brought = orThrow(await bringDebs(wanted, options));
    const debs = placed(wanted, options);
    if (!sources) return {debs, brought};
    const tool = (name: string): string => session.tools.find(name)?.path ?? name;
    const names = await sourceNames(
      debs.map(({path}) => path),
      tool,
    );
    const {projectDir} = session.spec;
    const found = await bringSources(names, {
      ...options,
      projectDir,
      tool,
      archives: sourceArchives(session),
    });
    const {files, ...rest} = orThrow(found);
    return {debs, brought, sources: {...rest, files: placed(files, options)}};
  } finally {
    endProgress();
    await log.close();
  }
}

/** All packages of the plan's stages, each once. */
function lockedDebs({plan}: Session): readonly WantedDeb[] {
  const configured = hostSnapshots();
  const debs = plan.nodes.flatMap(({locked}) => (locked === undefined ? [] : wantedDebs(locked, configured)));
  return [...new Map(debs.map((one) => [`${one.fileName} ${one.sha256}`, one])).values()];
}

/** Where the files are; a remote cache that is written to gets what was here already too. */
function placed(
  files: readonly WantedDeb[],
  {remote, work}: Pick<BringOptions, 'remote' | 'work'>,
): readonly FetchedFile[] {
  return files.map((file) => {
    const path = join(work, 'files', file.sha256);
    remote?.upload(file, path);
    return {...file, path};
  });
}

function fetchedLine(
  what: string,
  files: readonly WantedDeb[],
  {fromStore, fromMirror, fromSnapshot, fromRemote, broughtBytes}: Brought,
): string {
  const from = [
    [fromMirror, 'from the mirror'],
    [fromSnapshot, 'from the archive of snapshots'],
    [fromRemote, 'from the remote cache'],
  ] as const;
  const parts = from.flatMap(([count, where]) => (count === 0 ? [] : [`${String(count)} ${where}`]));
  const fetched = parts.length === 0 ? '' : `, ${parts.join(', ')} (${formatSize(broughtBytes)})`;
  return `${what}, ${formatSize(sum(files))}: ${String(fromStore)} here already${fetched}`;
}

function sum(files: readonly WantedDeb[]): number {
  return files.reduce((total, {sizeBytes}) => total + sizeBytes, 0);
}

/** What a stage would fail with, as an error of a command. */
function orThrow<T>(result: Result<T, StageFailure>): T {
  if (result.ok) return result.value;
  const {error} = result;
  if (error.reason !== 'refused') throw new Error(`Bringing packages failed: ${error.reason}`);
  const details = (error.details ?? []).map((line) => `\n  ${printable(line)}`).join('');
  throw new FgError('PACKAGES_MISSING', `${error.message}${details}`, {hint: error.hint});
}

function warn(message: string, hint?: string): void {
  endProgress();
  process.stderr.write(
    `warning: ${printable(message)}\n${hint === undefined ? '' : `  ${printable(hint)}\n`}`,
  );
}

let isShown = false;

/** One line that is written over, at a terminal only. */
export function showProgress(message: string, fraction?: number): void {
  if (!process.stderr.isTTY) return;
  const percent = fraction === undefined ? '' : ` ${String(Math.floor(fraction * 100))} %`;
  process.stderr.write(`\r\u001B[K${printable(message)}${percent}`);
  isShown = true;
}

export function endProgress(): void {
  if (isShown) process.stderr.write('\r\u001B[K');
  isShown = false;
}
