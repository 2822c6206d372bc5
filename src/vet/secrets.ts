import {type Look, nothing} from './check.ts';
import type {Remark, Severity} from './finding.ts';
import {type Entry, shown} from './tree.ts';

/** What a secret looks like. docs/reference/policy.md lists them all. */
export interface SecretPattern {
  readonly detail: string;
  readonly severity: Severity;
  /** Only files of such a path; all where it is left out. */
  readonly path?: RegExp;
  /** A word that is in every text that `content` finds: it is looked for first, as that is much faster. */
  readonly word: string;
  readonly content: RegExp;
  /** This too, anywhere. */
  readonly also?: RegExp;
}

/** A file that is a secret whatever is in it. */
export interface SecretFile {
  readonly detail: string;
  readonly severity: Severity;
  readonly path: RegExp;
}

/** A search for several patterns in files of a tree. */
export class SecretSearch {
  readonly #everywhere: readonly SecretPattern[];
  readonly #somewhere: readonly (SecretPattern & {readonly path: RegExp})[];
  readonly #files: readonly SecretFile[];
  readonly #words: RegExp;

  constructor(patterns: readonly SecretPattern[], files: readonly SecretFile[]) {
    this.#everywhere = patterns.filter(({path}) => path === undefined);
    this.#somewhere = patterns.flatMap((one) => (one.path === undefined ? [] : [{...one, path: one.path}]));
    this.#files = files;
    const words = [...new Set(this.#everywhere.map(({word}) => word))];
    this.#words = new RegExp(words.map((word) => word.replaceAll(/[^\w-]/g, '\\$&')).join('|'));
  }

  /** What a package brought and nobody changed is in everybody's hands: no secret. */
  in(entry: Entry, look: Look): readonly Remark[] {
    if (entry.type !== 'file' || entry.sizeBytes === 0) return nothing;
    const file = this.#files.find(({path}) => path.test(entry.path));
    const found = file === undefined ? this.#search(entry, look) : [file];
    if (found.length === 0) return nothing;
    if (look.packaged.isUnchanged(entry)) return nothing;
    return found.map(({severity, detail}) => ({severity, path: shown(entry.path), detail}));
  }

  #search({path}: Entry, look: Look): readonly SecretPattern[] {
    const here = this.#somewhere.filter((one) => one.path.test(path));
    const text = look.text();
    if (text === undefined) return [];
    const patterns = this.#words.test(text) ? [...this.#everywhere, ...here] : here;
    return patterns.filter(
      ({word, content, also}) =>
        text.includes(word) && content.test(text) && (also === undefined || also.test(text)),
    );
  }
}
