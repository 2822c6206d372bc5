import type {Expected} from '../plan/vet-node.ts';
import type {CheckName, Remark} from './finding.ts';
import type {PackagedFiles} from './packages.ts';
import type {Entry, VettedTree} from './tree.ts';

/** One thing that is looked for. Checks know nothing of each other, and nothing of policies. */
export interface Check {
  readonly name: CheckName;
  /** Asked about every entry of the tree, in no order that matters. */
  readonly entry?: (entry: Entry, look: Look) => readonly Remark[];
  /** Asked once about the tree as a whole. */
  readonly tree?: (look: Look) => readonly Remark[];
}

/** What checks look at, and what they compare it with. */
export interface Look {
  readonly tree: VettedTree;
  readonly packaged: PackagedFiles;
  readonly expected: Expected;
  /** passwd(5) */
  readonly users: readonly {readonly name: string; readonly home: string}[];
  /** File capabilities by path, in words (capabilities(7)). */
  readonly capabilities: ReadonlyMap<string, string>;
  /** The topmost layer that holds a path is one that nothing but packages wrote. */
  readonly isFromPackages: (path: string) => boolean;
  /** Installed packages that are in none of the archives that the image is made of. */
  readonly strangers: readonly {readonly name: string; readonly version: string}[];
  /** Where the tree says which packages are installed. */
  readonly database: string;
  /** Whether nothing is known of packages: what an import has is as good as a package's. */
  readonly withoutPackages: boolean;
  /** The text of the entry that is looked at; undefined for what is none. Read once for all checks. */
  readonly text: () => string | undefined;
}

export const dpkgStatus = '/var/lib/dpkg/status';

export const nothing: readonly Remark[] = [];
