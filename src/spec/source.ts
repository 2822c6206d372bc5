import {createHash} from 'node:crypto';
import {readFile, stat} from 'node:fs/promises';
import {FgError, isErrno} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import {type Diagnostic, diagnosticAt, type Position} from './diagnostic.ts';

/** A spec file as it was read: the one place that turns offsets into lines and columns. */
export interface SourceFile {
  /** As shown to the user. */
  readonly file: string;
  readonly absolute: string;
  readonly text: string;
  readonly sha256: string;
  /** Offset of the first character of each line. */
  readonly lineStarts: readonly number[];
}

/** A stretch of a spec file, as offsets into its text. */
export interface Site {
  readonly source: SourceFile;
  readonly start: number;
  readonly end: number;
}

const largestBytes = 1024 * 1024;

/**
 * Reads a spec file, at most 1 MiB of UTF-8 (a byte order mark is dropped). Gives a diagnostic at the first offending
 * byte where the encoding is another one. Throws `FgError` SPEC_NOT_FOUND where there is no regular file to read.
 */
export async function readSource(absolute: string, file: string): Promise<Result<SourceFile, Diagnostic>> {
  const bytes = await readBytes(absolute, file);
  if (bytes === undefined) {
    const message = `The file is larger than ${largestBytes / 1024 / 1024} MiB`;
    return fail(
      atStart(file, {message, hint: 'Move long contents to files of their own and name them with `source`'}),
    );
  }
  const problem = encodingProblem(bytes);
  if (problem !== undefined) return fail(encodingDiagnostic(file, bytes, problem));
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return ok({file, absolute, text, sha256, lineStarts: lineStartsOf(text)});
}

/** Line, column, length and source line of a site. What spans several lines is cut at the end of its first. */
export function positionOf({source, start, end}: Site): Position {
  const line = lineAt(source.lineStarts, start);
  const lineStart = source.lineStarts[line - 1] ?? 0;
  const next = source.lineStarts[line] ?? source.text.length + 1;
  const excerpt = source.text.slice(lineStart, next - 1).replace(/\r$/, '');
  const last = Math.min(end, lineStart + excerpt.length);
  const shown = source.text.slice(start, last).trimEnd().length;
  return {file: source.file, line, column: start - lineStart + 1, length: Math.max(1, shown), excerpt};
}

async function readBytes(absolute: string, file: string): Promise<Buffer | undefined> {
  try {
    const {size, ...stats} = await stat(absolute).then((found) => ({
      size: found.size,
      isFile: found.isFile(),
    }));
    if (!stats.isFile) {
      throw new FgError('SPEC_NOT_FOUND', `${file} is not a file`, {hint: 'Name the spec with --file'});
    }
    return size > largestBytes ? undefined : await readFile(absolute);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
      const hint = 'Write one (fgimage init), or name it with --file';
      throw new FgError('SPEC_NOT_FOUND', `There is no ${file}`, {hint, cause: error});
    }
    if (isErrno(error, 'EACCES', 'EPERM')) {
      throw new FgError('SPEC_NOT_FOUND', `${file} cannot be read`, {hint: `chmod +r ${file}`, cause: error});
    }
    throw error;
  }
}

interface EncodingProblem {
  readonly offset: number;
  readonly message: string;
}

function encodingProblem(bytes: Buffer): EncodingProblem | undefined {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return {offset: 0, message: 'The file is UTF-16, a spec is UTF-8'};
  }
  const nul = bytes.indexOf(0);
  if (nul !== -1) return {offset: nul, message: 'The file holds a NUL byte: it is not text, or not UTF-8'};
  const odd = firstInvalidUtf8(bytes);
  if (odd !== undefined) return {offset: odd, message: 'The file is not UTF-8'};
  return undefined;
}

function firstInvalidUtf8(bytes: Buffer): number | undefined {
  if (isUtf8(bytes)) return undefined;
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    if (!isUtf8(bytes.subarray(start, end))) break;
    start = end + 1;
  }
  const line = bytes.subarray(start);
  const bad = line.toString('utf8').indexOf('\uFFFD');
  return start + Buffer.byteLength(line.toString('utf8').slice(0, Math.max(0, bad)));
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', {fatal: true}).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function encodingDiagnostic(file: string, bytes: Buffer, {offset, message}: EncodingProblem): Diagnostic {
  const before = bytes.subarray(0, offset).toString('latin1');
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  const hint =
    'Save the file as UTF-8; what is binary goes into a file of its own, or base64 with `encoding: b64`';
  return diagnosticAt({file, line, column, length: 1, excerpt: ''}, {message, hint});
}

function atStart(file: string, text: {readonly message: string; readonly hint: string}): Diagnostic {
  return diagnosticAt({file, line: 1, column: 1, length: 1, excerpt: ''}, text);
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function lineAt(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}
