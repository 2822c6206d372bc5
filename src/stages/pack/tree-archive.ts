import {closeSync, openSync, readSync} from 'node:fs';
import {join} from 'node:path';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {runTool} from '../tool.ts';
import type {FileSystemRequest} from './file-system.ts';
import {listTreeXattrs} from './xattrs.ts';

/** A part of a tree as one archive in the work folder, and what is in it: file systems that are written here read that. */
export interface TreeArchive {
  /** Path of the archive; entries tell where the bytes of files lie in it. */
  readonly path: string;
  /** Folders before what is in them, names sorted by their bytes; the first is the part's own folder. */
  readonly entries: readonly TreeEntry[];
}

export type TreeEntryType = 'file' | 'folder' | 'link' | 'character' | 'block' | 'pipe';

/** An inode, by its first name. Text holds bytes, one a character (latin1). */
export interface TreeEntry {
  readonly type: TreeEntryType;
  /** Relative to the part; '' is its own folder. */
  readonly path: string;
  /** Further names of a file. */
  readonly otherPaths: readonly string[];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Of a file. */
  readonly sizeBytes: number;
  readonly at: number;
  /** Target of a link. */
  readonly target: string;
  readonly device: {readonly major: number; readonly minor: number};
  readonly xattrs: readonly TreeXattr[];
}

export interface TreeXattr {
  readonly name: string;
  readonly value: Buffer;
}

/** Writes the part of the tree that a file system is to hold into an archive, and reads what is in it. */
export async function archiveTree(
  context: StageContext,
  {volume, above, binds}: FileSystemRequest,
): Promise<Result<TreeArchive, StageFailure>> {
  const xattrs = await listTreeXattrs(context, {above, binds, path: volume.path});
  if (!xattrs.ok) return xattrs;
  context.progress(`Reading ${volume.path}`);
  const name = 'volume.tar';
  const written = await runTool(context, {
    program: 'tar',
    tree: {above, binds},
    args: (at) => [
      '--create',
      '--file',
      at('work', name),
      '--sort=name',
      '--format=posix',
      '--pax-option=delete=atime,delete=ctime,delete=mtime',
      '--numeric-owner',
      '--directory',
      at('tree', volume.path),
      '.',
    ],
    shown: ['tar', volume.path],
  });
  if (!written.ok) return written;
  const path = join(context.work, name);
  return ok({path, entries: readEntries(path, xattrs.value)});
}

const blockBytes = 512;

interface Raw extends Omit<TreeEntry, 'otherPaths' | 'xattrs' | 'type'> {
  readonly type: TreeEntryType | 'hard';
}

/** Reads the headers of an archive that tar(1) wrote in pax format (POSIX.1-2017, pax). */
function readEntries(path: string, xattrs: ReadonlyMap<string, readonly string[]>): readonly TreeEntry[] {
  const found: (TreeEntry & {otherPaths: string[]})[] = [];
  const byPath = new Map<string, TreeEntry & {otherPaths: string[]}>();
  for (const raw of readHeaders(path)) {
    if (raw.type === 'hard') {
      byPath.get(plain(raw.target))?.otherPaths.push(raw.path);
      continue;
    }
    const entry = {
      ...raw,
      type: raw.type,
      otherPaths: [],
      xattrs: (xattrs.get(raw.path) ?? []).map((one) => {
        const at = one.lastIndexOf('=');
        return {name: one.slice(0, at), value: Buffer.from(one.slice(at + 1), 'hex')};
      }),
    };
    found.push(entry);
    byPath.set(raw.path, entry);
  }
  return found;
}

const types: Readonly<Record<string, TreeEntryType | 'hard'>> = {
  '0': 'file',
  '\0': 'file',
  '1': 'hard',
  '2': 'link',
  '3': 'character',
  '4': 'block',
  '5': 'folder',
  '6': 'pipe',
};

function* readHeaders(path: string): Generator<Raw> {
  const file = openSync(path, 'r');
  const header = Buffer.alloc(blockBytes);
  try {
    let records = new Map<string, string>();
    for (let at = 0; readSync(file, header, 0, blockBytes, at) === blockBytes && header[0] !== 0; ) {
      const size = Number(records.get('size') ?? number(header, 124, 12));
      const letter = header.toString('latin1', 156, 157);
      const next = at + blockBytes + Math.ceil(size / blockBytes) * blockBytes;
      if (letter === 'x') {
        const data = Buffer.alloc(size);
        readSync(file, data, 0, size, at + blockBytes);
        records = parseRecords(data);
      } else {
        const type = types[letter];
        if (type === undefined) throw new Error(`The archive of the tree has a member of type ${letter}`);
        yield {
          type,
          path: plain(records.get('path') ?? nameOf(header)),
          mode: number(header, 100, 8) & 0o7777,
          uid: Number(records.get('uid') ?? number(header, 108, 8)),
          gid: Number(records.get('gid') ?? number(header, 116, 8)),
          modified: number(header, 136, 12),
          sizeBytes: type === 'file' ? size : 0,
          at: at + blockBytes,
          target: records.get('linkpath') ?? text(header, 157, 100),
          device: {major: number(header, 329, 8), minor: number(header, 337, 8)},
        };
        records = new Map();
      }
      at = next;
    }
  } finally {
    closeSync(file);
  }
}

function parseRecords(data: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < data.length; ) {
    const blank = data.indexOf(' ', at);
    const end = at + Number(data.toString('latin1', at, blank));
    const equals = data.indexOf('=', blank);
    found.set(data.toString('latin1', blank + 1, equals), data.toString('latin1', equals + 1, end - 1));
    at = end;
  }
  return found;
}

function nameOf(header: Buffer): string {
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** `./usr/bin/` is `usr/bin`, `./` is ''. */
function plain(name: string): string {
  return name.replace(/^\.(?:\/|$)/, '').replace(/\/$/, '');
}

function text(header: Buffer, at: number, length: number): string {
  const field = header.toString('latin1', at, at + length);
  const end = field.indexOf('\0');
  return end === -1 ? field : field.slice(0, end);
}

/** Octal digits, or GNU's base 256. */
function number(header: Buffer, at: number, length: number): number {
  const first = header[at] ?? 0;
  if (first < 0x80) {
    const digits = text(header, at, length).trim();
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  return Number(header.readBigInt64BE(at + length - 8));
}
