import type {NamedLicence} from './copyright.ts';
import type {InventoryPackage} from './inventory.ts';
import {licencesOf, namedLicences} from './rpms.ts';

/** What apk's database in a tree tells of its packages, `/lib/apk/db/installed` (apk-package(5), index fields). */
export function apkPackages(installed: string): {
  readonly packages: readonly InventoryPackage[];
  readonly named: ReadonlyMap<string, readonly NamedLicence[]>;
} {
  const stanzas = installed
    .split(/\n{2,}/)
    .map(fieldsOf)
    .filter((fields) => fields.has('P'));
  const providers = new Map<string, string>();
  for (const fields of stanzas) {
    const name = fields.get('P') ?? '';
    for (const word of [name, ...words(fields.get('p'))]) providers.set(plain(word), name);
  }
  const packages = stanzas
    .map((fields) => apkPackage(fields, providers))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const licences = stanzas.map((fields) => ({name: fields.get('P') ?? '', licence: fields.get('L') ?? ''}));
  return {packages, named: namedLicences(licences)};
}

function apkPackage(
  fields: ReadonlyMap<string, string>,
  providers: ReadonlyMap<string, string>,
): InventoryPackage {
  const of = (letter: string): string => fields.get(letter) ?? '';
  const name = of('P');
  // `!name` is a conflict.
  const needed = words(fields.get('D')).filter((word) => !word.startsWith('!'));
  const depends = needed.flatMap((word) => providers.get(plain(word)) ?? []).filter((one) => one !== name);
  return {
    name,
    version: of('V'),
    architecture: of('A'),
    source: {name: fields.get('o') ?? name, version: of('V')},
    section: '',
    priority: '',
    maintainer: of('m'),
    ...(of('U') === '' ? {} : {homepage: of('U')}),
    essential: false,
    automatic: false,
    licences: licencesOf(of('L')),
    depends: [...new Set(depends)].sort(),
    installed_size_kib: Math.ceil(Number(of('I') || '0') / 1024),
  };
}

/** `X:text`; a letter that comes again is of a file, and says nothing of the package. */
function fieldsOf(stanza: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of stanza.split('\n'))
    if (line[1] === ':' && !fields.has(line[0] ?? '')) fields.set(line[0] ?? '', line.slice(2));
  return fields;
}

function words(text = ''): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}

/** Without a version: `so:libc.musl-x86_64.so.1=1` and `busybox>=1.36`. */
function plain(word: string): string {
  return word.replace(/[<>=~].*$/, '');
}
