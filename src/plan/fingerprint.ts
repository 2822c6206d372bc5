import {
  type BigIntStats,
  type Dirent,
  lstatSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs';
import {join, posix} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {FgError, isErrno} from '../errors.ts';
import type {Copy} from '../spec/image.ts';

/** A file of the project with its place in the image. */
export interface CopiedFile {
  readonly source: string;
  readonly path: string;
  readonly owner: string;
  readonly permissions: string;
  readonly link?: string;
}

/** Knows the digests of files that were read before, by what stat(2) says of them; `src/run/digest-cache.ts` is one. */
export interface DigestCache {
  /** The digest of the file's bytes, where it is sure without reading them. */
  get(path: string, stat: BigIntStats): string | undefined;
  /** `stat` and `statMs`, the time of asking for it, are from before the file was read. */
  set(
    path: string,
    known: {readonly stat: BigIntStats; readonly statMs: number; readonly digest: string},
  ): void;
}

/**
 * SHA-256 of a project's file as keys hold it, with the execute bit; a link counts by what it leads to, as that is
 * what is read. Throws `FgError` when it is no file (any more).
 */
export function fingerprint(projectDir: string, path: string, digests?: DigestCache): string {
  try {
    const absolute = join(projectDir, path);
    const statMs = Date.now();
    const stat = statSync(absolute, {bigint: true});
    if (!stat.isFile())
      throw new FgError('SPEC_INVALID', `Cannot read ${path}, which the spec names`, {hint: 'Name a file'});
    let digest = digests?.get(absolute, stat);
    if (digest === undefined) {
      digest = digestFile(absolute);
      digests?.set(absolute, {stat, statMs, digest});
    }
    return `${digest}${(stat.mode & 0o100n) === 0n ? '' : '+x'}`;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw error;
    throw new FgError('SPEC_INVALID', `Cannot read ${path}, which the spec names`, {
      cause: error,
      hint: 'Restore the file or take it out of the spec',
    });
  }
}

/** Expands `copy` entries to files, sorted bytewise, so that the order of a folder's entries never shows. */
export async function expandCopies(
  projectDir: string,
  copies: readonly Copy[],
): Promise<readonly CopiedFile[]> {
  const files: CopiedFile[] = [];
  for (const copy of copies) {
    for (const {source, inside, stat} of await matches(projectDir, copy)) {
      const path = inside === '' ? copy.path : posix.join(copy.path, inside);
      files.push({
        source,
        path,
        owner: copy.owner,
        permissions: copy.permissions ?? ((stat.mode & 0o100) === 0 ? '0644' : '0755'),
        ...(stat.isSymbolicLink() ? {link: readlinkSync(join(projectDir, source))} : {}),
      });
    }
  }
  return files;
}

/** The folders of the project, relative to it, in which a new file may belong to a `copy`. */
export function copiedFolders(projectDir: string, copies: readonly Copy[]): readonly string[] {
  const folders = copies.flatMap(({source}) =>
    source.flatMap((pattern) => {
      const plain = withoutSlash(pattern);
      const stat = lstat(join(projectDir, plain));
      if (stat === undefined) return [fixedPart(pattern)];
      return stat.isDirectory() ? [plain] : [];
    }),
  );
  return [...new Set(folders)];
}

interface Match {
  readonly source: string;
  /** By what name below the path of the copy; empty: the path is the file's own. */
  readonly inside: string;
  readonly stat: Stats;
}

/**
 * The files that a `copy` names: a plain file is itself (`inside` empty unless the path is a folder's), a folder
 * brings what is below it, a pattern its matches by the path below the part without wildcards.
 */
async function matches(projectDir: string, copy: Copy): Promise<readonly Match[]> {
  const found: Match[] = [];
  for (const pattern of copy.source) {
    const plain = withoutSlash(pattern);
    const stat = lstat(join(projectDir, plain));
    if (stat !== undefined && !stat.isDirectory()) {
      const inside = copy.path.endsWith('/') || copy.source.length > 1 ? posix.basename(plain) : '';
      found.push({source: plain, inside, stat});
      continue;
    }
    const base = stat === undefined ? fixedPart(pattern) : plain;
    const sources =
      stat !== undefined && copy.exclude.length === 0
        ? allBelow(projectDir, plain)
        : await globbed(projectDir, {pattern, folder: stat === undefined ? undefined : plain, copy});
    if (sources.length === 0 && stat === undefined) {
      throw new FgError('SPEC_INVALID', `Nothing matches ${pattern}, which the spec copies`, {
        hint: 'Restore the files or take the pattern out of the spec',
      });
    }
    for (const {path, dirent} of sources) {
      if (dirent.isDirectory()) continue;
      if (!dirent.isFile() && !dirent.isSymbolicLink()) throw notAFile(path);
      const entry = lstat(join(projectDir, path));
      // What is not UTF-8 comes with replacement characters, and is not found again by that name.
      if (entry === undefined) {
        const place = base === '' ? 'the project' : base;
        throw new FgError('SPEC_INVALID', `The name of a file in ${place} is not UTF-8: ${path}`, {
          hint: 'Rename the file or exclude it',
        });
      }
      const inside = base === '' || base === '.' ? path : posix.relative(base, path);
      found.push({source: path, inside, stat: entry});
    }
  }
  return sortedBytewise(found);
}

interface FolderEntry {
  readonly path: string;
  readonly dirent: Pick<Dirent, 'isDirectory' | 'isFile' | 'isSymbolicLink'>;
}

async function globbed(
  projectDir: string,
  {pattern, folder, copy}: {pattern: string; folder: string | undefined; copy: Copy},
): Promise<readonly FolderEntry[]> {
  const {default: glob} = await import('fast-glob');
  return glob(folder === undefined ? pattern : `${glob.escapePath(folder)}/**`, {
    cwd: projectDir,
    dot: true,
    followSymbolicLinks: false,
    onlyFiles: false,
    ignore: [...copy.exclude],
    objectMode: true,
  });
}

/** A whole folder, as `globbed` gives it, without what it costs to load a matcher. */
function allBelow(projectDir: string, folder: string): readonly FolderEntry[] {
  const entries: FolderEntry[] = [];
  const visit = (prefix: string): void => {
    for (const dirent of readdirSync(join(projectDir, prefix), {withFileTypes: true})) {
      const path = `${prefix}${dirent.name}`;
      entries.push({path, dirent});
      if (dirent.isDirectory()) visit(`${path}/`);
    }
  };
  visit(folder === '.' ? '' : `${folder.replaceAll(/\/{2,}/g, '/')}/`);
  return entries;
}

/** By the bytes of the path; texts of ASCII alone are in that order as they are. */
function sortedBytewise(found: readonly Match[]): readonly Match[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what is looked for
  if (found.every(({source}) => /^[\u0000-\u007F]*$/.test(source)))
    return found.toSorted((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0));
  return found.toSorted((a, b) => Buffer.compare(Buffer.from(a.source), Buffer.from(b.source)));
}

function withoutSlash(pattern: string): string {
  return pattern.replace(/\/+$/, '');
}

function lstat(path: string): Stats | undefined {
  return lstatSync(path, {throwIfNoEntry: false});
}

function notAFile(path: string): FgError {
  return new FgError('SPEC_INVALID', `${path}, which the spec names, is neither a file nor a folder`, {
    hint: 'Remove it or exclude it',
  });
}

/** The folders of a pattern before its first wildcard. */
function fixedPart(pattern: string): string {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => /[*?[\]{}!()]/.test(part));
  return parts.slice(0, wild === -1 ? parts.length - 1 : wild).join('/');
}
