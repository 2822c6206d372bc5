/** One line of a manifest (cache/tree.ts), its path aside. */
export interface TreeEntry {
  readonly type: string;
  readonly mode: string;
  readonly uid: string;
  readonly gid: string;
  /** Seconds since the epoch. */
  readonly mtime: string;
  /** SHA-256 of a file, target of a link, number of a device; percent-encoded, `-` where there is none. */
  readonly detail: string;
  /** `name=hex`, by commas; `-` where there are none. */
  readonly xattrs: string;
}

export type EntryField = 'type' | 'mode' | 'owner' | 'mtime' | 'xattr' | 'link target' | 'device' | 'content';

export interface FieldDifference {
  readonly field: EntryField;
  readonly a: string;
  readonly b: string;
}

/** A path at which two trees differ. */
export type EntryDifference =
  | {readonly change: 'added' | 'removed'; readonly path: string; readonly type: string}
  | {readonly change: 'changed'; readonly path: string; readonly fields: readonly FieldDifference[]};

export type Tree = ReadonlyMap<string, TreeEntry>;

/** The entries of a manifest, by path, in its order. */
export function parseManifest(text: string): Tree {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [type = '', mode = '', uid = '', gid = '', mtime = '', detail = '', xattrs = '', path = ''] =
        line.split(' ');
      return [decodeEscaped(path), {type, mode, uid, gid, mtime, detail, xattrs}];
    }),
  );
}

/**
 * Every path at which two trees differ, sorted. Of a folder that only one has, what lies in it is not told; of a path
 * that is another type, nothing but that.
 */
export function diffTrees(a: Tree, b: Tree): readonly EntryDifference[] {
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort();
  const found: EntryDifference[] = [];
  const alone = new Set<string>();
  for (const path of paths) {
    const [left, right] = [a.get(path), b.get(path)];
    if (left !== undefined && right !== undefined) {
      const fields = diffEntries(left, right);
      if (fields.length > 0) found.push({change: 'changed', path, fields});
      continue;
    }
    const entry = left ?? right;
    const isTold = isBelow(path, alone);
    if (entry?.type === 'd') alone.add(path);
    if (entry !== undefined && !isTold)
      found.push({change: left === undefined ? 'added' : 'removed', path, type: typeName(entry)});
  }
  return found;
}

function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    if (folders.has(path.slice(0, end))) return true;
  return false;
}

function diffEntries(a: TreeEntry, b: TreeEntry): readonly FieldDifference[] {
  if (a.type !== b.type) return [{field: 'type', a: typeName(a), b: typeName(b)}];
  const pairs: readonly (readonly [EntryField, string, string])[] = [
    [detailField(a.type), decodeEscaped(a.detail), decodeEscaped(b.detail)],
    ['mode', a.mode, b.mode],
    ['owner', `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`],
    ['xattr', a.xattrs, b.xattrs],
    ['mtime', timeText(a.mtime), timeText(b.mtime)],
  ];
  return pairs.flatMap(([field, left, right]) => (left === right ? [] : [{field, a: left, b: right}]));
}

function detailField(type: string): EntryField {
  if (type === 'l') return 'link target';
  return type === 'f' ? 'content' : 'device';
}

const typeNames: Readonly<Record<string, string>> = {
  d: 'folder',
  f: 'file',
  l: 'link',
  c: 'device',
  b: 'device',
  p: 'pipe',
  s: 'socket',
};

/** A whiteout (overlayfs) is a character device 0:0. */
export function isWhiteout({type, detail}: TreeEntry): boolean {
  return type === 'c' && detail === '0';
}

function typeName(entry: TreeEntry): string {
  return isWhiteout(entry) ? 'removal' : (typeNames[entry.type] ?? entry.type);
}

function timeText(seconds: string): string {
  const time = new Date(Number(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? seconds : time.toISOString().replace('.000Z', 'Z');
}

/** As far as it is text: manifests escape bytes, not characters. */
function decodeEscaped(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}
