import {XMLParser} from 'fast-xml-parser';
import {RemoteError} from '../http/error.ts';

/** What an XML answer holds: elements by name, all of them lists, and text. Attributes and namespaces are left out. */
export interface XmlTree {
  readonly [name: string]: readonly (XmlTree | string)[];
}

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  // Ids of digits only are ids: account numbers begin with zeros.
  parseTagValue: false,
  isArray: () => true,
});

/** Gives the root element. Throws `RemoteError` `damaged` where there is none of this name. `from`: who sent it. */
export function readXml(text: string, root: string, from: string): XmlTree {
  let tree: unknown;
  try {
    tree = parser.parse(text);
  } catch (cause) {
    throw damaged(from, root, cause);
  }
  // By the parser's options a tree consists of lists of elements and text.
  const [found] = elementsAt(tree as XmlTree, root);
  if (found === undefined) throw damaged(from, root);
  return found;
}

function damaged(from: string, root: string, cause?: unknown): RemoteError {
  return new RemoteError('damaged', `${from} answers otherwise than with a ${root}`, {cause});
}

/** The elements at a path of names, below all elements on the way. */
export function elementsAt(tree: XmlTree, ...names: readonly string[]): readonly XmlTree[] {
  let found: readonly XmlTree[] = [tree];
  for (const name of names) {
    found = found
      .flatMap((element) => (Object.hasOwn(element, name) ? (element[name] ?? []) : []))
      .filter((child) => typeof child !== 'string');
  }
  return found;
}

/** The text of the first element at a path of names; undefined where it is missing or empty. */
export function textAt(tree: XmlTree, ...names: readonly [string, ...string[]]): string | undefined {
  const last = names[names.length - 1] ?? '';
  for (const parent of elementsAt(tree, ...names.slice(0, -1))) {
    const found = Object.hasOwn(parent, last) ? parent[last]?.[0] : undefined;
    const text = typeof found === 'object' ? found['#text']?.[0] : found;
    if (typeof text === 'string' && text !== '') return text;
  }
  return undefined;
}
