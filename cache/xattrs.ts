import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {packageRoot} from '../src/package-root.ts';

/**
 * Not content: overlayfs's notes about inodes of the file systems it ran on (its opaque marks are content), and labels
 * that the host's SELinux gave.
 */
const uncounted = /^(?:user\.overlay\.(?:origin|impure|nlink|uuid|upper)|security\.selinux)=/;

/** Extended attributes below a folder: `name=hex` lists, sorted, by path relative to it (as latin1 text of its bytes). */
export async function listXattrs(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const script = join(packageRoot, 'cache', 'xattrs.pl');
  const {stdout} = await promisify(execFile)('perl', [script, folder], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  return parseXattrs(stdout);
}

/** What xattrs.pl printed, read as latin1. */
export function parseXattrs(printed: string): ReadonlyMap<string, readonly string[]> {
  const fields = printed.split('\0');
  const found = new Map<string, readonly string[]>();
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const path = fields[index] ?? '';
    const attributes = (fields[index + 1] ?? '').split(',');
    const counted = attributes.filter((attribute) => !uncounted.test(attribute)).sort();
    if (counted.length > 0) found.set(path, counted);
  }
  return found;
}
