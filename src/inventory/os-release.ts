import type {InventoryOs} from './inventory.ts';

/** Reads os-release(5): assignments as a shell would read them, `ID=debian`, `PRETTY_NAME="Debian GNU/Linux 12"`. */
export function parseOsRelease(text: string): Omit<InventoryOs, 'architecture'> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const found = /^\s*(?<name>[A-Z_][A-Z0-9_]*)=(?<value>.*?)\s*$/.exec(line)?.groups;
    if (found !== undefined) values.set(found['name'] ?? '', unquote(found['value'] ?? ''));
  }
  return {
    // What the page says where there is none.
    id: values.get('ID') ?? 'linux',
    version_id: values.get('VERSION_ID') ?? '',
    codename: values.get('VERSION_CODENAME') ?? '',
    name: values.get('PRETTY_NAME') ?? 'Linux',
  };
}

function unquote(value: string): string {
  const quoted = /^"(?<double>.*)"$|^'(?<single>.*)'$/.exec(value)?.groups;
  if (quoted === undefined) return value.replaceAll(/\\(.)/g, '$1');
  return quoted['single'] ?? (quoted['double'] ?? '').replaceAll(/\\(["$`\\])/g, '$1');
}
