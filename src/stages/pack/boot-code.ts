import {closeSync, openSync, readFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import type {StageContext} from '../stage.ts';
import {bootFolder} from './boot-files.ts';
import {biosBootCode} from './grub.ts';
import type {PlacedPartition} from './partitions.ts';

/** Writes GRUB's boot sector and core image: into the BIOS boot partition of a GPT, or behind the sector of an MBR. */
export function writeBiosBoot(
  context: StageContext,
  {disk, partitions}: {readonly disk: string; readonly partitions: readonly PlacedPartition[]},
): void {
  const at = partitions.find(({name}) => name === 'bios')?.firstSector ?? 1;
  const {bootCode, core} = biosBootCode({
    bootImage: readFileSync(join(context.work, bootFolder, 'boot.img')),
    coreImage: readFileSync(join(context.work, bootFolder, 'core.img')),
    firstSector: at,
  });
  const most = Math.min(...partitions.map(({firstSector}) => firstSector).filter((one) => one > at));
  if (at * 512 + core.length > most * 512)
    throw new Error("GRUB's core image does not fit before the first partition");
  const file = openSync(join(context.work, disk), 'r+');
  try {
    writeSync(file, bootCode, 0, bootCode.length, 0);
    writeSync(file, core, 0, core.length, at * 512);
  } finally {
    closeSync(file);
  }
}
