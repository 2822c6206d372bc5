import {readFileSync, realpathSync} from 'node:fs';
import {dirname, resolve} from 'node:path';
import {FgError, isErrno} from '../errors.ts';

/** The file system that a folder is on. */
export interface FileSystem {
  /** The kernel's name of it; `fuse.<name>` for one by FUSE, e.g. `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
  /** Whether other machines may have it mounted too. */
  readonly network: boolean;
  readonly mountPoint: string;
}

/**
 * File systems whose files other machines reach too. Locks there are advisory among the processes of one machine only,
 * or come and go with the connection, and the shared memory of SQLite's WAL mode is not shared at all
 * (https://sqlite.org/wal.html, https://sqlite.org/faq.html#q5). Folders that a hypervisor shares with its guests are
 * no different: virtiofs keeps locks in the guest unless its daemon is told otherwise, and a second guest, or the host,
 * sees none of them. What keeps its locks in the cluster (ocfs2, gfs2) has the shared memory against it.
 */
const networkTypes: ReadonlySet<string> = new Set([
  ...[
    'nfs',
    'nfs4',
    'cifs',
    'smb3',
    'smbfs',
    'ncpfs',
    'afs',
    'coda',
    '9p',
    'virtiofs',
    'vboxsf',
    'vmhgfs',
    'prl_fs',
  ],
  ...[
    'ceph',
    'glusterfs',
    'lustre',
    'gpfs',
    'beegfs',
    'pvfs2',
    'orangefs',
    'ocfs2',
    'gfs2',
    'panfs',
    'wekafs',
    'davfs',
  ],
]);

/** The same, of those by FUSE; one that is not named here counts as local. */
const networkFuse: ReadonlySet<string> = new Set([
  ...[
    'sshfs',
    'curlftpfs',
    'davfs',
    'davfs2',
    'smbnetfs',
    'gvfsd-fuse',
    'rclone',
    'vmhgfs-fuse',
    'nfs',
    'httpfs',
  ],
  ...['s3fs', 's3ql', 'goofys', 'geesefs', 'gcsfuse', 'blobfuse', 'blobfuse2', 'mount-s3'],
  ...[
    'glusterfs',
    'ceph',
    'ceph-fuse',
    'beegfs',
    'juicefs',
    'JuiceFS',
    'seaweedfs',
    'mfs',
    'lizardfs',
    'saunafs',
  ],
]);

/**
 * What a folder is on, by the kernel's table of mounts; the folder need not be there yet. Undefined where there is no
 * such table.
 */
export function fileSystemOf(folder: string): FileSystem | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
  return fileSystemIn(table, nearestReal(folder));
}

/** Throws `FgError` for a folder in which neither the cache's database nor its locks are safe. */
export function refuseNetworkFileSystem(folder: string, found = fileSystemOf(folder)): void {
  if (found?.network !== true) return;
  throw new FgError(
    'CACHE_UNUSABLE',
    `Cannot use ${folder} as the cache: it is on a network file system (${found.type}, mounted at ${found.mountPoint})`,
    {
      hint: 'Name a folder on a local disk with --cache-dir or $FGIMAGE_CACHE; to share results between machines use a remote cache',
    },
  );
}

/**
 * The line of proc_pid_mountinfo(5) that a path without links belongs to: of the longest mount point above it, the last
 * line, since a later mount covers an earlier one.
 */
export function fileSystemIn(table: string, path: string): FileSystem | undefined {
  let found: FileSystem | undefined;
  for (const line of table.split('\n')) {
    const [left = '', right] = line.split(' - ');
    const mountPoint = unescapePath(left.split(' ')[4] ?? '');
    const type = right?.split(' ')[0];
    if (type === undefined || !isBelow(path, mountPoint)) continue;
    if (found === undefined || mountPoint.length >= found.mountPoint.length)
      found = {type, network: isNetwork(type), mountPoint};
  }
  return found;
}

function isNetwork(type: string): boolean {
  const fuse = /^fuse(?:blk)?\.(?<name>.*)$/.exec(type)?.groups?.['name'];
  return fuse === undefined ? networkTypes.has(type) : networkFuse.has(fuse);
}

function isBelow(path: string, mountPoint: string): boolean {
  if (mountPoint === '/') return true;
  return mountPoint !== '' && (path === mountPoint || path.startsWith(`${mountPoint}/`));
}

/** Space, tab, line feed and backslash stand as octal numbers. */
function unescapePath(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

/**
 * The folder without links, or the nearest one above it that is there. A mount whose server is gone answers nothing:
 * there the path counts as it stands.
 */
function nearestReal(folder: string): string {
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      return realpathSync(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR') || path === '/') return path;
    }
  }
}
