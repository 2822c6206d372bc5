import {z} from 'zod';
import {line, size} from '../../src/spec/fields.ts';
import type {DiskFormat, Firmware} from '../contract.ts';

/** Options of every target with a disk; `src/spec/fields.ts` reads the sizes, which stay text. */
export const diskFields = {
  size: size.describe('Virtual size of the disk, instead of storage.size.').exactOptional(),
  cmdline: line.describe('Appended to the kernel command line.').exactOptional(),
  test: z
    .strictObject({memory: size.describe('Memory of the test machine, e.g. 1GiB.').exactOptional()})
    .describe('The boot test.')
    .exactOptional(),
};

/** `format`: one, or several of one disk; the first is the one that is booted and registered. */
export function formatField(formats: readonly [DiskFormat, ...DiskFormat[]]) {
  const one = z.enum(formats);
  return z
    .union([one, z.array(one).min(1)])
    .default(formats[0])
    .describe('Format of the disk, or several: the first is the one that is booted and registered.');
}

export function firmwareField(usual: Firmware) {
  return z.enum(['bios', 'uefi', 'both']).default(usual).describe('Firmware that the disk boots under.');
}
