import {invertedCrc32c} from '../crc32c.ts';
import {generation, type Item, type Key, keyBuffer, nodeBytes, pack, uuidBuffer} from './format.ts';

const headerBytes = 101;
const itemBytes = 25;
const pointerBytes = 33;
/** Low and high half of 64 bits: written, and with references of the kind that all trees have had since 2009. */
const headerFlags = {low: 1, high: 1 << 24} as const;

/** What all nodes of a file system say. */
export interface NodeIds {
  readonly filesystemUuid: string;
  readonly chunkTreeUuid: string;
}

export interface Tree {
  readonly owner: number;
  readonly levels: readonly (readonly Node[])[];
}

export interface Node {
  readonly level: number;
  readonly at: number;
  readonly first: Key;
  readonly items: readonly Item[];
  readonly children: readonly Node[];
}

/** How many nodes items take, by level from the leaves up. */
export function countNodes(sizes: readonly number[]): number {
  let count = splitLeaves(sizes, (size) => size).length;
  let total = count;
  while (count > 1) {
    count = Math.ceil(count / perNode);
    total += count;
  }
  return total;
}

const perNode = Math.floor((nodeBytes - headerBytes) / pointerBytes);

/** Builds a tree of sorted items from the leaves up; `place` gives each node its address. */
export function buildTree(owner: number, items: readonly Item[], place: () => number): Tree {
  let level: Node[] = splitLeaves(items, ({data}) => data.length).map((some) => ({
    level: 0,
    at: place(),
    first: some[0]?.key ?? {id: 0, type: 0, offset: 0},
    items: some,
    children: [],
  }));
  const levels = [level];
  while (level.length > 1) {
    const above: Node[] = [];
    for (let at = 0; at < level.length; at += perNode) {
      const children = level.slice(at, at + perNode);
      const [first] = children;
      if (first !== undefined)
        above.push({level: levels.length, at: place(), first: first.first, items: [], children});
    }
    levels.push(above);
    level = above;
  }
  return {owner, levels};
}

export function rootNode({levels}: Tree): Node {
  const root = levels.at(-1)?.[0];
  if (root === undefined) throw new Error('A tree of btrfs has no root');
  return root;
}

export function allNodes({levels}: Tree): readonly Node[] {
  return levels.flat();
}

function splitLeaves<T>(items: readonly T[], size: (item: T) => number): T[][] {
  const leaves: T[][] = [[]];
  let left = nodeBytes - headerBytes;
  for (const item of items) {
    const needed = itemBytes + size(item);
    if (needed > nodeBytes - headerBytes) throw new Error('An item is larger than a node of btrfs');
    if (needed > left) {
      leaves.push([]);
      left = nodeBytes - headerBytes;
    }
    leaves.at(-1)?.push(item);
    left -= needed;
  }
  return leaves;
}

/** A node's bytes, with its checksum. */
export function nodeBuffer({level, at, items, children}: Node, owner: number, ids: NodeIds): Buffer {
  const node = Buffer.alloc(nodeBytes);
  const head = pack(
    uuidBuffer(ids.filesystemUuid),
    [at, 8],
    [headerFlags.low, 4],
    [headerFlags.high, 4],
    uuidBuffer(ids.chunkTreeUuid),
    [generation, 8],
    [owner, 8],
    [level === 0 ? items.length : children.length, 4],
    [level, 1],
  );
  head.copy(node, 32);
  let end = nodeBytes;
  for (const [index, {key, data}] of items.entries()) {
    end -= data.length;
    data.copy(node, end);
    pack(keyBuffer(key), [end - headerBytes, 4], [data.length, 4]).copy(
      node,
      headerBytes + index * itemBytes,
    );
  }
  for (const [index, child] of children.entries())
    pack(keyBuffer(child.first), [child.at, 8], [generation, 8]).copy(
      node,
      headerBytes + index * pointerBytes,
    );
  node.writeUInt32LE(invertedCrc32c(node.subarray(32)), 0);
  return node;
}
