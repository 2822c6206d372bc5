import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {packageRoot} from '../../package-root.ts';
import {ImportError} from './entry.ts';

/**
 * What belongs to the file system, or the machine, that an image comes from: overlayfs's marks would be taken for ours,
 * labels and hashes are made anew where they are used. Access lists have another form in each place.
 */
const unwanted = /^(?:trusted\.|user\.overlay\.|security\.(?:selinux|ima|evm)$|system\.)/;

/** Sets extended attributes below a folder, by path relative to it. Gives how many were left out. */
export async function writeXattrs(
  folder: string,
  xattrs: ReadonlyMap<string, ReadonlyMap<string, Buffer>>,
): Promise<number> {
  const all = [...xattrs].flatMap(([path, values]) =>
    [...values].map(([name, value]) => ({path, name, value})),
  );
  const wanted = all.filter(({name}) => !unwanted.test(name));
  if (wanted.length === 0) return all.length;
  const script = join(packageRoot, 'src/stages/scripts/set-xattrs.pl');
  const child = spawn('perl', [script, folder], {stdio: ['pipe', 'ignore', 'pipe']});
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  child.stdin.on('error', () => undefined);
  const records = wanted.map(({path, name, value}) => `${path}\0${name}\0${value.toString('hex')}\0`);
  child.stdin.end(Buffer.from(records.join(''), 'latin1'));
  const [code] = (await once(child, 'close')) as readonly unknown[];
  if (code !== 0) throw new ImportError(`An extended attribute cannot be set: ${complaint.trim()}`);
  return all.length - wanted.length;
}
