/**
 * Paragraphs of deb-control(5): dpkg's status file, apt's extended_states and Packages files, machine-readable copyright
 * files. Field names do not tell upper from lower case.
 */
export interface Paragraph {
  /** The value as it stands, without the blank before it; lines after the first keep theirs. Empty where there is none. */
  readonly get: (field: string) => string;
}

/** Reads all paragraphs; lines that are none of a field, and comments, are left out. */
export function parseControl(text: string): readonly Paragraph[] {
  return text
    .split(/\n(?:[ \t]*\n)+/)
    .map(parseFields)
    .flatMap((fields) =>
      fields.size === 0 ? [] : [{get: (field: string) => fields.get(field.toLowerCase()) ?? ''}],
    );
}

function parseFields(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of paragraph.split('\n')) {
    if (line.startsWith('#')) continue;
    if (/^[ \t]/.test(line)) {
      if (current !== undefined) fields.set(current, `${fields.get(current) ?? ''}\n${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    current = colon > 0 ? line.slice(0, colon).toLowerCase() : undefined;
    if (current !== undefined) fields.set(current, line.slice(colon + 1).trim());
  }
  return fields;
}
