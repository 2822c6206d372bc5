import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {packageRoot} from '../src/package-root.ts';

/** Extended attributes below a folder: `name=hex` lists, sorted, by path relative to it (as latin1 text of its bytes). */
export async function listXattrs(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const script = join(packageRoot, 'cache', 'xattrs.pl');
  const {stdout} = await promisify(execFile)('perl', [script, folder], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  const fields = stdout.split('\0');
  const found = new Map<string, readonly string[]>();
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const path = fields[index] ?? '';
    const attributes = (fields[index + 1] ?? '').split(',');
    found.set(path, attributes.filter((attribute) => !attribute.startsWith('security.selinux=')).sort());
  }
  return found;
}
