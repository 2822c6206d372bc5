import {delimiter} from 'node:path';

/** Folders of administrators' programs, which an ordinary user's PATH lacks on Debian. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'] as const;

/** Where programs are looked for: PATH, then the system's folders. */
export function programFolders(path: string | undefined = process.env['PATH']): readonly string[] {
  const folders = (path ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
  return [...new Set([...folders, ...systemFolders])];
}
