import {RemoteError} from '../http/error.ts';
import {printable} from '../ui/format.ts';

/**
 * XML of services, read strictly and written escaped. What a service sends is data of somebody else: a document type,
 * and with it every entity that it could define, is refused, as is what is not well-formed or nested too deeply.
 */
export interface XmlElement {
  readonly name: string;
  /** Its own text, without that of its children; entities and CDATA resolved. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

const mostNested = 64;

const nameForm = String.raw`[A-Za-z_][\w.:-]*`;
const attribute = String.raw`\s+${nameForm}\s*=\s*(?:"[^<"]*"|'[^<']*')`;

/** One piece of markup, or the text up to the next. Attributes are looked at, and left. */
const piece = new RegExp(
  [
    String.raw`<!\[CDATA\[(?<cdata>[\s\S]*?)\]\]>`,
    String.raw`<!--[\s\S]*?-->|<\?[\s\S]*?\?>`,
    String.raw`</(?<end>${nameForm})\s*>`,
    String.raw`<(?<start>${nameForm})(?:${attribute})*\s*(?<empty>/?)>`,
    '(?<text>[^<]+)',
  ].join('|'),
  'y',
);

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: OpenElement[];
}

/** The root element of a document. Throws `RemoteError` `damaged` for what is not one well-formed document. */
export function parseXml(document: string): XmlElement {
  const outside: OpenElement = {name: '', text: '', children: []};
  const path = [outside];
  let at = outside;
  const source = document.replaceAll('\r\n', '\n');
  for (let position = source.startsWith('\uFEFF') ? 1 : 0; position < source.length; ) {
    piece.lastIndex = position;
    const found = piece.exec(source);
    if (found === null) throw damaged(`"${printable(source.slice(position, position + 20))}" stands in it`);
    position = piece.lastIndex;
    const {cdata, start, end, empty, text} = found.groups ?? {};
    if (start !== undefined) {
      const element: OpenElement = {name: start, text: '', children: []};
      at.children.push(element);
      if (empty === '/') continue;
      if (path.length > mostNested) throw damaged('its elements are nested too deeply');
      path.push(element);
      at = element;
    } else if (end !== undefined) {
      if (at === outside || end !== at.name) throw damaged(`</${end}> has no beginning`);
      path.pop();
      at = path.at(-1) ?? outside;
    } else {
      at.text += cdata ?? (text === undefined ? '' : resolved(text));
    }
  }
  const [root, ...more] = outside.children;
  if (root === undefined || at !== outside || more.length > 0 || outside.text.trim() !== '')
    throw damaged('it is not one whole element');
  return root;
}

/** The children of a name. */
export function childrenNamed(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The text at a path of names, each the first of its name; undefined where there is none. */
export function textAt(element: XmlElement, ...names: readonly string[]): string | undefined {
  let at: XmlElement | undefined = element;
  for (const name of names) at = at?.children.find((child) => child.name === name);
  return at?.text;
}

/** Text as it stands between tags. Throws for characters that XML 1.0 has no way to write. */
export function escapeXml(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uD800-\uDFFF\uFFFE\uFFFF]/u.test(text))
    throw new RemoteError('usage', 'A text with control characters cannot be sent as XML');
  return (
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      // A carriage return as such is read as a line feed (XML 1.0, 2.11).
      .replaceAll('\r', '&#13;')
  );
}

const predefined: Readonly<Record<string, string>> = {lt: '<', gt: '>', amp: '&', quot: '"', apos: "'"};

/** XML 1.0, 4.1: references to characters, and to the five entities that need no declaration. */
function resolved(text: string): string {
  return text.replaceAll(/&[^;]{0,12};?/g, (reference) => {
    const found = /^&(?:#(?<decimal>\d{1,7})|#x(?<hex>[0-9A-Fa-f]{1,6})|(?<name>[a-z]+));$/.exec(reference);
    const {decimal, hex, name = ''} = found?.groups ?? {};
    const code = Number.parseInt(decimal ?? hex ?? '', decimal === undefined ? 16 : 10);
    if (code > 0 && code <= 0x10_ff_ff) return String.fromCodePoint(code);
    const character = Object.hasOwn(predefined, name) ? predefined[name] : undefined;
    if (character === undefined) throw damaged(`it refers to "${printable(reference)}"`);
    return character;
  });
}

function damaged(why: string): RemoteError {
  return new RemoteError('damaged', `An answer is not XML as it should be: ${why}`);
}
