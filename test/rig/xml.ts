import {execFileSync} from 'node:child_process';
import {XMLParser} from 'fast-xml-parser';

/** A document, read by xmllint first, which takes none that is not well-formed. Names have no prefixes, attributes an `@`. */
export function readXml(text: string, options: {readonly lists?: readonly string[]} = {}): unknown {
  execFileSync('xmllint', ['--noout', '-'], {input: text, stdio: ['pipe', 'pipe', 'pipe']});
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    isArray: (name) => options.lists?.includes(name) === true,
    removeNSPrefix: true,
    htmlEntities: true,
  });
  return parser.parse(text);
}
