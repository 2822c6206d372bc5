/**
 * A text as the content of an XML element or attribute (XML 1.0, 2.4). Braces are escaped too: the pack stage fills in
 * what stands between two of them.
 */
export function xmlText(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
    '{': '&#123;',
    '}': '&#125;',
  };
  return text.replaceAll(/[&<>"'{}]/g, (character) => escapes[character] ?? character);
}
