import {parseControl} from '../inventory/control.ts';
import {dpkgStatus} from './check.ts';
import {bytesOf, type Entry, type VettedTree} from './tree.ts';

/** Package, and SHA-256 where it is known, of each path (src/stages/scripts/rpm-query.py). */
export type RpmFiles = Readonly<Record<string, readonly [owner: string, sha256?: string]>>;

/**
 * What dpkg's or rpm's database in a tree says about files: whose each is, and what it was when it was unpacked. It is part of the
 * tree: a provisioner that means harm can change it, so that this only tells what is harmless from what was overlooked.
 */
export class PackagedFiles {
  readonly #tree: VettedTree;
  readonly #owners = new Map<string, string>();
  readonly #folders = new Map<string, string>();
  /** MD5 by path of the packages that were asked about so far. */
  readonly #digests = new Map<string, ReadonlyMap<string, string>>();
  /** Of rpm's packages. */
  readonly #sha256 = new Map<string, string>();
  #overrides: ReadonlyMap<string, number> | undefined;
  #conffiles: ReadonlyMap<string, string> | undefined;

  /** `rpmFiles`: what rpm's database in the tree tells, where that has the packages. */
  constructor(tree: VettedTree, rpmFiles?: RpmFiles) {
    this.#tree = tree;
    for (const [path, [owner, sha256]] of Object.entries(rpmFiles ?? {})) {
      const real = this.#canonical(bytesOf(path));
      this.#owners.set(real, owner);
      if (sha256 !== undefined) this.#sha256.set(real, sha256);
    }
    for (const name of tree.names(info)) {
      if (!name.endsWith('.list')) continue;
      const owner = name.slice(0, -'.list'.length);
      for (const path of tree.lines(`${info}/${name}`)) this.#owners.set(this.#canonical(path), owner);
    }
    // dpkg-divert(1): three lines each, from, to, and the package that it is done for.
    const diversions = tree.lines('/var/lib/dpkg/diversions');
    for (let index = 0; index + 2 < diversions.length; index += 3) {
      const owner = this.#owners.get(this.#canonical(diversions[index] ?? ''));
      if (owner !== undefined) this.#owners.set(this.#canonical(diversions[index + 1] ?? ''), owner);
    }
  }

  /** The package that brought a path. */
  ownerOf(path: string): string | undefined {
    return this.#owners.get(path);
  }

  /** Whether a package brought the file and it is byte for byte what it brought. */
  isUnchanged({path}: Entry): boolean {
    const owner = this.ownerOf(path);
    if (owner === undefined) return false;
    const sha256 = this.#sha256.get(path);
    if (sha256 !== undefined) return sha256 === this.#tree.sha256(path);
    const packaged = this.#digestsOf(owner).get(path) ?? this.#conffileDigests().get(path);
    return packaged !== undefined && packaged === this.#tree.md5(path);
  }

  /** dpkg-statoverride(1): the mode that a path is to have whatever its package says. */
  overriddenMode(path: string): number | undefined {
    this.#overrides ??= new Map(
      this.#tree.lines('/var/lib/dpkg/statoverride').flatMap((line) => {
        const [, , mode = '', ...rest] = line.split(' ');
        return /^[0-7]{3,4}$/.test(mode)
          ? [[this.#canonical(rest.join(' ')), Number.parseInt(mode, 8)] as const]
          : [];
      }),
    );
    return this.#overrides.get(path);
  }

  #digestsOf(owner: string): ReadonlyMap<string, string> {
    const known = this.#digests.get(owner);
    if (known !== undefined) return known;
    const digests = new Map(
      this.#tree
        .lines(`${info}/${owner}.md5sums`)
        .map((line) => [this.#canonical(`/${line.slice(34)}`), line.slice(0, 32)] as const),
    );
    this.#digests.set(owner, digests);
    return digests;
  }

  /** deb-conffiles(5), as the field `Conffiles` of the status file has them: ` /etc/x <md5>`. */
  #conffileDigests(): ReadonlyMap<string, string> {
    this.#conffiles ??= new Map(
      parseControl(this.#tree.read(dpkgStatus) ?? '').flatMap((paragraph) =>
        paragraph
          .get('Conffiles')
          .split('\n')
          .flatMap((line) => {
            const [, path = '', md5 = ''] = /^ ?(\/.*) ([0-9a-f]{32})/.exec(line) ?? [];
            return path === '' ? [] : [[this.#canonical(path), md5] as const];
          }),
      ),
    );
    return this.#conffiles;
  }

  /** dpkg's lists name paths as they were unpacked: with a merged /usr they go through the links /bin, /lib and /sbin. */
  #canonical(path: string): string {
    const slash = path.lastIndexOf('/');
    const folder = path.slice(0, Math.max(0, slash));
    let real = this.#folders.get(folder);
    if (real === undefined) {
      real = this.#tree.resolve(folder) ?? folder;
      this.#folders.set(folder, real);
    }
    return real + path.slice(slash);
  }
}

const info = '/var/lib/dpkg/info';
