import {existsSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import {isErrno} from '../src/errors.ts';
import {type SummarizeOptions, sha256, summarizeTree, type TreeSummary} from './tree.ts';
import {listXattrs} from './xattrs.ts';

/** What is wrong with an object in the cache. */
export type ObjectProblem =
  | {readonly problem: 'missing'}
  /** The manifest is not the one that the object is named after. */
  | {readonly problem: 'manifest'}
  /** Paths that are not as the manifest has them, the first few; how many in all. */
  | {readonly problem: 'content'; readonly paths: readonly string[]; readonly count: number}
  /** The files are shorter or longer than they were, all together. */
  | {readonly problem: 'size'}
  /** The disk does not give the bytes. */
  | {readonly problem: 'unreadable'; readonly message: string};

/** Reads an object anew and compares it with its manifest; undefined when it is what it was. */
export async function checkObject(object: string, digest: string): Promise<ObjectProblem | undefined> {
  try {
    if (!existsSync(object)) return {problem: 'missing'};
    const manifest = readFileSync(join(object, 'manifest'), 'utf8');
    if (sha256(manifest) !== digest) return {problem: 'manifest'};
    const tree = join(object, 'tree');
    if (!existsSync(tree)) return {problem: 'missing'};
    const xattrs = await listXattrs(tree);
    const summary = await summarizeInWorker({tree, xattrs});
    return summary.digest === digest ? undefined : differences(manifest, summary.manifest);
  } catch (error) {
    return expectedProblem(error);
  }
}

/**
 * The same without reading files: only what lstat(2) tells of each path is compared with the manifest, and the length
 * of all files with `sizeBytes`. Bytes that changed in place go unnoticed.
 */
export function skimObject(
  object: string,
  {digest, sizeBytes}: {digest: string; sizeBytes: number},
): ObjectProblem | undefined {
  try {
    if (!existsSync(object)) return {problem: 'missing'};
    const manifest = readFileSync(join(object, 'manifest'), 'utf8');
    if (sha256(manifest) !== digest) return {problem: 'manifest'};
    const summary = summarizeTree(join(object, 'tree'), {skim: true});
    // Of a file, type, mode, owner and time; extended attributes are read by checkObject only.
    const shown = manifest.replaceAll(
      /^(?:(f(?: \S+){4}) \S+|(\S+(?: \S+){5})) \S+ /gm,
      (_, file?: string, other?: string) => (file === undefined ? `${other ?? ''} - ` : `${file} - - `),
    );
    if (shown !== summary.manifest) return differences(shown, summary.manifest);
    return summary.sizeBytes === sizeBytes ? undefined : {problem: 'size'};
  } catch (error) {
    return expectedProblem(error);
  }
}

/** What an error of the file system says of an object; any other is thrown. */
function expectedProblem(error: unknown): ObjectProblem {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return {problem: 'missing'};
  if (isErrno(error, 'EIO', 'EUCLEAN', 'ESTALE')) {
    return {problem: 'unreadable', message: error instanceof Error ? error.message : ''};
  }
  // Of the program that lists extended attributes: it ends with a number and says why.
  if (error instanceof Error && 'stderr' in error && typeof error.stderr === 'string')
    return {problem: 'unreadable', message: error.stderr.trim()};
  throw error;
}

/** The problem in words: `usr/bin/jq and 2 more are not what they were`. */
export function problemText(problem: ObjectProblem): string {
  switch (problem.problem) {
    case 'missing':
      return 'a part of it is missing';
    case 'manifest':
      return 'its manifest is not what it was';
    case 'content': {
      const [first = '', ...rest] = problem.paths;
      const more = problem.count - 1;
      if (more === 0) return `${first} is not what it was`;
      return more === 1 && rest[0] !== undefined
        ? `${first} and ${rest[0]} are not what they were`
        : `${first} and ${String(more)} more are not what they were`;
    }
    case 'size':
      return 'its files have not the size that they had';
    case 'unreadable':
      return `it cannot be read: ${problem.message}`;
  }
}

function differences(before: string, now: string): ObjectProblem {
  const pathOf = (line: string): string => line.slice(line.lastIndexOf(' ') + 1);
  const [old, fresh] = [before, now].map((text) => new Set(text.split('\n').filter(Boolean)));
  const changed = [
    ...[...(old ?? [])].filter((line) => fresh?.has(line) !== true),
    ...[...(fresh ?? [])].filter((line) => old?.has(line) !== true),
  ];
  const paths = [...new Set(changed.map(pathOf))].sort();
  return {problem: 'content', paths: paths.slice(0, 5).map(decodePath), count: paths.length};
}

/** As far as it is text: manifests escape bytes, not characters. */
function decodePath(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

interface SummarizeJob extends SummarizeOptions {
  readonly tree: string;
}

/** Digests a tree beside the event loop: a base is 10,000 files and 250 MB. */
export function summarizeInWorker(job: SummarizeJob): Promise<TreeSummary> {
  const {tree, ...options} = job;
  const script = new URL('./tree-worker.js', import.meta.url);
  if (!existsSync(script) || statSync(tree).nlink < 3) return Promise.resolve(summarizeTree(tree, options));
  return new Promise((resolve, reject) => {
    const worker = new Worker(script, {workerData: job});
    worker.once('message', (summary: TreeSummary) => resolve(summary));
    worker.once('error', reject);
  });
}
