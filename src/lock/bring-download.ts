import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {type CommandLog, runProcess} from '../sandbox/process.ts';
import {hostAptOptions, hostEnvironment, tied} from '../stages/host-command.ts';

/** A file to download, and what it has to be. */
export interface Download {
  readonly uri: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface DownloadOptions {
  /** Private scratch folder on the file system of the cache. */
  readonly work: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
  /** Told now and then how many bytes of these downloads have come. */
  readonly onBytes: (bytes: number) => void;
}

/** `path`: the verified bytes, a file that is the caller's now. */
export type Downloaded =
  | {readonly state: 'done'; readonly path: string}
  /** `differs`: there are bytes of another digest at that place. `gone`: nothing. `failed`: it does not answer so. */
  | {readonly state: 'differs' | 'gone' | 'failed'; readonly why: string};

/**
 * Downloads files by the host's apt (`apt-helper download-file`), which knows the host's proxies and credentials and
 * compares the digests; gives what became of each, in order. One that fails does not keep the others. What is larger
 * than it has to be is broken off.
 */
export async function downloadFiles(
  wanted: readonly Download[],
  options: DownloadOptions,
): Promise<readonly Downloaded[]> {
  const folder = join(options.work, 'download');
  const results: Downloaded[] = [];
  for (let start = 0; start < wanted.length; start += mostAtOnce) {
    rmSync(folder, {recursive: true, force: true});
    mkdirSync(folder, {recursive: true});
    results.push(...(await downloadSome(wanted.slice(start, start + mostAtOnce), folder, options)));
  }
  return results;
}

/** An argument vector has its limits (execve(2)). */
const mostAtOnce = 500;
const watchMs = 300;

async function downloadSome(
  wanted: readonly Download[],
  folder: string,
  options: DownloadOptions,
): Promise<readonly Downloaded[]> {
  const kept = join(options.work, 'downloaded');
  mkdirSync(kept, {recursive: true});
  const tooLarge = new Set<string>();
  let left = wanted;
  let done = 0;
  const reasons = new Map<string, string>();
  // More than once only where a file had to be broken off: the others go on without it.
  for (;;) {
    const stop = new AbortController();
    const signal = AbortSignal.any([options.signal, stop.signal]);
    const watch = setInterval(() => {
      const sizes = left.map((one) => sizeOf(join(folder, one.sha256)));
      options.onBytes(done + sizes.reduce((sum, size) => sum + size, 0));
      const grown = left.filter(({sizeBytes}, index) => (sizes[index] ?? 0) > sizeBytes);
      for (const {sha256} of grown) tooLarge.add(sha256);
      if (grown.length > 0) stop.abort();
    }, watchMs);
    try {
      await runHelper(left, folder, {...options, signal, reasons});
    } finally {
      clearInterval(watch);
    }
    if (!stop.signal.aborted || options.signal.aborted) break;
    left = left.filter(({sha256}) => !tooLarge.has(sha256) && !isWhole(join(folder, sha256), sha256));
    done = wanted.reduce(
      (sum, {sha256}) => sum + (tooLarge.has(sha256) ? 0 : sizeOf(join(folder, sha256))),
      0,
    );
    if (left.length === 0) break;
  }
  const results = wanted.map((one): Downloaded => {
    const path = join(folder, one.sha256);
    if (tooLarge.has(one.sha256))
      return {state: 'differs', why: `it is larger than ${String(one.sizeBytes)} bytes`};
    return outcomeOf(one, {path, kept: join(kept, one.sha256), reason: reasons.get(plainUri(one.uri))});
  });
  for (const name of readdirSync(folder)) rmSync(join(folder, name), {force: true});
  return results;
}

async function runHelper(
  wanted: readonly Download[],
  folder: string,
  {work, log, signal, reasons}: DownloadOptions & {readonly reasons: Map<string, string>},
): Promise<void> {
  const fullDisk: string[] = [];
  const triples = wanted.flatMap(({uri, sha256}) => [uri, join(folder, sha256), `SHA256:${sha256}`]);
  await runProcess(
    tied('/usr/lib/apt/apt-helper', ...hostAptOptions(join(work, 'apt')), 'download-file', ...triples),
    {
      env: hostEnvironment(),
      log,
      signal,
      onLine: (line) => {
        const failed = parseFetchError(line);
        if (failed !== undefined) reasons.set(plainUri(failed.uri), failed.reason);
        if (noRoomWords.test(line)) fullDisk.push(line);
        return true;
      },
    },
  );
  const [full] = fullDisk;
  if (full !== undefined) throw Object.assign(new Error(full), {code: 'ENOSPC'});
}

/** What the kernel, apt and quotas say. */
const noRoomWords = /No space left on device|enough free space|Disk quota exceeded/;

/** Reads `E: Failed to fetch <uri>  <reason> [IP: …]`, apt's words at the end of a run. */
export function parseFetchError(line: string): {readonly uri: string; readonly reason: string} | undefined {
  const found = /^[EW]: Failed to fetch (?<uri>\S+) {2}(?<reason>.*?)(?: \[IP: [^\]]*\])?$/.exec(
    line,
  )?.groups;
  const {uri, reason} = found ?? {};
  return uri === undefined || reason === undefined
    ? undefined
    : {uri, reason: reason.replaceAll(/\s+/g, ' ').trim()};
}

/** A URI without the credentials that it may hold: apt leaves them out of what it says, and so do we. */
export function publicUri(uri: string): string {
  return uri.replace(/^([a-z0-9+.-]+:\/\/)[^/@]*@/i, '$1');
}

/** apt escapes other letters of a URI than it was given. */
function plainUri(uri: string): string {
  try {
    return decodeURIComponent(publicUri(uri));
  } catch {
    return uri;
  }
}

function outcomeOf(
  {sizeBytes, sha256}: Download,
  {path, kept, reason}: {readonly path: string; readonly kept: string; readonly reason: string | undefined},
): Downloaded {
  if (isWhole(path, sha256)) {
    // What lies in a folder of this host apt only links to.
    if (lstatSync(path).isSymbolicLink()) copyFileSync(realpathSync(path), kept);
    else renameSync(path, kept);
    return digestFile(kept) === sha256 ? {state: 'done', path: kept} : {state: 'failed', why: 'it changed'};
  }
  const refused = `${path}.FAILED`;
  const other = [refused, path].find((one) => sizeOf(one) > 0 && reason?.includes('Hash Sum') === true);
  if (other !== undefined) {
    const got = digestFile(other);
    const size = sizeOf(other) === sizeBytes ? '' : ` (${sizeOf(other)} bytes instead of ${sizeBytes})`;
    return {state: 'differs', why: `its SHA-256 is ${got}, not ${sha256}${size}`};
  }
  if (reason === undefined) return {state: 'failed', why: 'it did not come; the log says more'};
  return {state: /^404\b|^410\b|^File not found/.test(reason) ? 'gone' : 'failed', why: reason};
}

function isWhole(path: string, sha256: string): boolean {
  return statSync(path, {throwIfNoEntry: false})?.isFile() === true && digestFile(path) === sha256;
}

function sizeOf(path: string): number {
  return lstatSync(path, {throwIfNoEntry: false})?.size ?? 0;
}
