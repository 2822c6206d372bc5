import {createHash} from 'node:crypto';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import type {ArchiveSource} from '../plan/archives.ts';
import type {LockedPackage, LockedSuite} from './lock.ts';

/** A stanza of a Packages file: the package as a lock names it, and its text. */
export interface ListedPackage {
  readonly package: LockedPackage;
  readonly stanza: string;
  /** The archive's own word (override), which need not be the control file's. */
  readonly priority: string;
}

/** A Packages file of apt's lists folder and the source that it is of. */
export interface ListFile {
  readonly path: string;
  readonly source: ArchiveSource;
}

/** The Packages files of the sources, found by the name that apt gives them. */
export function listFiles(lists: string, sources: readonly ArchiveSource[]): readonly ListFile[] {
  const names = readdirSync(lists).filter((name) => name.endsWith('_Packages'));
  return sources.flatMap((source) => {
    const prefix = listPrefix(source);
    return names.filter((name) => name.startsWith(prefix)).map((name) => ({path: join(lists, name), source}));
  });
}

/** What apt names a suite's files in its lists folder with, by its URI (apt-pkg/strutl.cc, URItoFileName). */
export function listPrefix({uri, suite}: Pick<ArchiveSource, 'uri' | 'suite'>): string {
  const root = uri
    .replace(/^[a-z][a-z0-9+.-]*:(?:\/\/)?/i, '')
    .replace(/^[^/@]*@/, '')
    .replace(/\/+$/, '');
  const folder = suite.endsWith('/') ? `${root}/${suite}` : `${root}/dists/${suite}/`;
  return folder
    .replaceAll(/[\\|{}[\]<>"^~_=!@#$%^&*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
    .replaceAll('/', '_');
}

/** The packages of an archive's lists, found by where they lie in it. */
export class PackageLists {
  readonly #files: readonly ListFile[];
  readonly #byPath = new Map<string, readonly [text: string, start: number, end: number]>();
  readonly #byName = new Map<string, string[]>();

  constructor(files: readonly ListFile[]) {
    this.#files = files;
    for (const {path, source} of files) this.#read(readFileSync(path, 'utf8'), source.origin);
  }

  /** The package at `path` of an archive; undefined where no list has it. */
  at(origin: string, path: string): ListedPackage | undefined {
    const key = `${origin} ${path}`;
    const place = this.#byPath.get(key);
    if (place === undefined) return undefined;
    const [text, start, end] = place;
    return listed(origin, text.slice(start, end));
  }

  /** All versions of a package. */
  named(name: string): readonly ListedPackage[] {
    return (this.#byName.get(name) ?? []).flatMap((key) => {
      const [origin = '', path = ''] = key.split(/ (.*)/s);
      return this.at(origin, path) ?? [];
    });
  }

  get files(): readonly ListFile[] {
    return this.#files;
  }

  /** Takes in the stanza of a package that the archive has dropped, so that it may be kept. */
  add(origin: string, stanza: string): void {
    this.#read(`${stanza.trimEnd()}\n`, origin);
  }

  #read(text: string, origin: string): void {
    for (let start = 0; start < text.length; ) {
      const found = text.indexOf('\n\n', start);
      const end = found === -1 ? text.length : found + 1;
      const path = field(text, start, end, 'Filename');
      const name = field(text, start, end, 'Package');
      if (path !== undefined && name !== undefined) {
        const key = `${origin} ${path}`;
        this.#byPath.set(key, [text, start, end]);
        const keys = this.#byName.get(name);
        if (keys === undefined) this.#byName.set(name, [key]);
        else keys.push(key);
      }
      start = end + 1;
    }
  }
}

/** A field of the stanza between two offsets, without copying the stanza: there are 60,000 of them. */
function field(text: string, start: number, end: number, name: string): string | undefined {
  const label = `${name}: `;
  const line = text.startsWith(label, start) ? start : text.indexOf(`\n${label}`, start) + 1;
  if (line >= end || (line === 0 && start > 0) || !text.startsWith(label, line)) return undefined;
  const at = line + label.length;
  return text.slice(at, text.indexOf('\n', at));
}

function listed(origin: string, stanza: string): ListedPackage {
  const value = (name: string): string => field(stanza, 0, stanza.length, name) ?? '';
  return {
    package: {
      name: value('Package'),
      version: value('Version'),
      architecture: value('Architecture'),
      origin,
      path: value('Filename'),
      size: Number(value('Size')),
      sha256: value('SHA256'),
    },
    stanza,
    priority: value('Priority'),
  };
}

/** What the Release files of the sources say, as apt verified and kept them. */
export function lockedSuites(lists: string, sources: readonly ArchiveSource[]): readonly LockedSuite[] {
  return sources.map((source): LockedSuite => {
    const prefix = join(lists, listPrefix(source));
    const path = [`${prefix}InRelease`, `${prefix}Release`].find((candidate) => existsSync(candidate));
    if (path === undefined) throw new Error(`No Release file of ${source.suite} in ${basename(lists)}`);
    const bytes = readFileSync(path);
    const date = /^Date: (?<date>.*)$/m.exec(bytes.toString('utf8'))?.groups?.['date'] ?? '';
    const time = Date.parse(date);
    return {
      name: source.suite,
      origin: source.origin,
      components: source.components,
      date: Number.isNaN(time) ? date : new Date(time).toISOString().replace('.000Z', 'Z'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  });
}
