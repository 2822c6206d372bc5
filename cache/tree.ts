import {createHash} from 'node:crypto';
import {closeSync, lstatSync, lutimesSync, openSync, readdirSync, readlinkSync, readSync} from 'node:fs';

/**
 * The content of a folder as text and as a digest: what a layer *is*, whatever key made it.
 *
 * A manifest has one line for each entry below the folder, sorted bytewise by path:
 * `<type> <mode> <uid> <gid> <mtime> <detail> <xattrs> <path>`, where detail is the SHA-256 of a file, the target of
 * a link or the numbers of a device, and path and target are percent-encoded. The folder itself is not an entry.
 */
export interface TreeSummary {
  /** SHA-256 of the manifest. */
  readonly digest: string;
  readonly manifest: string;
  /** Sum of the files' sizes; a file with several links counts once. */
  readonly sizeBytes: number;
  readonly entries: number;
}

export interface SummarizeOptions {
  /** Times at or after `writtenSince` are set to `epoch` (seconds): what a build writes carries no time of the build. */
  readonly clamp?: {readonly writtenSince: number; readonly epoch: number};
  /** Extended attributes by path relative to the folder, each `name=hex`, sorted. */
  readonly xattrs?: ReadonlyMap<string, readonly string[]>;
  /** Files are not read: the detail of each is `-`. */
  readonly skim?: boolean;
}

/** Walks a folder, clamps its times where asked, and digests it. Throws what the file system throws. */
export function summarizeTree(
  folder: string,
  {clamp, xattrs, skim = false}: SummarizeOptions = {},
): TreeSummary {
  const lines: {path: Buffer; line: string}[] = [];
  const linked = new Map<string, string>();
  let sizeBytes = 0;

  const visit = (absolute: Buffer, relative: Buffer): void => {
    for (const name of readdirSync(absolute, {encoding: 'buffer'})) {
      const path = join(absolute, name);
      const below = relative.length === 0 ? name : join(relative, name);
      const stat = lstatSync(path);
      let type = '?';
      let detail = '-';
      if (stat.isDirectory()) {
        type = 'd';
        visit(path, below);
      } else if (stat.isFile()) {
        type = 'f';
        const identity = stat.nlink > 1 ? `${stat.dev}:${stat.ino}` : undefined;
        const known = identity === undefined ? undefined : linked.get(identity);
        detail = known ?? (skim ? '-' : digestFile(path));
        if (known === undefined) sizeBytes += stat.size;
        if (identity !== undefined) linked.set(identity, detail);
      } else if (stat.isSymbolicLink()) {
        type = 'l';
        detail = escapeBytes(readlinkSync(path, {encoding: 'buffer'}));
      } else if (stat.isCharacterDevice() || stat.isBlockDevice()) {
        type = stat.isCharacterDevice() ? 'c' : 'b';
        detail = String(stat.rdev);
      } else if (stat.isFIFO()) type = 'p';
      else if (stat.isSocket()) type = 's';

      let mtime = Math.floor(stat.mtimeMs / 1000);
      if (clamp !== undefined && mtime >= clamp.writtenSince) {
        lutimesSync(path, clamp.epoch, clamp.epoch);
        mtime = clamp.epoch;
      } else if (clamp !== undefined && stat.atimeMs < clamp.epoch * 1000) {
        // ext4 images hold times of access, up to the epoch; whether reading a file moves an old one is the mount's matter.
        lutimesSync(path, clamp.epoch, mtime);
      }
      const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
      const attributes = xattrs?.get(below.toString('latin1'))?.join(',') ?? '-';
      const line = `${type} ${mode} ${stat.uid} ${stat.gid} ${mtime} ${detail} ${attributes} ${escapeBytes(below)}\n`;
      lines.push({path: below, line});
    }
  };
  visit(Buffer.from(folder), Buffer.alloc(0));
  lines.sort((a, b) => Buffer.compare(a.path, b.path));
  const manifest = lines.map(({line}) => line).join('');
  return {digest: sha256(manifest), manifest, sizeBytes, entries: lines.length};
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a file's bytes, read in pieces. */
export function digestFile(path: string | Buffer): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.length, null);
      if (count === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}

const buffer = Buffer.allocUnsafe(1 << 20);
const slash = Buffer.from('/');

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, slash, name]);
}

/** Printable ASCII stays; every other byte, the space and `%` become %XX. */
function escapeBytes(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return /^[!-$&-~]*$/.test(text)
    ? text
    : text.replace(
        /[^!-$&-~]/g,
        (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
      );
}
