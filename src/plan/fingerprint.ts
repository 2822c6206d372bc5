import {lstatSync, readlinkSync, type Stats, statSync} from 'node:fs';
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

/**
 * SHA-256 of a project's file as keys hold it, with the execute bit; a link counts by what it leads to, as that is
 * what is read. Throws `FgError` when it is no file (any more).
 */
export function fingerprint(projectDir: string, path: string): string {
  try {
    const absolute = join(projectDir, path);
    const stat = statSync(absolute);
    if (!stat.isFile())
      throw new FgError('SPEC_INVALID', `Cannot read ${path}, which the spec names`, {hint: 'Name a file'});
    return `${digestFile(absolute)}${(stat.mode & 0o100) === 0 ? '' : '+x'}`;
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
    for (const {source, inside} of await matches(projectDir, copy)) {
      const stat = lstatSync(join(projectDir, source));
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

/**
 * The files that a `copy` names: a plain file is itself (`inside` empty unless the path is a folder's), a folder
 * brings what is below it, a pattern its matches by the path below the part without wildcards.
 */
async function matches(projectDir: string, copy: Copy): Promise<readonly {source: string; inside: string}[]> {
  const {default: glob} = await import('fast-glob');
  const found: {source: string; inside: string}[] = [];
  for (const pattern of copy.source) {
    const plain = pattern.replace(/\/+$/, '');
    const stat = lstat(join(projectDir, plain));
    if (stat !== undefined && !stat.isDirectory()) {
      found.push({
        source: plain,
        inside: copy.path.endsWith('/') || copy.source.length > 1 ? posix.basename(plain) : '',
      });
      continue;
    }
    const base = stat === undefined ? fixedPart(pattern) : plain;
    const wanted = stat === undefined ? pattern : `${glob.escapePath(plain)}/**`;
    const sources = await glob(wanted, {
      cwd: projectDir,
      dot: true,
      followSymbolicLinks: false,
      onlyFiles: false,
      ignore: [...copy.exclude],
      objectMode: true,
    });
    if (sources.length === 0 && stat === undefined) {
      throw new FgError('SPEC_INVALID', `Nothing matches ${pattern}, which the spec copies`, {
        hint: 'Restore the files or take the pattern out of the spec',
      });
    }
    for (const entry of sources) {
      if (entry.dirent.isDirectory()) continue;
      if (!entry.dirent.isFile() && !entry.dirent.isSymbolicLink()) throw notAFile(entry.path);
      // What is not UTF-8 comes with replacement characters, and is not found again by that name.
      if (lstat(join(projectDir, entry.path)) === undefined) {
        throw new FgError(
          'SPEC_INVALID',
          `The name of a file in ${base === '' ? 'the project' : base} is not UTF-8: ${entry.path}`,
          {
            hint: 'Rename the file or exclude it',
          },
        );
      }
      found.push({
        source: entry.path,
        inside: base === '' || base === '.' ? entry.path : posix.relative(base, entry.path),
      });
    }
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a.source), Buffer.from(b.source)));
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
