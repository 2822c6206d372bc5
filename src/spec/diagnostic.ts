/**
 * What is wrong with a spec, and where. A diagnostic holds everything that is needed to print it, the source line
 * included, so that it can be kept, sent as JSON or printed later without reading the file again.
 */

/** A stretch of one line of a spec file. Lines and columns count from 1. */
export interface Position {
  /** As shown to the user: relative to the working folder where the file lies below it. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Characters to underline, at least 1, never beyond the line. */
  readonly length: number;
  /** The source line. */
  readonly excerpt: string;
}

export interface Diagnostic extends Position {
  readonly severity: 'error' | 'warning';
  /** The reason: what is wrong, what was found, what is wanted. */
  readonly message: string;
  /** The mend: what the user can write instead. */
  readonly hint: string;
  /** The value here may be a secret: the excerpt ends where it begins. */
  readonly secret?: true;
}

export interface DiagnosticOptions {
  readonly severity?: 'error' | 'warning';
  /** The value may be a secret: the excerpt ends where it begins. */
  readonly secret?: boolean;
}

/** A diagnostic at a position, e.g. one that `LoadedSpec.locate` gave. */
export function diagnosticAt(
  position: Position,
  {message, hint}: {readonly message: string; readonly hint: string},
  {severity = 'error', secret = false}: DiagnosticOptions = {},
): Diagnostic {
  const {file, line, column, length, excerpt} = position;
  const diagnostic: Diagnostic = {severity, file, line, column, length, message, hint, excerpt};
  return secret ? {...hideFrom(diagnostic, column), secret} : diagnostic;
}

function hideFrom(diagnostic: Diagnostic, column: number): Diagnostic {
  const length = Math.max(1, Math.min(diagnostic.length, column - diagnostic.column));
  return {...diagnostic, length, excerpt: `${diagnostic.excerpt.slice(0, column - 1)}…`};
}

/**
 * By file in the order in which the files were read, then by line, column and text; each once. A secret is hidden in
 * everything that is said about its line.
 */
export function sortDiagnostics(diagnostics: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const rank = new Map(files.map((file, index) => [file, index]));
  const unique = new Map(
    diagnostics.map((one) => [[one.file, one.line, one.column, one.message].join('\0'), one]),
  );
  const sorted = [...unique.values()].sort(
    (a, b) =>
      (rank.get(a.file) ?? files.length) - (rank.get(b.file) ?? files.length) ||
      a.line - b.line ||
      a.column - b.column ||
      (a.message < b.message ? -1 : 1),
  );
  const secrets = new Map<string, number>();
  for (const {secret, file, line, column} of sorted.toReversed()) {
    if (secret === true) secrets.set(`${line}:${file}`, column);
  }
  return sorted.map((one) => {
    const column = secrets.get(`${one.line}:${one.file}`);
    return column === undefined ? one : hideFrom(one, column);
  });
}

const widestExcerpt = 160;
const contextBefore = 60;

/**
 * Prints one diagnostic as `file:line:column: error: reason`, the source line, a line of carets below what is meant,
 * and `mend: …`, without a trailing line break. Control characters of the file are shown as `·`, long lines are cut.
 */
export function formatDiagnostic(
  diagnostic: Diagnostic,
  {color = false}: {readonly color?: boolean} = {},
): string {
  const paint = (code: string, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const {file, line, column, severity} = diagnostic;
  const tone = severity === 'error' ? '1;31' : '1;33';
  const where = paint('1', `${printable(file)}:${line}:${column}:`);
  const lines = [`${where} ${paint(tone, `${severity}:`)} ${printable(diagnostic.message)}`];
  if (diagnostic.excerpt.trim() !== '') {
    const {text, offset, length} = excerptWindow(diagnostic);
    lines.push(
      `  ${text}`,
      `  ${text.slice(0, offset).replaceAll(/[^\t]/g, ' ')}${paint(tone, '^'.repeat(length))}`,
    );
  }
  lines.push(`  ${paint('36', 'mend:')} ${printable(diagnostic.hint)}`);
  return lines.join('\n');
}

const mostPrinted = 100;

/** Diagnostics with a blank line between them, at most 100, then how many errors there are. */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: {readonly color?: boolean} = {},
): string {
  const errors = diagnostics.filter(({severity}) => severity === 'error').length;
  const printed = diagnostics
    .slice(0, mostPrinted)
    .map((diagnostic) => formatDiagnostic(diagnostic, options));
  const hidden = diagnostics.length - printed.length;
  const more = hidden > 0 ? `, ${hidden} not shown` : '';
  if (errors > 0) printed.push(`${errors} ${errors === 1 ? 'error' : 'errors'}${more}`);
  return printed.join('\n\n');
}

/** Untrusted text made fit for a message: quoted, cut, without control characters. */
export function quote(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const cut = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(cut);
}

function excerptWindow({excerpt, column, length}: Position): {text: string; offset: number; length: number} {
  const offset = Math.min(column - 1, excerpt.length);
  const room = Math.max(1, Math.min(length, excerpt.length - offset));
  if (excerpt.length <= widestExcerpt) return {text: printable(excerpt), offset, length: room};
  const start = Math.max(0, offset - contextBefore);
  const end = Math.min(excerpt.length, start + widestExcerpt);
  const head = start > 0 ? '…' : '';
  const tail = end < excerpt.length ? '…' : '';
  return {
    text: printable(`${head}${excerpt.slice(start, end)}${tail}`),
    offset: offset - start + head.length,
    length: Math.max(1, Math.min(room, end - offset)),
  };
}

/** One character for one, so that the carets stay where they belong. A tab stays a tab. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (found) =>
    found === '\t' ? found : '·'.repeat(found.length),
  );
}
