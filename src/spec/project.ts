import {statSync} from 'node:fs';
import {readdir, realpath, stat} from 'node:fs/promises';
import {basename, dirname, join, sep} from 'node:path';
import {isErrno} from '../errors.ts';
import {quote} from './diagnostic.ts';
import {nearest} from './nearest.ts';

export interface PathProblem {
  readonly message: string;
  readonly hint: string;
}

const leaves = (path: string, why: string): PathProblem => ({
  message: `${quote(path)} leaves the project: ${why}`,
  hint: 'Copy it into the folder of the spec and name it relative to that',
});

/** Parts of a path or of a glob pattern that lead up, or to the root. */
const upward = /(^|[/{,(|])\.\.($|[/},)|])/;
const rooted = /(^|[{,(|])[/~]/;

/** The folder of a spec: the only place on the host from which files come into an image. */
export class Project {
  readonly dir: string;
  readonly #real: string;

  private constructor(dir: string, real: string) {
    this.dir = dir;
    this.#real = real;
  }

  static async open(dir: string): Promise<Project> {
    return new Project(dir, await realpath(dir));
  }

  /** Whether a path of the project is an existing file; false for what is no path at all. */
  readonly isFile = (path: string): boolean => {
    if (path.length > 1024 || upward.test(path) || rooted.test(path) || path.includes('\0')) return false;
    try {
      return statSync(join(this.dir, path)).isFile();
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP')) return false;
      throw error;
    }
  };

  /** What is wrong with a path that must be a file of the project (a folder too, where `folder` says so). */
  async problem(
    path: string,
    {folder = false}: {readonly folder?: boolean} = {},
  ): Promise<PathProblem | undefined> {
    if (rooted.test(path)) return leaves(path, 'it is an absolute path');
    if (upward.test(path)) return leaves(path, '`..` may lead out of it');
    try {
      const real = await realpath(join(this.dir, path));
      if (!this.#holds(real)) return leaves(path, 'a symbolic link leads out of it');
      const found = await stat(real);
      if (found.isFile() || (folder && found.isDirectory())) return undefined;
      const hint = found.isDirectory() ? 'Name a file in it' : 'Name a regular file';
      return {message: `${quote(path)} is not a file`, hint};
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return this.#absent(path);
      if (isErrno(error, 'EACCES', 'ELOOP')) {
        return {
          message: `${quote(path)} cannot be read`,
          hint: 'Check its permissions and the links on the way',
        };
      }
      throw error;
    }
  }

  /** What is wrong with a fast-glob pattern, or a plain path, of files to copy. */
  async patternProblem(pattern: string, exclude: readonly string[]): Promise<PathProblem | undefined> {
    if (pattern.startsWith('!'))
      return {message: `${quote(pattern)} leaves out files`, hint: 'Put it under `exclude`, without the `!`'};
    const {default: glob} = await import('fast-glob');
    if (!glob.isDynamicPattern(pattern)) return this.problem(pattern, {folder: true});
    if (rooted.test(pattern)) return leaves(pattern, 'it is an absolute path');
    if (upward.test(pattern)) return leaves(pattern, '`..` may lead out of it');
    const base = staticPart(pattern, glob.isDynamicPattern);
    const problem = base === '' ? undefined : await this.problem(base, {folder: true});
    if (problem !== undefined) return problem;
    const found = glob.stream(pattern, {
      cwd: this.dir,
      dot: true,
      onlyFiles: false,
      followSymbolicLinks: false,
      suppressErrors: true,
      ignore: exclude.filter((one) => !upward.test(one) && !rooted.test(one)),
    });
    for await (const _ of found) return undefined;
    return {
      message: `${quote(pattern)} matches no file of the project`,
      hint: 'Check the pattern, and what `exclude` leaves out',
    };
  }

  #holds(real: string): boolean {
    return real === this.#real || real.startsWith(this.#real.endsWith(sep) ? this.#real : this.#real + sep);
  }

  async #absent(path: string): Promise<PathProblem> {
    const folder = dirname(path);
    const names: readonly string[] = await readdir(join(this.dir, folder)).catch(() => []);
    if (names.includes(basename(path)))
      return {
        message: `${quote(path)} is a symbolic link to what is not there`,
        hint: 'Mend the link, or name a file that is there',
      };
    const near = nearest(basename(path), names.toSorted());
    const hint =
      near === undefined ? 'Make the file, or name one that is there' : `Write \`${join(folder, near)}\``;
    return {message: `There is no ${quote(path)} in the project`, hint};
  }
}

function staticPart(pattern: string, isDynamic: (part: string) => boolean): string {
  const parts = pattern.split('/');
  const first = parts.findIndex((part) => isDynamic(part));
  return parts.slice(0, first === -1 ? parts.length : first).join('/');
}
