import {z} from 'zod';
import {line, size} from '../../src/spec/fields.ts';

/** Options of `targets: {openstack: …}`. Sizes stay text; `sizeBytes` of src/spec/fields.ts reads them. */
export const schema = z
  .strictObject({
    format: z.enum(['qcow2', 'raw']).default('qcow2').describe('Format of the disk.'),
    firmware: z
      .enum(['bios', 'uefi', 'both'])
      .default('both')
      .describe('Firmware that the disk boots under.'),
    size: size.describe('Virtual size of the disk, instead of storage.size.').exactOptional(),
    cmdline: line.describe('Appended to the kernel command line.').exactOptional(),
    test: z
      .strictObject({memory: size.describe('Memory of the test machine, e.g. 1GiB.').exactOptional()})
      .describe('The boot test.')
      .exactOptional(),
  })
  .describe('An OpenStack (Glance) disk image.');

export type OpenstackOptions = z.infer<typeof schema>;
