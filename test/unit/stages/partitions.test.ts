import {execFileSync} from 'node:child_process';
import {truncateSync, writeFileSync} from 'node:fs';
import {delimiter} from 'node:path';
import {describe, expect, it} from 'vitest';
import {programFolders} from '../../../src/host/program-folders.ts';
import {
  mebibyte,
  type PartitionRequest,
  partitionTypes,
  placePartitions,
  sfdiskScript,
} from '../../../src/stages/pack/partitions.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const diskUuid = '00000000-1111-5222-8333-444444444444';
const requests: readonly PartitionRequest[] = [
  {name: 'bios', type: 'biosBoot', uuid: 'aaaaaaaa-1111-5222-8333-444444444444', sizeMiB: 1},
  {name: 'efi', type: 'efiSystem', uuid: 'bbbbbbbb-1111-5222-8333-444444444444', sizeMiB: 64},
  {name: 'root', type: 'rootAmd64', uuid: 'cccccccc-1111-5222-8333-444444444444'},
];

function sfdisk(parameters: readonly string[], input = ''): string {
  const env = {LC_ALL: 'C', PATH: programFolders().join(delimiter)};
  return execFileSync('sfdisk', parameters, {input, env, encoding: 'utf8', stdio: 'pipe'});
}

describe('placePartitions()', () => {
  it('places one after the other on whole MiB and leaves the first and the last for the GPT', () => {
    const placed = placePartitions(requests, 1024);
    expect(placed.map(({name, firstSector, sectors}) => [name, firstSector / 2048, sectors / 2048])).toEqual([
      ['bios', 1, 1],
      ['efi', 2, 64],
      ['root', 66, 957],
    ]);
    expect(placed.map(({firstSector, sectors}) => firstSector + sectors).at(-1)).toBe(1023 * 2048);
  });

  it('keeps what was asked for', () => {
    expect(placePartitions(requests, 1024)).toMatchObject(requests);
  });
});

describe('sfdiskScript()', () => {
  it('is a table that sfdisk writes as it was asked to and finds no fault with', () => {
    using folder = new TemporaryFolder();
    const disk = folder.join('disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 256 * mebibyte);
    const placed = placePartitions(requests, 256);
    sfdisk(['--quiet', '--no-reread', '--no-tell-kernel', disk], sfdiskScript('gpt', diskUuid, placed));
    expect(sfdisk(['--verify', disk])).toContain('No errors detected');
    const {partitiontable: table} = JSON.parse(sfdisk(['--json', disk])) as {
      partitiontable: {label: string; id: string; unit: string; sectorsize: number; partitions: object[]};
    };
    expect(table).toMatchObject({label: 'gpt', id: diskUuid.toUpperCase(), unit: 'sectors', sectorsize: 512});
    expect(table.partitions).toEqual(
      placed.map(({firstSector, sectors, type, uuid, name}, index) => ({
        node: `${disk}${index + 1}`,
        start: firstSector,
        size: sectors,
        type: partitionTypes[type].gpt,
        uuid: uuid.toUpperCase(),
        name,
      })),
    );
  });

  it('is the same text as ever for the same disk', () => {
    expect(sfdiskScript('gpt', diskUuid, placePartitions(requests, 256))).toMatchInlineSnapshot(`
      "label: gpt
      label-id: 00000000-1111-5222-8333-444444444444
      unit: sectors
      sector-size: 512

      start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, uuid=AAAAAAAA-1111-5222-8333-444444444444, name="bios"
      start=4096, size=131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=BBBBBBBB-1111-5222-8333-444444444444, name="efi"
      start=135168, size=387072, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=CCCCCCCC-1111-5222-8333-444444444444, name="root"
      "
    `);
  });

  it('is an MBR with the types and the id of one, from whose active root partition a BIOS starts', () => {
    using folder = new TemporaryFolder();
    const disk = folder.join('disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 256 * mebibyte);
    const placed = placePartitions(
      [{name: 'swap', type: 'swap', uuid: diskUuid, sizeMiB: 8}, ...requests.slice(1)],
      256,
    );
    sfdisk(['--quiet', '--no-reread', '--no-tell-kernel', disk], sfdiskScript('mbr', diskUuid, placed));
    const {partitiontable: table} = JSON.parse(sfdisk(['--json', disk])) as {
      partitiontable: {label: string; id: string; partitions: object[]};
    };
    expect(table).toMatchObject({label: 'dos', id: '0x00000000'});
    expect(table.partitions).toEqual([
      {node: `${disk}1`, start: 2048, size: 8 * 2048, type: '82'},
      {node: `${disk}2`, start: 9 * 2048, size: 64 * 2048, type: 'ef'},
      {node: `${disk}3`, start: 73 * 2048, size: 182 * 2048, type: '83', bootable: true},
    ]);
  });
});
