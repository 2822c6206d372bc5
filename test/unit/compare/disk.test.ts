import {closeSync, openSync, truncateSync} from 'node:fs';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {make, offsetOf, placeAt} from './artifacts.ts';

const folder = new TemporaryFolder();
const disk = folder.join('disk.raw');
const mib = 1 << 20;
const uuid = 'b1b4a7c0-6b0e-4a9c-8d6f-2f0f1a3c5e77';

beforeAll(() => {
  closeSync(openSync(disk, 'w'));
  truncateSync(disk, 64 * mib);
  const table = `label: gpt
label-id: ${uuid}
start=2048, size=20480, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="esp"
start=22528, size=61440, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root"
start=83968, size=2048, name="empty"
`;
  make('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', disk], {input: table});
  make('mkfs.vfat', ['--invariant', '-i', 'abcd1234', '-n', 'ESP', '--offset=2048', disk, '10240']);
  folder.write({'tree/etc/motd': 'welcome to the machine\n'.repeat(40), 'tree/etc/issue': 'issue'});
  const words = ['-q', '-F', '-t', 'ext4', '-b', '1024', '-U', uuid, '-E', `offset=${String(11 * mib)}`];
  make('mke2fs', [...words, '-d', folder.join('tree'), disk, '30720k']);
});
afterAll(() => folder[Symbol.dispose]());

describe('placeIn() of a disk', () => {
  it.each([
    [0, ['disk', 'master boot record', 'boot code']],
    [440, ['disk', 'master boot record', 'disk signature']],
    [450, ['disk', 'master boot record', 'partition 1', 'OS type']],
    [511, ['disk', 'master boot record', 'boot signature']],
    [512 + 56, ['disk', 'GPT header', 'disk GUID']],
    [512 + 16, ['disk', 'GPT header', 'CRC32 of the header']],
    [1024 + 17, ['disk', 'GPT entry 1', 'unique partition GUID']],
    [1024 + 128 + 56, ['disk', 'GPT entry 2', 'partition name']],
    [64 * mib - 512 + 56, ['disk', 'backup GPT header', 'disk GUID']],
    [64 * mib - 512 - 128 * 128 + 16, ['disk', 'backup GPT', 'GPT entry 1', 'unique partition GUID']],
    [1 * mib + 39, ['disk', 'partition 1 (esp)', 'FAT', 'boot sector', 'BS_VolID']],
    [11 * mib + 1024 + 0x68, ['disk', 'partition 2 (root)', 'ext4', 'super block', 's_uuid']],
    [41 * mib + 5, ['disk', 'partition 3 (empty)', 'offset 5']],
    [50 * mib, ['disk', 'between partitions']],
  ])('names what lies at %i', (offset, place) => {
    expect(placeAt(disk, offset)).toEqual(place);
  });

  it('names the file in a partition', () => {
    const place = placeAt(disk, offsetOf(disk, 'welcome to the machine'));
    expect(place.slice(0, 3)).toEqual(['disk', 'partition 2 (root)', 'ext4']);
    expect(place[3]).toMatch(/^data of inode \d+ \(\/etc\/motd\)$/);
  });

  it('reads a table of the old kind', () => {
    const old = folder.join('old.raw');
    closeSync(openSync(old, 'w'));
    truncateSync(old, 8 * mib);
    make('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', old], {
      input: 'label: dos\nstart=2048, size=4096, type=83\n',
    });
    expect(placeAt(old, 446 + 8)).toEqual(['disk', 'master boot record', 'partition 1', 'starting LBA']);
    expect(placeAt(old, mib + 7)).toEqual(['disk', 'partition 1', 'offset 7']);
  });
});
