import {execFileSync} from 'node:child_process';
import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {listXattrs} from '../../cache/xattrs.ts';
import type {Filesystem} from '../../targets/contract.ts';
import {epoch} from './disk-rig.ts';

/**
 * What is in a folder, a line a name: type, mode, owner, size, links, time, target, SHA-256, attributes. Times after the
 * epoch are the epoch's, as a pack writes them. Of `leftOut`, paths with a slash at the end mean what is below.
 */
export async function treeListing(
  folder: string,
  leftOut: readonly string[] = [],
): Promise<readonly string[]> {
  const script = `cd "$0" && find . -printf '%P\\t%y\\t%m\\t%U:%G\\t%s\\t%n\\t%T@\\t%l\\n' | LC_ALL=C sort`;
  const rows = execFileSync('sh', ['-c', script, folder], {encoding: 'utf8', maxBuffer: 1 << 26});
  const sums = execFileSync('sh', ['-c', 'cd "$0" && find . -type f -exec sha256sum -z {} +', folder], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const digests = new Map(
    sums.split('\0').map((line) => [line.slice('digest  ./'.length + 58), line.slice(0, 64)] as const),
  );
  const attributes = await listXattrs(folder);
  return rows.split('\n').flatMap((row) => {
    const [path = '', type, mode, owner, size, links, time, target] = row.split('\t');
    if (
      row === '' ||
      packed.test(path) ||
      leftOut.some((one) => path === one || (one.endsWith('/') && path.startsWith(one)))
    )
      return [];
    const seconds = Math.min(Math.floor(Number(time)), epoch);
    // What a folder's size and links are is each file system's own matter, and its time changes with what is packed into it.
    const own = type === 'd' ? [] : [size, links, seconds, target, digests.get(path)];
    // XFS shows the super user the form in which it stores ACLs as well.
    const held = (attributes.get(Buffer.from(path).toString('latin1')) ?? []).filter(
      (one) => !/^trusted\.SGI_ACL/.test(one),
    );
    return [[path, type, mode, owner, ...own, ...held].join(' ')];
  });
}

/** What a pack itself adds. */
const packed =
  /^(?:etc\/fstab|etc\/kernel(?:\/.*)?|boot\/(?:initrd|grub|efi).*|grub(?:\/.*)?|initrd.*|efi|lost\+found)$/;

/** Mounts a file system, read-only, for a look at it. */
export async function listVolume(
  filesystem: Filesystem,
  file: string,
  leftOut: readonly string[] = [],
): Promise<readonly string[]> {
  const at = join(`${file}.mounted`);
  mkdirSync(at);
  execFileSync('mount', ['-o', 'loop,ro', '-t', filesystem, file, at]);
  try {
    return await treeListing(at, leftOut);
  } finally {
    execFileSync('umount', [at]);
    rmSync(at, {recursive: true});
  }
}
