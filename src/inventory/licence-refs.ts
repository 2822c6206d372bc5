import {createHash} from 'node:crypto';
import {joinLicences, type NamedLicence} from './copyright.ts';

/**
 * The `LicenseRef-…`s of a whole document. Packages use one name for different texts (`permissive`, `public-domain`): then
 * each text gets an id of its own, with the beginning of its digest.
 */
export class LicenceRefs {
  readonly #ids = new Map<string, ReadonlyMap<string, string>>();
  readonly #named = new Map<string, NamedLicence>();

  constructor(named: ReadonlyMap<string, readonly NamedLicence[]>) {
    const texts = new Map<string, Set<string>>();
    for (const {ref, text} of [...named.values()].flat()) {
      texts.set(ref, (texts.get(ref) ?? new Set()).add(text));
    }
    for (const [owner, licences] of named) {
      const ids = new Map<string, string>();
      for (const licence of licences) {
        const isOnly = texts.get(licence.ref)?.size === 1;
        const id = isOnly ? licence.ref : `${licence.ref}-${shortDigest(licence.text)}`;
        ids.set(licence.ref, id);
        this.#named.set(id, {...licence, ref: id});
      }
      this.#ids.set(owner, ids);
    }
  }

  /** The licences of a package with the document's ids in them. */
  of(owner: string, licences: readonly string[]): readonly string[] {
    const ids = this.#ids.get(owner);
    return licences.map((licence) =>
      licence.replaceAll(/LicenseRef-[A-Za-z0-9.-]+/g, (ref) => ids?.get(ref) ?? ref),
    );
  }

  /** … as one expression; undefined where it is not known. */
  expressionOf(owner: string, licences: readonly string[]): string | undefined {
    const all = this.of(owner, licences);
    return all.length === 0 ? undefined : joinLicences(all, 'AND');
  }

  find(id: string): NamedLicence | undefined {
    return this.#named.get(id);
  }

  /** By id. */
  all(): readonly NamedLicence[] {
    return [...this.#named.values()].sort((a, b) => (a.ref < b.ref ? -1 : 1));
  }
}

function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
