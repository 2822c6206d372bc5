import type {Image} from '../../src/spec/image.ts';

/** What checks the image's file systems and lets them grow. */
export function filesystemPackages({storage: {filesystem, boot, mounts = []}}: Image): readonly string[] {
  const used = new Set([filesystem, boot?.filesystem, ...mounts.map((mount) => mount.filesystem)]);
  return [
    'e2fsprogs',
    ...(used.has('xfs') ? ['xfsprogs'] : []),
    ...(used.has('btrfs') ? ['btrfs-progs'] : []),
  ];
}
