import {linkSync, mkdirSync, readdirSync} from 'node:fs';
import {basename, join} from 'node:path';
import {isErrno} from '../errors.ts';
import {bringDebs, type WantedDeb} from '../lock/bring.ts';
import {packageRoot} from '../package-root.ts';
import type {LockedInstall} from '../plan/graph.ts';
import {refinedPackages} from '../plan/locked.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {Bind} from '../sandbox/sandbox.ts';
import {sourcesFile} from './archive.ts';
import {requiredInput} from './inputs.ts';
import {differenceToLock, linkPool, makeRepository} from './local-repository.ts';
import type {StageContext} from './stage.ts';
import {runInTree, scratchFile} from './tree.ts';

/** A package to install: `name` or `name=version`, apt-get(8)'s words. */
export interface AptRequest {
  readonly install: readonly string[];
  readonly remove: readonly string[];
  /** The archive stage whose lists are used. */
  readonly archive: string;
}

/** `known`: what the stage gives with these very packages is in the cache, so it need not go on. */
export interface Installed {
  readonly known: boolean;
}

/**
 * Installs and removes packages in the stage's tree. The image's own apt resolves them, without network, the host's
 * apt fetches them into the shared package cache and verifies them, and the image's apt installs them, again
 * without network: no maintainer script can reach out.
 */
export async function installPackages(
  context: StageContext,
  request: AptRequest,
): Promise<Result<Installed, StageFailure>> {
  const {locked} = context.node;
  if (request.install.length === 0 && request.remove.length === 0)
    return ok({known: locked === undefined && context.isKnown({packages: []}, request.archive)});
  const archives = join(context.work, 'archives');
  mkdirSync(join(archives, 'partial'), {recursive: true});
  const source = await packageSource(context, request, locked);
  if (!source.ok) return source;
  const binds = aptBinds(context, {...source.value, archives});
  const words = [...request.install, ...request.remove.map((name) => `${name}-`)];

  context.progress('Resolving packages');
  const needed: NeededPackage[] = [];
  const resolve = ['apt-get', '-c', aptConfigPath, '-qq', '--print-uris', '-o', 'Acquire::ForceHash=SHA256'];
  const resolved = await runInTree(context, {
    command: [
      '/bin/sh',
      '-c',
      resolveScript,
      locked === undefined ? 'ask' : 'update',
      ...resolve,
      ...removalOptions(request),
      'install',
      '--',
      ...words,
    ],
    shown: [...resolve, ...removalOptions(request), 'install', '--', ...words],
    binds,
    onLine: (line) => {
      const found = parsePrintUri(line);
      if (found !== undefined) needed.push(found);
      return found === undefined;
    },
    hint:
      locked === undefined
        ? 'A package that is not known is misspelt, or in another release or component: add its archive under repositories'
        : 'What fgimage.lock names does not fit together: make it anew with "fgimage update"',
  });
  if (!resolved.ok) return resolved;

  const packages = needed.map(({fileName, sha256}) => `${fileName} ${sha256}`).sort();
  if (locked === undefined) {
    if (context.isKnown({packages}, request.archive)) return ok({known: true});
    const fetched = await fetchPackages(context, needed, archives);
    if (!fetched.ok) return fetched;
  } else {
    const other = differenceToLock(packages, refinedPackages(locked.packages));
    if (other !== undefined) return fail(other);
    linkPool(locked, source.value.pool, archives);
  }

  const install = [
    'apt-get',
    '-c',
    aptConfigPath,
    '-y',
    '-q',
    '--no-download',
    ...removalOptions(request),
    'install',
    '--',
    ...words,
  ];
  const installed = await runInTree(context, {
    command: ['/bin/sh', '-c', installScript, 'sh', ...install.toSpliced(1, 0, '-o', 'APT::Status-Fd=3')],
    shown: install,
    writable: true,
    binds,
    onLine: (line) => {
      const status = parseStatus(line);
      if (status === undefined) return true;
      context.progress(status.message, status.fraction);
      return false;
    },
  });
  return installed.ok ? ok({known: false}) : installed;
}

/**
 * The progress comes on a descriptor of its own, led to where the output goes: apt closes it in its children. What apt,
 * dpkg and ldconfig note down of the moment of an installation would make every layer another one.
 */
const installScript = `
status=0
"$@" 3>&1 || status=$?
rm -f /var/log/alternatives.log /var/log/dpkg.log /var/log/apt/*.log /var/log/apt/eipp.log.xz /var/cache/ldconfig/aux-cache
exit $status
`;

function removalOptions({remove}: AptRequest): readonly string[] {
  return remove.length > 0 ? ['--allow-remove-essential', '-o', 'APT::Get::AutomaticRemove=true'] : [];
}

const aptConfigPath = '/run/fgimage/apt.conf';
const sourcesPath = '/run/fgimage/sources.list';
const repositoryPath = '/run/fgimage/repository';

/** apt.conf(5) of the image's apt in a build; bound into the sandbox, so that nothing of it stays. */
const aptConfig = `
APT::Install-Recommends "false";
APT::Sandbox::User "";
APT::Keep-Downloaded-Packages "true";
APT::Get::Assume-Yes "true";
APT::Color "false";
Dir::Cache::pkgcache "/run/fgimage/cache/pkgcache.bin";
Dir::Cache::srcpkgcache "/run/fgimage/cache/srcpkgcache.bin";
Dir::Log::Terminal "";
Dir::Etc::SourceList "${sourcesPath}";
Dir::Etc::SourceParts "/dev/null";
DPkg::Path "/run/fgimage/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
DPkg::Options { "--force-unsafe-io"; "--force-confdef"; "--force-confold"; };
Dpkg::Use-Pty "false";
Debug::NoLocking "true";
#clear DPkg::Post-Invoke;
#clear APT::Update::Post-Invoke;
`;

