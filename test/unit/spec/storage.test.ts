import {describe, expect, it} from 'vitest';
import type {Storage} from '../../../src/spec/image.ts';
import {complaints, head, load} from './helpers.ts';

const gibibyte = 2 ** 30;

async function storage(text: string): Promise<Storage | undefined> {
  return (await load(`${head}storage: ${text}\n`)).images[0]?.storage;
}

describe('storage', () => {
  it.each<readonly [string, Storage]>([
    ['{}', {}],
    ['{size: 4GiB}', {size_bytes: 4 * gibibyte}],
    [
      '{fit: minimal, table: mbr, filesystem: btrfs, loader: grub}',
      {fit: 'minimal', table: 'mbr', filesystem: 'btrfs', loader: 'grub'},
    ],
    [
      '{filesystem: xfs, boot: {size: 1GiB}, swap: 2GiB}',
      {filesystem: 'xfs', boot: {filesystem: 'ext4', size_bytes: gibibyte}, swap_bytes: 2 * gibibyte},
    ],
    [
      '{filesystem: xfs, mounts: [{path: /srv, size: 1GiB}, {path: /home, size: 2GiB, filesystem: ext4}]}',
      {
        filesystem: 'xfs',
        mounts: [
          {path: '/srv', filesystem: 'xfs', size_bytes: gibibyte},
          {path: '/home', filesystem: 'ext4', size_bytes: 2 * gibibyte},
        ],
      },
    ],
  ])('%s is what it says, and no more', async (text, expected) => {
    expect(await storage(text)).toEqual(expected);
  });

  it('takes four partitions in an MBR, and no fifth', async () => {
    const four = 'boot: {size: 1GiB}, swap: 1GiB, mounts: [{path: /srv, size: 1GiB}';
    expect(await storage(`{table: mbr, ${four}]}`)).toMatchObject({table: 'mbr'});
    expect(await complaints(`${head}storage: {table: mbr, ${four}, {path: /home, size: 1GiB}]}\n`)).toEqual([
      expect.stringContaining('An MBR has room for four partitions, and storage has 5 with the root'),
    ]);
  });
});
