import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {summarizeTree} from '../../cache/tree.ts';
import {type Bytes, FileBytes, firstDifference, hexLine, stretch} from './bytes.ts';
import {compressionOf, decompress, succeeds} from './compression.ts';
import {compressedRest} from './cpio.ts';
import {diffTrees, type EntryDifference, parseManifest} from './manifests.ts';
import {formatOf, placeIn} from './place.ts';

/** Where two files begin to differ. */
export interface FileDifference {
  /** Of the first byte that differs. */
  readonly offset: number;
  readonly sizes: Sides<number>;
  /** What lies there, the format first, as in the first file; empty where nothing is known of it. */
  readonly place: readonly string[];
  /** The bytes around it, as hexdump(1) shows them. */
  readonly bytes: Sides<string>;
  /** Where both are text: the line that differs. */
  readonly line?: {readonly number: number} & Sides<string>;
  /** What the files hold, compared, where they are packed. */
  readonly inside?: InsideDifference;
}

interface Sides<Value> {
  readonly a: Value;
  readonly b: Value;
}

export interface InsideDifference {
  /** In words: `the virtual disk`, `what is compressed with zstd`, `the tree`. */
  readonly what: string;
  /** The first difference of content that is one file … */
  readonly file?: FileDifference;
  /** … or the first of a tree's, and how many there are. */
  readonly entries?: readonly EntryDifference[];
  readonly count?: number;
  /** Of the first file of a tree that differs in content. */
  readonly content?: {readonly path: string; readonly difference: FileDifference};
}

export interface CompareOptions {
  /** A folder for what has to be unpacked; what is made in it is removed. */
  readonly work: string;
  readonly signal: AbortSignal;
}

/** The first difference of two files; undefined where every byte is the same. Throws what the file system throws. */
export async function compareFiles(
  a: string,
  b: string,
  options: CompareOptions,
): Promise<FileDifference | undefined> {
  using left = new FileBytes(a);
  using right = new FileBytes(b);
  const offset = firstDifference(left, right);
  if (offset === undefined) return undefined;
  const scratch = mkdtempSync(join(options.work, 'compare-'));
  try {
    const inside = await compareInside({left, right}, offset, {...options, work: scratch});
    const line = differingLine(left, right);
    return {
      offset,
      sizes: {a: left.size, b: right.size},
      // Where the first ends, the second tells what follows.
      place: placeIn(offset < left.size ? left : right, offset),
      bytes: {a: hexLine(left, offset), b: hexLine(right, offset)},
      ...(line === undefined ? {} : {line}),
      ...(inside === undefined ? {} : {inside}),
    };
  } finally {
    rmSync(scratch, {recursive: true, force: true});
  }
}

interface Pair {
  readonly left: FileBytes;
  readonly right: FileBytes;
}

/** What two files hold that are packed in the same way. */
async function compareInside(
  {left, right}: Pair,
  offset: number,
  options: CompareOptions,
): Promise<InsideDifference | undefined> {
  const format = formatOf(left);
  if (format === undefined || format === formatOf(right)) {
    if (format === 'qcow2') return compareDisks({left, right}, options);
    if (format === 'squashfs') return compareSquashed({left, right}, options);
    if (format === undefined || format === 'gzip') return comparePacked({a: left, b: right}, options);
    if (format === 'cpio') return compareRest({left, right}, offset, options);
  }
  return undefined;
}

async function comparePacked(
  {a, b}: Sides<Bytes>,
  options: CompareOptions,
): Promise<InsideDifference | undefined> {
  const compression = compressionOf(a.read(0, 8));
  if (compression === undefined || compression !== compressionOf(b.read(0, 8))) return undefined;
  const [first, second] = [join(options.work, 'a'), join(options.work, 'b')];
  for (const [bytes, to] of [
    [a, first],
    [b, second],
  ] as const)
    if (!(await decompress(bytes, compression, {to, signal: options.signal}))) return undefined;
  return insideFile(`what is compressed with ${compression}`, {a: first, b: second}, options);
}

