import {posix} from 'node:path';
import type {ProjectFiles} from './project-files.ts';

/** Tells of a file of a cookbook, by its path in it, whether the client leaves it out. */
export type Ignored = (path: string) => boolean;

/**
 * The chefignore that counts for a cookbook: that of its own folder, else of the nearest folder around it
 * (Chef::Cookbook::Chefignore), up to the project.
 */
export function chefignore(files: ProjectFiles, folder: string): Ignored {
  for (let at = folder; ; at = posix.dirname(at)) {
    const text = files.text(`${at}/chefignore`);
    if (text !== undefined) return ignoredBy(text);
    if (at === '.' || at === '/') return () => false;
  }
}

export function ignoredBy(text: string): Ignored {
  const patterns = text
    .split('\n')
    .filter((line) => !/^\s*(#.*)?$/.test(line))
    .map((line) => fnmatch(line.trim()));
  return (path) => patterns.some((pattern) => pattern.test(path));
}

/** Ruby's File.fnmatch without flags: `*` and `?` match slashes too, but not a dot that the path begins with. */
function fnmatch(glob: string): RegExp {
  let pattern = '';
  for (let at = 0; at < glob.length; at += 1) {
    const sign = glob.charAt(at);
    const guard = pattern === '' ? '(?!\\.)' : '';
    const set = sign === '[' ? /^\[(?<not>[!^]?)(?<members>\]?[^\]]*)\]/.exec(glob.slice(at)) : null;
    if (sign === '*') pattern += `${guard}[\\s\\S]*`;
    else if (sign === '?') pattern += `${guard}[\\s\\S]`;
    else if (sign === '\\' && at + 1 < glob.length) {
      at += 1;
      pattern += escaped(glob.charAt(at));
    } else if (set !== null) {
      const {not = '', members = ''} = set.groups ?? {};
      pattern += `${guard}[${not === '' ? '' : '^'}${members.replaceAll(/[\\\]^]/g, '\\$&')}]`;
      at += set[0].length - 1;
    } else pattern += escaped(sign);
  }
  return new RegExp(`^${pattern}$`, 'u');
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
