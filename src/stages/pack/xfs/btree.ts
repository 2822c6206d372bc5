import {
  blockBytes,
  byteOf,
  type Geometry,
  nothing,
  type Place,
  seal,
  sectorBytes,
  uuidBuffer,
} from './format.ts';

const headerBytes = 56;
const checksumAt = 52;

/** The trees of an allocation group, by the words that their blocks begin with. */
export type GroupTree = 'AB3B' | 'AB3C' | 'IAB3' | 'FIB3' | 'R3FC';

export interface BuiltTree {
  readonly levels: number;
  readonly blocks: readonly {readonly block: number; readonly bytes: Buffer}[];
}

export interface TreeRequest {
  readonly tree: GroupTree;
  readonly group: number;
  /** Where its root lies. */
  readonly root: number;
  /** Records, sorted; the first bytes of each are its key. */
  readonly records: readonly Buffer[];
  readonly keyBytes: number;
  /** Places of further blocks. */
  readonly more: () => number;
}

/** Builds a tree of an allocation group from its leaves up. */
export function buildGroupTree(request: TreeRequest, geometry: Geometry): BuiltTree {
  const {records, keyBytes, more, root} = request;
  const recordBytes = records[0]?.length ?? 8;
  const perLeaf = Math.floor((blockBytes - headerBytes) / recordBytes);
  const perNode = Math.floor((blockBytes - headerBytes) / (keyBytes + 4));
  let row: readonly Piece[] = pieces(records, perLeaf).map((some) => ({
    key: some[0] ?? Buffer.alloc(0),
    body: Buffer.concat(some),
    count: some.length,
  }));
  const blocks: {block: number; bytes: Buffer}[] = [];
  for (let level = 0; ; level += 1) {
    const places = row.length === 1 ? [root] : row.map(() => more());
    for (const [index, {body, count}] of row.entries())
      blocks.push({
        block: places[index] ?? 0,
        bytes: treeBlock(
          request,
          {level, count, body, block: places[index] ?? 0, left: places[index - 1], right: places[index + 1]},
          geometry,
        ),
      });
    if (row.length === 1) return {levels: level + 1, blocks};
    const children = row.map(({key}, index) => ({key, place: places[index] ?? 0}));
    row = pieces(children, perNode).map((some) => ({
      key: some[0]?.key ?? Buffer.alloc(0),
      body: nodeBody(some, {keyBytes, perNode}),
      count: some.length,
    }));
  }
}

/** What a block of one level is to hold. */
interface Piece {
  readonly key: Buffer;
  readonly body: Buffer;
  readonly count: number;
}

/** Keys first, then pointers behind the room for all keys. */
function nodeBody(
  children: readonly {readonly key: Buffer; readonly place: number}[],
  {keyBytes, perNode}: {keyBytes: number; perNode: number},
): Buffer {
  const body = Buffer.alloc(perNode * (keyBytes + 4));
  for (const [index, {key, place}] of children.entries()) {
    key.copy(body, index * keyBytes, 0, keyBytes);
    body.writeUInt32BE(place, perNode * keyBytes + index * 4);
  }
  return body;
}

/** Of even length: a block that is no root is at least half full. */
function pieces<T>(items: readonly T[], most: number): T[][] {
  const count = Math.max(1, Math.ceil(items.length / most));
  return Array.from({length: count}, (_, index) =>
    items.slice(Math.floor((items.length * index) / count), Math.floor((items.length * (index + 1)) / count)),
  );
}

interface BlockFields {
  readonly level: number;
  readonly count: number;
  readonly body: Buffer;
  readonly block: number;
  readonly left: number | undefined;
  readonly right: number | undefined;
}

function treeBlock(
  {tree, group}: TreeRequest,
  {level, count, body, block, left = nothing, right = nothing}: BlockFields,
  geometry: Geometry,
): Buffer {
  const made = Buffer.alloc(blockBytes);
  made.write(tree, 0, 'latin1');
  made.writeUInt16BE(level, 4);
  made.writeUInt16BE(count, 6);
  made.writeUInt32BE(left, 8);
  made.writeUInt32BE(right, 12);
  made.writeBigUInt64BE(sectorOf({group, block}, geometry), 16);
  uuidBuffer(geometry.uuid).copy(made, 32);
  made.writeUInt32BE(group, 48);
  body.copy(made, headerBytes);
  return seal(made, checksumAt);
}

/** Where a block says that it lies, in sectors. */
export function sectorOf(place: Place, geometry: Geometry): bigint {
  return BigInt(byteOf(place, geometry) / sectorBytes);
}