/** The compressed archive behind those of an initial RAM disk that are not. */
async function compareRest(
  {left, right}: Pair,
  offset: number,
  options: CompareOptions,
): Promise<InsideDifference | undefined> {
  const [first, second] = [compressedRest(left), compressedRest(right)];
  if (first === undefined || second === undefined || offset < first.start) return undefined;
  return comparePacked(
    {a: stretch(left, first.start, left.size), b: stretch(right, second.start, right.size)},
    options,
  );
}

async function compareDisks(
  {left, right}: Pair,
  options: CompareOptions,
): Promise<InsideDifference | undefined> {
  const [a, b] = [join(options.work, 'a.raw'), join(options.work, 'b.raw')];
  for (const [{origin}, to] of [
    [left, a],
    [right, b],
  ] as const) {
    const words = ['convert', '-f', 'qcow2', '-O', 'raw', origin.path, to];
    if (!(await succeeds('qemu-img', words, {signal: options.signal}))) return undefined;
  }
  return insideFile('the virtual disk', {a, b}, options);
}

async function insideFile(
  what: string,
  {a, b}: Sides<string>,
  options: CompareOptions,
): Promise<InsideDifference> {
  const file = await compareFiles(a, b, options);
  return {what, ...(file === undefined ? {} : {file})};
}

/** Extended attributes and devices need more rights than this has: they are left out. */
async function compareSquashed(
  {left, right}: Pair,
  options: CompareOptions,
): Promise<InsideDifference | undefined> {
  const [a, b] = [join(options.work, 'a'), join(options.work, 'b')];
  for (const [{origin}, to] of [
    [left, a],
    [right, b],
  ] as const) {
    await succeeds('unsquashfs', ['-q', '-n', '-no-xattrs', '-d', to, origin.path], {signal: options.signal});
    if (!existsSync(to)) return undefined;
  }
  const trees = [a, b].map((folder) => parseManifest(summarizeTree(folder).manifest));
  const [before = new Map(), after = new Map()] = trees;
  return {what: 'the tree', ...(await describeTrees({before, after}, {a, b}, options))};
}

/** How many differences of a tree are told. */
const toldEntries = 20;

/** The first differences of two trees, and where the first file begins to differ whose content does. */
export async function describeTrees(
  trees: {readonly before: Parameters<typeof diffTrees>[0]; readonly after: Parameters<typeof diffTrees>[1]},
  {a, b}: Sides<string>,
  options: CompareOptions,
): Promise<Required<Pick<InsideDifference, 'entries' | 'count'>> & Pick<InsideDifference, 'content'>> {
  const entries = diffTrees(trees.before, trees.after);
  const first = entries.find(
    (entry) => entry.change === 'changed' && entry.fields.some(({field}) => field === 'content'),
  );
  const told = {entries: entries.slice(0, toldEntries), count: entries.length};
  if (first === undefined) return told;
  const paths = [join(a, first.path), join(b, first.path)] as const;
  if (!paths.every((path) => existsSync(path))) return told;
  const difference = await compareFiles(...paths, options);
  return {...told, ...(difference === undefined ? {} : {content: {path: first.path, difference}})};
}

const mostTextBytes = 4 << 20;
const mostLineLength = 400;

/** The first line in which two texts differ; undefined where either is no text, or a very long one. */
function differingLine(left: FileBytes, right: FileBytes): FileDifference['line'] {
  const sides = [left, right].map((bytes) => textLines(bytes));
  const [a, b] = sides;
  if (a === undefined || b === undefined) return undefined;
  const index = a.findIndex((line, at) => line !== b[at]);
  const at = index === -1 ? a.length : index;
  const shown = (line: string | undefined): string => (line ?? '(no such line)').slice(0, mostLineLength);
  return {number: at + 1, a: shown(a[at]), b: shown(b[at])};
}

function textLines({size, origin}: FileBytes): readonly string[] | undefined {
  if (size > mostTextBytes) return undefined;
  const content = readFileSync(origin.path);
  return content.includes(0) ? undefined : content.toString('utf8').split('\n');
}
