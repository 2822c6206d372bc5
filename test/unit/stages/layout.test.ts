import {describe, expect, it} from 'vitest';
import {fstab} from '../../../src/stages/pack/fstab.ts';
import {diskParts, placeDisk} from '../../../src/stages/pack/layout.ts';
import {type Content, parseContent} from '../../../src/stages/pack/measure.ts';
import type {DiskPackPlan, StorageLayout} from '../../../targets/contract.ts';

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;
const identity = 'a'.repeat(64);

const tree: Content = {
  files: 15_000,
  folders: 2000,
  longLinks: 10,
  blocks: 150_000,
  entryBytes: 600_000,
  folder: {mode: 0o755, uid: 0, gid: 0},
};
const little: Content = {...tree, files: 100, folders: 10, blocks: 2000, entryBytes: 4000};

function plan(storage: Partial<StorageLayout>, rest: Partial<DiskPackPlan> = {}): DiskPackPlan {
  return {
    kind: 'disk',
    firmware: 'both',
    loader: 'grub',
    cmdline: '',
    storage: {table: 'gpt', root: {filesystem: 'ext4'}, mounts: [], ...storage},
    outputs: [],
    ...rest,
  };
}

function place(of: DiskPackPlan) {
  const parts = diskParts(of, identity);
  const content = new Map(parts.volumes.map(({path}) => [path, path === '/' ? tree : little]));
  return placeDisk({plan: of, parts, identity, content, architecture: 'amd64'});
}

function placed(of: DiskPackPlan) {
  const found = place(of);
  if (!found.ok) throw new Error(JSON.stringify(found.error));
  return found.value;
}

const whole = plan({
  boot: {filesystem: 'xfs', sizeBytes: gibibyte},
  swapBytes: gibibyte,
  mounts: [
    {path: '/srv/data', filesystem: 'btrfs', sizeBytes: gibibyte},
    {path: '/srv', filesystem: 'ext4', sizeBytes: gibibyte},
  ],
});

describe('placeDisk()', () => {
  it.each([
    ['GRUB for both firmwares', plan({}), ['bios', 'esp', 'root']],
    ['GRUB for BIOS', plan({}, {firmware: 'bios'}), ['bios', 'root']],
    ['GRUB for UEFI', plan({}, {firmware: 'uefi'}), ['esp', 'root']],
    ['GRUB in an MBR', plan({table: 'mbr'}), ['esp', 'root']],
    ['systemd-boot', plan({}, {loader: 'systemd-boot', firmware: 'uefi'}), ['esp', 'root']],
    ['no loader', plan({}, {loader: 'none'}), ['root']],
    ['no table', plan({table: 'none'}, {loader: 'none'}), ['root']],
    ['everything', whole, ['bios', 'esp', 'boot', 'data2', 'data1', 'swap', 'root']],
  ])('has the partitions that are needed for %s, the root last', (_, of, names) => {
    expect(placed(of).partitions.map(({name}) => name)).toEqual(names);
  });

  it('gives a root without a table the whole disk', () => {
    const {sizeBytes, partitions} = placed(plan({table: 'none'}, {loader: 'none'}));
    expect(partitions).toMatchObject([{firstSector: 0, sectors: sizeBytes / 512}]);
  });

  it('fits a disk to the tree: with a third of the root free, or with next to nothing', () => {
    const treeBytes = tree.blocks * 4096;
    const rootBytes = (of: DiskPackPlan) => (placed(of).partitions.at(-1)?.sectors ?? 0) * 512;
    const minimal = rootBytes(plan({fit: 'minimal'}));
    expect(minimal / treeBytes).toBeGreaterThan(1.05);
    expect(minimal / treeBytes).toBeLessThan(1.2);
    expect(rootBytes(plan({}))).toBeGreaterThanOrEqual(minimal * 1.5);
    expect(placed(plan({})).sizeBytes % (gibibyte / 2)).toBe(0);
  });

  it('counts in what the infrastructure counts in', () => {
    expect(placed(plan({multipleOfBytes: gibibyte, fit: 'minimal'})).sizeBytes).toBe(gibibyte);
    expect(placed(plan({multipleOfBytes: gibibyte, sizeBytes: 3 * gibibyte + 1})).sizeBytes).toBe(
      4 * gibibyte,
    );
  });

  it.each(['ext4', 'xfs', 'btrfs'] as const)(
    'takes the least size that it names for %s, and no less',
    (filesystem) => {
      const refused = place(plan({root: {filesystem}, sizeBytes: 400 * mebibyte}));
      if (refused.ok || refused.error.reason !== 'refused') throw new Error('It was taken');
      expect(refused.error.message).toBe('A disk of 400 MiB is too small for a tree of 586 MiB');
      const least = Number(/(\d+)MiB/.exec(refused.error.hint)?.[1]) * mebibyte;
      expect(place(plan({root: {filesystem}, sizeBytes: least})).ok).toBe(true);
      expect(place(plan({root: {filesystem}, sizeBytes: least - mebibyte})).ok).toBe(false);
      expect(placed(plan({root: {filesystem}, fit: 'minimal'})).sizeBytes).toBe(least);
    },
  );

  it('refuses a disk that an MBR cannot count', () => {
    expect(place(plan({table: 'mbr', sizeBytes: 3 * 2 ** 40}))).toMatchObject({
      error: {message: 'An MBR can divide no disk of more than 2 TiB'},
    });
  });
});

describe('fstab()', () => {
  it('mounts each file system by its UUID, a folder before what lies in it', () => {
    const id = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
    const esp = /UUID=[0-9A-F]{4}-[0-9A-F]{4}/;
    expect(fstab(diskParts(whole, identity)).replaceAll(id, 'id').replace(esp, 'UUID=ID')).toBe(
      `UUID=id / ext4 errors=remount-ro 0 1
UUID=id /boot xfs defaults 0 0
UUID=id /srv ext4 defaults 0 2
UUID=id /srv/data btrfs defaults 0 0
UUID=ID /boot/efi vfat umask=0077,nofail 0 2
UUID=id none swap sw 0 0
`,
    );
  });

  it('writes blanks as fstab(5) wants them', () => {
    const mounts = [{path: '/srv/with a\\blank', filesystem: 'ext4', sizeBytes: gibibyte}] as const;
    expect(fstab(diskParts(plan({mounts}), identity))).toContain(' /srv/with\\040a\\134blank ext4 ');
  });
});

describe('parseContent()', () => {
  it('reads paths with blanks', () => {
    expect(parseContent('1 2 3 4 5 493 6 7 /srv/a b\n')).toEqual(
      new Map([
        [
          '/srv/a b',
          {
            files: 1,
            folders: 2,
            longLinks: 3,
            blocks: 4,
            entryBytes: 5,
            folder: {mode: 0o755, uid: 6, gid: 7},
          },
        ],
      ]),
    );
  });
});
