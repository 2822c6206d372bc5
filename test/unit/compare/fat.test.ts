import {closeSync, openSync, truncateSync, writeFileSync} from 'node:fs';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {make, offsetOf, placeAt} from './artifacts.ts';

const folder = new TemporaryFolder();
const mtools = {MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null', SOURCE_DATE_EPOCH: '1700000000'};
const sizes = {12: 2, 16: 20, 32: 40} as const;

/** A file system with a file of several clusters in a folder. */
function makeFat(kind: 12 | 16 | 32): string {
  const path = folder.join(`fat${String(kind)}`);
  closeSync(openSync(path, 'w'));
  truncateSync(path, sizes[kind] << 20);
  const words = ['-F', String(kind), '-s', '1', '-i', 'abcd1234', '-n', 'ESP'];
  make('mkfs.vfat', ['--invariant', ...words, path]);
  make('mmd', ['-i', path, '::/EFI', '::/EFI/BOOT'], {env: mtools});
  make('mcopy', ['-i', path, folder.join('grub.cfg'), '::/EFI/BOOT/grub.cfg'], {env: mtools});
  return path;
}

beforeAll(() => writeFileSync(folder.join('grub.cfg'), `${'#'.repeat(1999)}\nmenuentry\n`));
afterAll(() => folder[Symbol.dispose]());

describe.each([12, 16, 32] as const)('placeIn() of FAT%i', (kind) => {
  let path = '';
  beforeAll(() => {
    path = makeFat(kind);
  });

  it('names fields of the boot sector', () => {
    expect(placeAt(path, 3)).toEqual(['FAT', 'boot sector', 'BS_OEMName']);
    expect(placeAt(path, kind === 32 ? 67 : 39)).toEqual(['FAT', 'boot sector', 'BS_VolID']);
    expect(placeAt(path, kind === 32 ? 82 : 54)).toEqual(['FAT', 'boot sector', 'BS_FilSysType']);
  });

  it('names entries of the tables', () => {
    const table = (kind === 32 ? 32 : 1) * 512;
    expect(placeAt(path, table + kind)).toEqual(['FAT', 'allocation table 1', 'entry 8']);
  });

  it('names entries of folders, and their fields', () => {
    const label = offsetOf(path, 'ESP        \u0008');
    expect(placeAt(path, label + 22)).toEqual(['FAT', 'folder /', 'volume label ESP', 'DIR_WrtTime']);
    const entry = offsetOf(path, 'EFI        \u0010');
    expect(placeAt(path, entry + 24)).toEqual(['FAT', 'folder /', 'entry EFI', 'DIR_WrtDate']);
    const file = offsetOf(path, 'GRUB    CFG ');
    expect(placeAt(path, file + 28)).toEqual(['FAT', 'folder /EFI/BOOT', 'entry GRUB.CFG', 'DIR_FileSize']);
  });

  it('names the file of a cluster', () => {
    const place = placeAt(path, offsetOf(path, 'menuentry'));
    expect(place.slice(0, 2)).toEqual(['FAT', 'file /EFI/BOOT/GRUB.CFG']);
    expect(placeAt(path, (sizes[kind] << 20) - 512)[1]).toBe('free space');
  });
});
