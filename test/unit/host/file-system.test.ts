import {mkdirSync, readFileSync, symlinkSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {FgError} from '../../../src/errors.ts';
import {fileSystemIn, fileSystemOf, refuseNetworkFileSystem} from '../../../src/host/file-system.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const mounts = String.raw`21 26 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
22 26 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
26 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard,errors=remount-ro
30 26 0:27 / /tmp rw,nosuid,nodev shared:16 - tmpfs tmpfs rw,size=12338020k
40 26 0:44 / /home rw,relatime shared:90 master:2 propagate_from:3 - nfs4 files.example.org:/export/home rw,vers=4.2
41 40 254:2 / /home/scratch rw,relatime shared:91 - xfs /dev/vdb rw,attr2
42 26 0:45 /sub /mnt/a\040b\011c\134d\012e rw,relatime - cifs //files/share rw,vers=3.1.1
43 26 0:46 / /mnt/old rw,relatime - fuse.sshfs ops@files.example.org:/srv rw,user_id=0,group_id=0
44 43 254:3 / /mnt/old rw,relatime - btrfs /dev/vdc rw,subvolid=5
45 26 254:4 / /mnt/new rw,relatime - ext4 /dev/vdd rw
46 45 0:47 / /mnt/new rw,relatime - virtiofs share rw
`;

describe('fileSystemIn()', () => {
  it.each([
    ['/', 'ext4', '/'],
    ['/var/cache/fgimage', 'ext4', '/'],
    ['/tmp', 'tmpfs', '/tmp'],
    ['/tmpfolder', 'ext4', '/'],
    ['/tmp/fgimage', 'tmpfs', '/tmp'],
    ['/home/scratch/fgimage', 'xfs', '/home/scratch'],
    ['/mnt/old/fgimage', 'btrfs', '/mnt/old'],
  ])('says that %s is on a local %s', (path, type, mountPoint) => {
    expect(fileSystemIn(mounts, path)).toEqual({type, network: false, mountPoint});
  });

  it.each([
    ['/home', 'nfs4', '/home'],
    ['/home/ops/.cache/fgimage', 'nfs4', '/home'],
    ['/home/scratchy', 'nfs4', '/home'],
    ['/mnt/a b\tc\\d\ne/fgimage', 'cifs', '/mnt/a b\tc\\d\ne'],
    ['/mnt/new', 'virtiofs', '/mnt/new'],
  ])('says that %s is on the network, by %s', (path, type, mountPoint) => {
    expect(fileSystemIn(mounts, path)).toEqual({type, network: true, mountPoint});
  });

  it.each([
    ...[
      'nfs',
      'nfs4',
      'cifs',
      'smb3',
      'smbfs',
      '9p',
      'virtiofs',
      'ceph',
      'glusterfs',
      'lustre',
      'gpfs',
      'beegfs',
    ],
    ...['afs', 'ncpfs', 'orangefs', 'fuse.sshfs', 'fuse.s3fs', 'fuse.rclone', 'fuse.glusterfs', 'fuse.ceph'],
  ])('knows %s as one of the network', (type) => {
    expect(fileSystemIn(`26 1 0:1 / / rw - ${type} source rw\n`, '/')?.network).toBe(true);
  });

  it.each([
    ...['ext4', 'xfs', 'btrfs', 'zfs', 'tmpfs', 'overlay', 'f2fs', 'bcachefs', 'ramfs'],
    ...['fuseblk', 'fuse', 'fuse.fuse-overlayfs', 'fuse.mergerfs', 'fuseblk.ntfs'],
  ])('knows %s as local', (type) => {
    expect(fileSystemIn(`26 1 0:1 / / rw - ${type} source rw\n`, '/')?.network).toBe(false);
  });

  it('knows nothing of a path for which the table has no line', () => {
    expect(fileSystemIn('', '/tmp')).toBeUndefined();
    expect(fileSystemIn('30 26 0:27 / /tmp rw - tmpfs tmpfs rw\n', '/srv')).toBeUndefined();
    expect(fileSystemIn('garbage\n\n', '/')).toBeUndefined();
  });
});

describe('fileSystemOf()', () => {
  it('agrees with the table for /proc', () => {
    expect(fileSystemOf('/proc/self')).toEqual({type: 'proc', network: false, mountPoint: '/proc'});
  });

  it('follows links, and takes the nearest folder for one that is not there', () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('real'));
    symlinkSync('/proc', folder.join('link'));
    expect(fileSystemOf(folder.join('link'))?.mountPoint).toBe('/proc');
    expect(fileSystemOf(folder.join('real/not/there'))).toEqual(fileSystemOf(folder.path));
    expect(fileSystemOf(folder.path)).toEqual(
      fileSystemIn(readFileSync('/proc/self/mountinfo', 'utf8'), folder.path),
    );
  });
});

describe('refuseNetworkFileSystem()', () => {
  it('lets a local folder pass', () => {
    expect(() => refuseNetworkFileSystem('/proc/self')).not.toThrow(FgError);
  });

  it('names the file system of one on the network, and what to do', () => {
    const found = fileSystemIn(mounts, '/home/ops/cache');
    expect(() => refuseNetworkFileSystem('/home/ops/cache', found)).toThrow(
      expect.objectContaining({
        code: 'CACHE_UNUSABLE',
        message:
          'Cannot use /home/ops/cache as the cache: it is on a network file system (nfs4, mounted at /home)',
        hint: 'Name a folder on a local disk with --cache-dir or $FGIMAGE_CACHE; to share results between machines use a remote cache',
      }),
    );
  });
});
