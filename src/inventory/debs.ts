import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {InventoryDeb} from './inventory.ts';
import type {DebName} from './packages.ts';

/** A .deb as a lock, or a list of an archive, tells it: what `params.debs` of the `sbom` stage holds. */
export interface KnownDeb extends DebName, InventoryDeb {}

/** Finds the .deb that a package came from. What two sources tell in two ways is not told at all. */
export class DebIndex {
  readonly #wanted: ReadonlySet<string>;
  readonly #found = new Map<string, InventoryDeb | undefined>();

  /** `wanted`: what is installed; of all else nothing is kept. */
  constructor(wanted: readonly DebName[]) {
    this.#wanted = new Set(wanted.map(keyOf));
  }

  add({name, version, architecture, path, sha256}: KnownDeb): void {
    const key = keyOf({name, version, architecture});
    if (!this.#wanted.has(key)) return;
    const known = this.#found.get(key);
    if (known === undefined && !this.#found.has(key)) this.#found.set(key, {path, sha256});
    else if (known?.sha256 !== sha256) this.#found.set(key, undefined);
  }

  /** Adds what the `*_Packages` files of an `archive` stage's folder `lists` tell. */
  addLists(folder: string): void {
    for (const name of readdirSync(folder).sort()) {
      if (name.endsWith('_Packages')) this.addPackages(readFileSync(join(folder, name), 'latin1'));
    }
  }

  /**
   * Reads a Packages file. Debian's holds fifty megabytes, of which a few hundred paragraphs are wanted: a paragraph is
   * looked into only where its name is one of these.
   */
  addPackages(text: string): void {
    const names = new Set([...this.#wanted].map((key) => key.split(' ')[0]));
    const marker = 'Package: ';
    for (let start = 0; start < text.length; ) {
      const blank = text.indexOf('\n\n', start);
      const end = blank < 0 ? text.length : blank;
      if (text.startsWith(marker, start)) {
        const line = text.indexOf('\n', start);
        const name = text.slice(start + marker.length, line < 0 ? end : line).trim();
        if (names.has(name)) this.#addParagraph(name, text.slice(start, end));
      }
      start = end + 2;
      while (text[start] === '\n') start += 1;
    }
  }

  #addParagraph(name: string, paragraph: string): void {
    const field = (wanted: string): string =>
      new RegExp(`^${wanted}: *(.*)$`, 'm').exec(paragraph)?.[1]?.trim() ?? '';
    const sha256 = field('SHA256');
    if (sha256 === '') return;
    this.add({
      name,
      version: field('Version'),
      architecture: field('Architecture'),
      path: field('Filename').replace(/^\.\//, ''),
      sha256,
    });
  }

  find(wanted: DebName): InventoryDeb | undefined {
    return this.#found.get(keyOf(wanted));
  }

  /** Everything that was found, sorted: what the documents hang on, of all that the lists hold. */
  all(): readonly KnownDeb[] {
    return [...this.#found]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, deb]) => {
        const [name = '', version = '', architecture = ''] = key.split(' ');
        return deb === undefined ? [] : [{name, version, architecture, ...deb}];
      });
  }
}

function keyOf({name, version, architecture}: DebName): string {
  return `${name} ${version} ${architecture}`;
}
