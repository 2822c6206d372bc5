/**
 * Ruby's words as far as roles and metadata need them. Files of Chef's repository are Ruby programs; what they hold is
 * taken from them only where it stands there as a literal, and nothing is ever run. Whatever is not known becomes an
 * `odd` token, which no reader accepts.
 */
export type Token =
  | {readonly type: 'text'; readonly value: string}
  | {readonly type: 'list'; readonly values: readonly string[]}
  | {readonly type: 'word'; readonly value: string}
  /** `name:`, as a key of a mapping. */
  | {readonly type: 'label'; readonly value: string}
  | {readonly type: 'mark'; readonly value: string}
  | {readonly type: 'end'}
  | {readonly type: 'odd'; readonly value: string};

interface Rule {
  readonly pattern: RegExp;
  readonly token?: (found: RegExpExecArray) => Token;
}

const rules: readonly Rule[] = [
  {pattern: /^=begin\b[\s\S]*?^=end\b.*$/my},
  {pattern: /[ \t\r]+|\\\r?\n/y},
  {pattern: /#.*/y},
  {pattern: /[\n;]/y, token: () => ({type: 'end'})},
  {pattern: /'(?<text>(?:[^'\\]|\\[\s\S])*)'/y, token: (found) => quoted(found, /\\(['\\])/g)},
  {pattern: /"(?<text>(?:[^"\\]|\\[\s\S])*)"/y, token: (found) => quoted(found, /\\(["\\])/g)},
  {
    pattern: /%w(?:\((?<a>[^()\\]*)\)|\[(?<b>[^[\]\\]*)\]|\{(?<c>[^{}\\]*)\}|<(?<d>[^<>\\]*)>)/y,
    token: words,
  },
  {pattern: /(?<word>[A-Za-z_]\w*[?!]?):(?!:)/y, token: label},
  {pattern: /:(?<word>[A-Za-z_]\w*)/y, token: (found) => ({type: 'text', value: group(found, 'word')})},
  {pattern: /-?\d[\d_.]*/y, token: ([value]) => ({type: 'text', value})},
  {pattern: /[A-Za-z_]\w*[?!]?/y, token: ([value]) => ({type: 'word', value})},
  {pattern: /=>|[()[\]{},]/y, token: ([value]) => ({type: 'mark', value})},
  {pattern: /[\s\S]/y, token: ([value]) => ({type: 'odd', value})},
];

const heredoc = /<<[~-]?(?<quote>['"]?)(?<name>[A-Z_a-z]\w*)\k<quote>/y;

export function rubyTokens(source: string): readonly Token[] {
  const text = withoutHeredocs(source);
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    for (const {pattern, token} of rules) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (found === null || found[0] === '') continue;
      if (token !== undefined) tokens.push(token(found));
      at += found[0].length;
      break;
    }
  }
  return tokens;
}

/** The text with `""` for each here-document, whose lines could look like anything. */
function withoutHeredocs(source: string): string {
  const lines: string[] = [];
  const open: string[] = [];
  for (const line of source.split('\n')) {
    const ends = open[0];
    if (ends !== undefined) {
      if (line.trim() === ends) open.shift();
      continue;
    }
    lines.push(
      line.replaceAll(new RegExp(heredoc.source, 'g'), (...found) => {
        const groups = found.at(-1) as Readonly<Record<string, string>>;
        open.push(groups['name'] ?? '');
        return '""';
      }),
    );
  }
  // One that does not end was none.
  return open.length === 0 ? lines.join('\n') : source;
}

function quoted(found: RegExpExecArray, escapes: RegExp): Token {
  const text = group(found, 'text');
  // What a double-quoted text becomes is known only to Ruby where it has `#{…}` or escapes such as \n.
  if (found[0].startsWith('"') && /#[{$@]|\\[^"\\]/.test(text)) return {type: 'odd', value: found[0]};
  return {type: 'text', value: text.replaceAll(escapes, '$1')};
}

function words({groups}: RegExpExecArray): Token {
  const text = Object.values(groups ?? {}).find((one: string | undefined) => one !== undefined) ?? '';
  return {type: 'list', values: text.split(/\s+/).filter((word) => word !== '')};
}

function label(found: RegExpExecArray): Token {
  return {type: 'label', value: group(found, 'word')};
}

function group(found: RegExpExecArray, name: string): string {
  return found.groups?.[name] ?? '';
}