/** Where apt finds packages: the lists that it reads, and the sources that they are of. */
interface PackageSource {
  readonly lists: Bind;
  readonly sourceFile: string;
  /** Further folders that it reads. */
  readonly binds: readonly Bind[];
  /** The packages themselves, where they are at hand. */
  readonly pool: string;
}

/** The lists of an archive stage, or a repository of exactly what the lock names. */
async function packageSource(
  context: StageContext,
  request: AptRequest,
  locked: LockedInstall | undefined,
): Promise<Result<PackageSource, StageFailure>> {
  if (locked === undefined) {
    const {path} = requiredInput(context, request.archive);
    const lists: Bind = {source: join(path, 'lists'), path: '/var/lib/apt/lists', kind: 'dir', mode: 'ro'};
    return ok({lists, sourceFile: join(path, sourcesFile), binds: [], pool: ''});
  }
  const made = await makeRepository(context, locked);
  if (!made.ok) return made;
  const {folder, pool, sourceLine} = made.value;
  const lists = join(context.work, 'lists');
  mkdirSync(join(lists, 'partial'), {recursive: true});
  return ok({
    lists: {source: lists, path: '/var/lib/apt/lists', kind: 'dir', mode: 'rw'},
    sourceFile: scratchFile(context, 'sources.list', sourceLine(repositoryPath)),
    binds: [{source: folder, path: repositoryPath, kind: 'dir', mode: 'ro'}],
    pool,
  });
}

/** The lists of a repository of our own are read first; those of an archive were, by its stage. */
const resolveScript = `
[ "$0" = ask ] || apt-get -c ${aptConfigPath} -qq update || exit
exec "$@"
`;

function aptBinds(
  context: StageContext,
  {lists, sourceFile, binds, archives}: PackageSource & {readonly archives: string},
): readonly Bind[] {
  const cache = join(context.work, 'apt-cache');
  mkdirSync(cache, {recursive: true});
  return [
    lists,
    ...binds,
    {source: sourceFile, path: sourcesPath, kind: 'file', mode: 'ro'},
    {source: archives, path: '/var/cache/apt/archives', kind: 'dir', mode: 'rw'},
    {
      source: join(packageRoot, 'src/sandbox/shims/ssh-keygen'),
      path: '/run/fgimage/shims/ssh-keygen',
      kind: 'file',
      mode: 'ro',
    },
    {source: cache, path: '/run/fgimage/cache', kind: 'dir', mode: 'rw'},
    {source: scratchFile(context, 'apt.conf', aptConfig), path: aptConfigPath, kind: 'file', mode: 'ro'},
  ];
}

/** A .deb that apt wants: a line of `apt-get --print-uris`. */
export interface NeededPackage {
  readonly uri: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Reads `'uri' file size SHA256:digest`; undefined for any other line. */
export function parsePrintUri(line: string): NeededPackage | undefined {
  const found = /^'(?<uri>[^']+)' (?<fileName>\S+) (?<size>\d+) SHA256:(?<sha256>[0-9a-f]{64})$/.exec(
    line,
  )?.groups;
  if (found === undefined) return undefined;
  const {uri, fileName, size, sha256} = found as {
    uri: string;
    fileName: string;
    size: string;
    sha256: string;
  };
  return {uri, fileName, sizeBytes: Number(size), sha256};
}

/** Reads a line of APT::Status-Fd (apt's README.progress-reporting): `pmstatus:package:percent:message`. */
export function parseStatus(line: string): {message: string; fraction: number} | undefined {
  const found = /^(?:pm|dl)status:[^:]*(?::[^:]*)?:(?<percent>[\d.]+):(?<message>.*)$/.exec(line)?.groups as
    | {percent: string; message: string}
    | undefined;
  return found === undefined ? undefined : {message: found.message, fraction: Number(found.percent) / 100};
}

/** Brings packages into the shared cache, each verified by its SHA-256, and links them into `archives`. */
async function fetchPackages(
  context: StageContext,
  needed: readonly NeededPackage[],
  archives: string,
): Promise<Result<unknown, StageFailure>> {
  return bringDebs(needed.map(wantedDeb), {
    packages: context.store.layout.packages,
    work: context.work,
    offline: context.offline,
    remote: context.remotePackages,
    into: archives,
    mend: 'The archive has moved on since its package lists were read: run the build with --refresh',
    log: context.log,
    signal: context.signal,
    progress: context.progress,
    warn: context.warn,
  });
}

/** What apt wants, with name, version and architecture from the name that apt gives the file. */
function wantedDeb({uri, fileName, sizeBytes, sha256}: NeededPackage): WantedDeb {
  const [name = fileName, version = '', architecture = ''] = fileName.replace(/\.deb$/, '').split('_');
  return {
    name,
    version: version.replaceAll('%3a', ':'),
    architecture,
    fileName,
    sizeBytes,
    sha256,
    uris: [uri],
    snapshotUris: [],
  };
}

/** Links every package of the shared cache into a folder that apt fills up, as mmdebstrap resolves by itself. */
export function linkCachedPackages(cache: string, archives: string): void {
  for (const name of readdirSync(cache)) {
    if (name.endsWith('.deb')) linkOver(join(cache, name), join(archives, name));
  }
}

/** Takes what apt fetched into the shared cache. */
export function keepPackages(archives: string, cache: string): void {
  for (const name of readdirSync(archives)) {
    if (name.endsWith('.deb')) linkOver(join(archives, name), join(cache, basename(name)));
  }
}

function linkOver(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    // gc may have taken a package that nobody was using; apt, or the stage, then fetches it.
    if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error;
  }
}
