import {readdirSync, readFileSync, realpathSync, statSync} from 'node:fs';
import {join, sep} from 'node:path';
import {FgError, isErrno} from '../../../errors.ts';

/** A look at the project's folder: paths are relative to it, with forward slashes. */
export class ProjectFiles {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  isFolder(path: string): boolean {
    return this.#kind(path) === 'folder';
  }

  isFile(path: string): boolean {
    return this.#kind(path) === 'file';
  }

  /** The text of a file; undefined where there is none. */
  text(path: string): string | undefined {
    try {
      return readFileSync(join(this.dir, path), 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return undefined;
      if (isErrno(error, 'EACCES', 'ELOOP')) throw unreadable(path, error);
      throw error;
    }
  }

  /** Names in a folder, sorted; none where there is no folder. */
  names(path: string): readonly string[] {
    try {
      return readdirSync(join(this.dir, path)).sort();
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      if (isErrno(error, 'EACCES', 'ELOOP')) throw unreadable(path, error);
      throw error;
    }
  }

  /**
   * All files below a folder, relative to it, sorted. A link to a file is that file; one to a folder is not followed,
   * as by Ruby's Find; one that leads out of the project is refused.
   */
  below(path: string): readonly string[] {
    const found: string[] = [];
    const visit = (inside: string): void => {
      for (const entry of readdirSync(join(this.dir, path, inside), {withFileTypes: true})) {
        const name = `${inside}${entry.name}`;
        if (entry.isDirectory()) visit(`${name}/`);
        else if (entry.isFile()) found.push(name);
        else if (entry.isSymbolicLink() && this.#kind(`${path}/${name}`) === 'file') {
          this.#checkInside(`${path}/${name}`);
          found.push(name);
        }
      }
    };
    if (this.isFolder(path)) {
      this.#checkInside(path);
      visit('');
    }
    return found.sort();
  }

  #kind(path: string): 'file' | 'folder' | undefined {
    try {
      const stat = statSync(join(this.dir, path));
      return stat.isDirectory() ? 'folder' : stat.isFile() ? 'file' : undefined;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EACCES', 'ELOOP')) return undefined;
      throw error;
    }
  }

  #checkInside(path: string): void {
    const [real, project] = [realpathSync(join(this.dir, path)), realpathSync(this.dir)];
    if (real === project || real.startsWith(project + sep)) return;
    throw new FgError('SPEC_INVALID', `${path} leaves the project: a symbolic link leads out of it`, {
      hint: 'Copy what it leads to into the project',
    });
  }
}

function unreadable(path: string, cause: unknown): FgError {
  return new FgError('SPEC_INVALID', `${path} cannot be read`, {cause, hint: 'Check its permissions'});
}

/** The JSON object of a text; undefined where it is none. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The texts of a list; none where it is no list. */
export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}
