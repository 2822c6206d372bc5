import {problemText} from '../../cache/content.ts';
import type {Store} from '../../cache/store.ts';

/** Content that is not what it was when it was made. */
export interface InputProblem {
  readonly digest: string;
  /** In words. */
  readonly text: string;
}

/** Reads content anew before what is made of it counts: once in a run, and not what the run itself made. */
export class InputCheck {
  readonly #store: Store;
  readonly #checked = new Map<string, Promise<InputProblem | undefined>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Content that this run made or fetched: it was digested just now. */
  trust(digest: string): void {
    this.#checked.set(digest, Promise.resolve(undefined));
  }

  forget(digests: readonly string[]): void {
    for (const digest of digests) this.#checked.delete(digest);
  }

  async problems(digests: readonly string[]): Promise<readonly InputProblem[]> {
    const found: InputProblem[] = [];
    // One after the other: the stage that reads them meanwhile has a processor too.
    for (const digest of new Set(digests)) {
      const problem = await this.#check(digest);
      if (problem !== undefined) found.push(problem);
    }
    return found;
  }

  #check(digest: string): Promise<InputProblem | undefined> {
    let check = this.#checked.get(digest);
    if (check === undefined) {
      check = this.#store
        .check(digest)
        .then((problem) => (problem === undefined ? undefined : {digest, text: problemText(problem)}));
      this.#checked.set(digest, check);
    }
    return check;
  }
}
