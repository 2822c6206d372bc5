import {existsSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync} from 'node:fs';
import {basename, join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {isErrno} from '../errors.ts';
import {packageRoot} from '../package-root.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {runProcess} from '../sandbox/process.ts';
import type {Bind} from '../sandbox/sandbox.ts';
import {hostAptOptions, hostEnvironment, tied} from './host-command.ts';
import {requiredInput} from './inputs.ts';
import type {StageContext} from './stage.ts';
import {commandResult, runInTree, scratchFile} from './tree.ts';

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
  if (request.install.length === 0 && request.remove.length === 0)
    return ok({known: context.isKnown({packages: []}, request.archive)});
  const archives = join(context.work, 'archives');
  mkdirSync(join(archives, 'partial'), {recursive: true});
  const binds = aptBinds(context, {archive: request.archive, archives});
  const words = [...request.install, ...request.remove.map((name) => `${name}-`)];

  context.progress('Resolving packages');
  const needed: NeededPackage[] = [];
  const resolved = await runInTree(context, {
    command: [
      'apt-get',
      '-c',
      aptConfigPath,
      '-qq',
      '--print-uris',
      '-o',
      'Acquire::ForceHash=SHA256',
      ...removalOptions(request),
      'install',
      '--',
      ...words,
    ],
    binds,
    onLine: (line) => {
      const found = parsePrintUri(line);
      if (found !== undefined) needed.push(found);
      return found === undefined;
    },
    hint: 'A package that is not known is misspelt, or in another release or component: add its archive under repositories',
  });
  if (!resolved.ok) return resolved;

  const packages = needed.map(({fileName, sha256}) => `${fileName} ${sha256}`).sort();
  if (context.isKnown({packages}, request.archive)) return ok({known: true});

  const fetched = await fetchPackages(context, needed, archives);
  if (!fetched.ok) return fetched;

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
DPkg::Path "/run/fgimage/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
DPkg::Options { "--force-unsafe-io"; "--force-confdef"; "--force-confold"; };
Dpkg::Use-Pty "false";
Debug::NoLocking "true";
#clear DPkg::Post-Invoke;
#clear APT::Update::Post-Invoke;
`;

function aptBinds(
  context: StageContext,
  {archive, archives}: {archive: string; archives: string},
): readonly Bind[] {
  const cache = join(context.work, 'apt-cache');
  mkdirSync(cache, {recursive: true});
  return [
    {
      source: join(requiredInput(context, archive).path, 'lists'),
      path: '/var/lib/apt/lists',
      kind: 'dir',
      mode: 'ro',
    },
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

/** Brings packages from the shared cache, or from the archive into it, each verified by its SHA-256, into `archives`. */
async function fetchPackages(
  context: StageContext,
  needed: readonly NeededPackage[],
  archives: string,
): Promise<Result<void, StageFailure>> {
  const cache = context.store.layout.packages;
  for (;;) {
    for (const {fileName, sha256} of needed) {
      if (isCached(join(cache, fileName), sha256)) linkOver(join(cache, fileName), join(archives, fileName));
    }
    const missing = needed.filter(({fileName}) => !existsSync(join(archives, fileName)));
    if (missing.length === 0) return ok(undefined);
    const downloaded = await download(context, missing);
    if (!downloaded.ok) return downloaded;
  }
}

/** A cached package whose bytes have changed is set aside and fetched again. */
function isCached(path: string, sha256: string): boolean {
  if (!existsSync(path)) return false;
  if (digestFile(path) === sha256) return true;
  rmSync(path, {force: true});
  return false;
}

async function download(
  context: StageContext,
  missing: readonly NeededPackage[],
): Promise<Result<void, StageFailure>> {
  const folder = join(context.work, 'download');
  mkdirSync(folder, {recursive: true});
  const total = missing.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
  const sizes = new Map(missing.map(({uri, sizeBytes}) => [uri, sizeBytes]));
  let done = 0;
  const report = (): void =>
    context.progress(
      `Downloading ${megabytes(done)} of ${megabytes(total)} MB`,
      total === 0 ? 1 : done / total,
    );
  report();
  const triples = missing.flatMap(({uri, fileName, sha256}) => [
    uri,
    join(folder, fileName),
    `SHA256:${sha256}`,
  ]);
  const outcome = await runProcess(
    tied(
      '/usr/lib/apt/apt-helper',
      ...hostAptOptions(join(context.work, 'apt')),
      'download-file',
      ...triples,
    ),
    {
      env: hostEnvironment(),
      log: context.log,
      signal: context.signal,
      onLine: (line) => {
        const uri = /^Get:\d+ (\S+)/.exec(line)?.[1];
        if (uri !== undefined) {
          done += sizes.get(uri) ?? 0;
          report();
        }
        return true;
      },
    },
  );
  const gone = context.log.lastLines.some((line) => /404 +Not Found/.test(line));
  const result = commandResult(context, {
    outcome,
    shown: ['apt-helper', 'download-file', `(${String(missing.length)} packages)`],
    hint: gone
      ? 'The archive has moved on since its package lists were read: run the build with --refresh'
      : 'Check that the archive can be reached from this host, then run the build again: what was fetched is kept',
  });
  for (const name of readdirSync(folder)) {
    const known = missing.find(({fileName}) => fileName === name);
    const path = join(folder, name);
    // A partial download has another digest; apt-helper verified the others already.
    if (known !== undefined && digestFile(path) === known.sha256)
      renameSync(path, join(context.store.layout.packages, name));
  }
  return result.ok ? ok(undefined) : fail(result.error);
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

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
