import {mkdtemp, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {printable} from '../ui/format.ts';
import type {HostCheck} from './host-check.ts';
import {probe} from './probe.ts';

const timeoutMs = 20_000;

/**
 * Mounts an overlay in folder $1 with the further options $2, and does what a stage does: removes a file of the
 * lower layer, which leaves a whiteout, and gives a file to another owner. Cleans up itself, since only root of the
 * namespace may remove the files of its other users.
 */
const script = `
set -eu
cd "$1"
trap 'umount merged 2>/dev/null || true; rm -rf lower upper work merged' EXIT
mkdir lower upper work merged
echo lower > lower/file
mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work$2" merged
rm merged/file
test -c upper/file
echo upper > merged/file
chown 33:33 merged/file
`;

/** Whether overlays work where the cache lies, in the way that this user's builds mount them. */
export async function checkOverlay({
  parent,
  root,
}: {
  readonly parent: string;
  readonly root: boolean;
}): Promise<HostCheck> {
  const name = root ? 'overlayfs' : 'overlayfs in a user namespace';
  let folder: string;
  try {
    folder = await mkdtemp(join(parent, '.fgimage-doctor-'));
  } catch (error) {
    return lacking(name, error instanceof Error ? error.message : String(error));
  }
  try {
    const namespaces = root ? ['--mount'] : ['--user', '--map-root-user', '--map-auto', '--mount'];
    const shell = ['sh', '-c', script, 'sh', folder, root ? '' : ',userxattr'];
    const {exitCode, output, timedOut} = await probe(['unshare', ...namespaces, '--', ...shell], {timeoutMs});
    if (exitCode === 0) return {name, ok: true, severity: 'needed', found: `works in ${parent}`};
    const reason = printable(output.trim().split('\n')[0] ?? '');
    return lacking(name, timedOut ? 'no answer within 20 s' : `fails in ${parent}: ${reason}`, root);
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

function lacking(name: string, found: string, root = true): HostCheck {
  const mend = root
    ? 'choose a cache folder on a local file system with --cache-dir; in a container, allow it to mount'
    : 'mend what is said of subordinate ids and user namespaces; else choose a cache folder on a local file system with --cache-dir';
  return {name, ok: false, severity: 'needed', found, mend};
}
