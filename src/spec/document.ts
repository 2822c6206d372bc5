import {type Document, Lexer, type Node, parseDocument, type YAMLError} from 'yaml';
import {fail, ok, type Result} from '../result.ts';
import {type Diagnostic, diagnosticAt} from './diagnostic.ts';
import {positionOf, type SourceFile} from './source.ts';

/** The yaml package, held to what a spec may use: its options, its limits and its messages. */
const mostSyntaxErrors = 10;

/** Reads the text as one YAML 1.2 document, core schema; `deepest` is the most levels of nesting. */
export function composeDocument(
  source: SourceFile,
  deepest: number,
): Result<Node | null, readonly Diagnostic[]> {
  const deep = deepToken(source.text, deepest);
  if (deep !== undefined) return fail([at(source, [deep, deep + 1], nestedTooDeep(deepest))]);
  const document = parse(source);
  if (document === undefined) return fail([at(source, [0, 1], nestedTooDeep(deepest))]);
  const errors = [...document.errors, ...document.warnings].slice(0, mostSyntaxErrors);
  if (errors.length > 0) return fail(errors.map((error) => syntaxDiagnostic(source, error)));
  const {explicit, version} = document.directives.yaml;
  if (explicit === true && version !== '1.2') {
    const message = `The file says that it is YAML ${version}, a spec is YAML 1.2`;
    return fail([at(source, [0, source.text.length], {message, hint: 'Remove the %YAML line'})]);
  }
  return ok(document.contents);
}

export function nestedTooDeep(deepest: number): {readonly message: string; readonly hint: string} {
  return {
    message: `Values are nested more than ${deepest} deep`,
    hint: 'No key of a spec needs that: remove the nesting',
  };
}

function at(
  source: SourceFile,
  [start, end]: readonly [number, number],
  text: {readonly message: string; readonly hint: string},
): Diagnostic {
  return diagnosticAt(positionOf({source, start, end}), text);
}

/**
 * Offset of the bracket, or of the dash in a row of them, that opens one level too many. The parser calls itself for
 * each, so this is found before it runs; the short look at the text spares ordinary specs the lexer.
 */
function deepToken(text: string, deepest: number): number | undefined {
  if ((text.match(/[[{]/g) ?? []).length <= deepest && !/([-?:][ \t]+){32}/.test(text)) return undefined;
  let offset = 0;
  let open = 0;
  let row = 0;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    const mark = controlTokens.has(token);
    if (!mark && !scalar) {
      if (token === '[' || token === '{') open += 1;
      if (token === ']' || token === '}') open -= 1;
      if (token === '-' || token === '?') row += 1;
      else if (!/^[ \t]+$/.test(token)) row = 0;
      if (open > deepest || row > deepest) return offset;
    }
    scalar = token === '\u001f';
    if (!mark) offset += token.length;
  }
  return undefined;
}

/** What the lexer says about the text instead of quoting it: byte order mark, document, flow end, scalar. */
const controlTokens = new Set(['\u0002', '\u0018', '\u001f', '\ufeff']);

function parse(source: SourceFile): Document.Parsed | undefined {
  try {
    const document = parseDocument(source.text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      strict: true,
      prettyErrors: false,
      resolveKnownTags: false,
      // 'silent' would hide a second document.
      logLevel: 'error',
    });
    return document.errors.some(({message}) => message.includes('call stack')) ? undefined : document;
  } catch (error) {
    // The composer calls itself for each level; only nesting by the thousand ends here, thrown or as an error.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const syntaxMends: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'Write the alias alone: `*name`',
  BAD_ALIAS: 'Name an anchor that stands above: `&name` there, `*name` here',
  BAD_INDENT: 'Indent with spaces, the same number for all keys of one mapping',
  BAD_SCALAR_START: 'Put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'Put a value that holds `: ` in quotes, or start it on a line of its own',
  MISSING_CHAR: 'Close the quote or bracket; a value that begins with one goes in quotes',
  MULTILINE_IMPLICIT_KEY: 'Write `key: value` on one line',
  MULTIPLE_DOCS: 'Remove the `---` line: a spec is one document',
  TAB_AS_INDENT: 'Indent with spaces',
  TAG_RESOLVE_FAILED: 'Remove the tag: a spec holds only text, numbers, true, false, lists and mappings',
};

function syntaxDiagnostic(source: SourceFile, {code, message, pos}: YAMLError): Diagnostic {
  const start = Math.min(pos[0], source.text.length);
  const mend = message.startsWith('Flow ') ? syntaxMends['MISSING_CHAR'] : syntaxMends[code];
  return at(source, [start, Math.max(pos[1], start + 1)], {
    message:
      code === 'MULTIPLE_DOCS' ? 'The file holds several YAML documents' : `Not valid YAML: ${message}`,
    hint: mend ?? 'Put a value with special characters in quotes and check the indentation',
  });
}
