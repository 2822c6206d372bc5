import {existsSync, readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {isErrno} from '../src/errors.ts';
import {lastUses} from './gc-roots.ts';
import {type DiskUse, diskUse, objectUse} from './measure.ts';
import {listObjects, type Store} from './store.ts';

/** Something that gc may remove when a bound asks for it. */
export interface Candidate {
  readonly kind: 'object' | 'package' | 'kept';
  /** The digest of an object, else a name of a file. */
  readonly name: string;
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number;
  /** An object without a record that counts: nothing can ask for it. */
  readonly isOrphan: boolean;
  readonly use: DiskUse;
}

/** .debs, and what belongs to source packages. */
const isPackageFile = /\.(?:deb|dsc|asc|sig|diff|tar|gz|xz|bz2|lzma|zst)$/;

/** All of them, the least recently used first, and what the rest of the cache that counts takes on the disk. */
export function findCandidates(store: Store): {
  readonly candidates: readonly Candidate[];
  readonly otherBytes: number;
} {
  const {layout, database} = store;
  const uses = lastUses(database);
  const objects = listObjects(layout).map((name): Candidate => {
    const lastUsedAt = uses.get(name);
    const path = store.objectPath(name);
    const isOrphan = lastUsedAt === undefined;
    const use = isOrphan ? diskUse(path) : objectUse(store, name);
    return {kind: 'object', name, path, isOrphan, lastUsedAt: lastUsedAt ?? 0, use};
  });
  const packages = files('package', layout.packages).filter(({name}) => isPackageFile.test(name));
  const candidates = [...objects, ...packages, ...files('kept', layout.kept)];
  candidates.sort((a, b) => a.lastUsedAt - b.lastUsedAt || (a.name < b.name ? -1 : 1));
  const others = [layout.records, layout.logs, layout.traces].map((folder) => diskUse(folder).bytes);
  return {candidates, otherBytes: others.reduce((total, bytes) => total + bytes, 0)};
}

/** A file was used when it was last written or read, as far as the file system notes reading; a folder is read by gc. */
function files(kind: 'package' | 'kept', folder: string): readonly Candidate[] {
  return (existsSync(folder) ? readdirSync(folder) : []).flatMap((name): Candidate[] => {
    const path = join(folder, name);
    try {
      const stat = statSync(path);
      const lastUsedAt = stat.isDirectory() ? stat.mtimeMs : Math.max(stat.mtimeMs, stat.atimeMs);
      return [{kind, name, path, isOrphan: false, lastUsedAt, use: diskUse(path)}];
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  });
}
