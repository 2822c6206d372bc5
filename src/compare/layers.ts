import {isWhiteout, type Tree, type TreeEntry} from './manifests.ts';

/**
 * The tree that layers make, the lowest first, as overlayfs stacks them (Linux, Documentation/filesystems/overlayfs.rst):
 * a whiteout takes a path away, an opaque folder all that lies below it.
 */
export function mergeLayers(layers: readonly Tree[]): Tree {
  const merged = new Map<string, TreeEntry>();
  for (const layer of layers) {
    for (const [path, entry] of layer) {
      const before = merged.get(path);
      const isHidden = entry.type !== 'd' || isOpaque(entry);
      if (before?.type === 'd' && isHidden) removeBelow(merged, path);
      if (isWhiteout(entry)) merged.delete(path);
      else merged.set(path, entry);
    }
  }
  return merged;
}

function isOpaque({xattrs}: TreeEntry): boolean {
  return /\boverlay\.opaque=79\b/.test(xattrs);
}

function removeBelow(tree: Map<string, TreeEntry>, folder: string): void {
  for (const path of tree.keys()) if (path.startsWith(`${folder}/`)) tree.delete(path);
}
