import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {compareFiles} from '../../../src/compare/files.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {make, offsetOf, placeAt} from './artifacts.ts';

const folder = new TemporaryFolder();
const image = folder.join('root.ext4');
const uuid = 'b1b4a7c0-6b0e-4a9c-8d6f-2f0f1a3c5e77';
const blockBytes = 1024;

beforeAll(() => {
  folder.write({'tree/etc/motd': 'welcome to the machine\n'.repeat(40), 'tree/etc/issue': 'issue'});
  makeExt4(image, '1700000000');
});
afterAll(() => folder[Symbol.dispose]());

function makeExt4(path: string, time: string): void {
  const words = ['-q', '-F', '-t', 'ext4', '-b', String(blockBytes), '-g', '4096', '-U', uuid];
  make('mke2fs', [...words, '-E', `hash_seed=${uuid}`, '-d', folder.join('tree'), path, '24M'], {
    env: {E2FSPROGS_FAKE_TIME: time},
  });
}

/** What debugfs says of the place of something. */
function debugfs(request: string): string {
  return make('debugfs', ['-R', request, image]);
}

describe('placeIn() of ext4', () => {
  it.each([
    [0, ['ext4', 'boot block']],
    [1024 + 0x30, ['ext4', 'super block', 's_wtime']],
    [1024 + 0x108, ['ext4', 'super block', 's_mkfs_time']],
    [1024 + 0xec, ['ext4', 'super block', 's_hash_seed']],
    [2048 + 0x1e, ['ext4', 'descriptor of group 0', 'bg_checksum']],
    [2048 + 64 + 0x08, ['ext4', 'descriptor of group 1', 'bg_inode_table_lo']],
    [(1 + 4096) * blockBytes + 0x68, ['ext4', 'super block', 'copy in group 1', 's_uuid']],
    [(2 + 4096) * blockBytes + 0x1e, ['ext4', 'descriptor of group 0', 'copy in group 1', 'bg_checksum']],
  ])('names the field at %i', (offset, place) => {
    expect(placeAt(image, offset)).toEqual(place);
  });

  it('names bitmaps and the fields of inodes, with their paths', () => {
    const stats = make('dumpe2fs', [image]);
    const bitmap = Number(/Block bitmap at (\d+)/.exec(stats)?.[1]);
    expect(placeAt(image, bitmap * blockBytes)).toEqual(['ext4', 'block bitmap of group 0']);
    const inodes = Number(/Inode bitmap at (\d+)/.exec(stats)?.[1]);
    expect(placeAt(image, inodes * blockBytes)).toEqual(['ext4', 'inode bitmap of group 0']);
    const [, number, block, at] =
      /Inode (\d+) is part.*located at block (\d+), offset 0x([0-9a-f]+)/s.exec(debugfs('imap /etc/motd')) ??
      [];
    const inode = Number(block) * blockBytes + Number.parseInt(at ?? '', 16);
    expect(placeAt(image, inode + 0x10)).toEqual(['ext4', `inode ${number} (/etc/motd)`, 'i_mtime']);
    expect(placeAt(image, inode + 0x90)).toEqual(['ext4', `inode ${number} (/etc/motd)`, 'i_crtime']);
  });

  it('names the file that a block belongs to, the root folder and the journal', () => {
    const block = Number(debugfs('bmap /etc/motd 0').trim());
    const place = placeAt(image, block * blockBytes + 3);
    expect(place[1]).toMatch(/^data of inode \d+ \(\/etc\/motd\)$/);
    expect(place[2]).toBe(`block ${block}`);
    expect(offsetOf(image, 'welcome to the machine')).toBe(block * blockBytes);
    const root = Number(debugfs('bmap <2> 0').trim());
    expect(placeAt(image, root * blockBytes)[1]).toBe('data of inode 2 (/)');
    const journal = Number(debugfs('bmap <8> 0').trim());
    expect(placeAt(image, journal * blockBytes)[1]).toBe('data of inode 8 (journal)');
  });

  it('finds what a clock leaves in a file system', async () => {
    const later = folder.join('later.ext4');
    makeExt4(later, '1700000001');
    const difference = await compareFiles(image, later, {
      work: folder.path,
      signal: AbortSignal.timeout(60_000),
    });
    expect(difference?.place).toEqual(['ext4', 'super block', 's_wtime']);
    expect(difference?.bytes.a).toContain('[00]');
    expect(difference?.bytes.b).toContain('[01]');
  });
});
