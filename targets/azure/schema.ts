import {z} from 'zod';
import {complaint, size, sizeBytes} from '../../src/spec/fields.ts';
import {diskFields} from '../shared/disk-schema.ts';
import {fileRegister} from '../shared/file-schema.ts';

/** What a managed disk that a virtual machine starts from can have, in bytes. */
const largestBytes = 1023 * 2 ** 30;

/** Options of `targets: {azure: …}`. */
export const schema = z
  .strictObject({
    generation: z
      .union([z.literal(1), z.literal(2)])
      .default(2)
      .describe('Generation of the virtual machines: 1 starts by BIOS, 2 by UEFI.'),
    waagent: z
      .boolean()
      .default(false)
      .describe("Whether the image has Azure's own agent too, which runs extensions."),
    ...diskFields,
    size: size
      .refine((text) => sizeBytes(text) <= largestBytes, {
        error: ({input}) =>
          complaint(`Azure starts from no disk of ${String(input)}`, 'Write at most 1023GiB'),
      })
      .describe('Virtual size of the disk, at most 1023GiB, instead of storage.size.')
      .exactOptional(),
    register: fileRegister,
  })
  .describe('A fixed VHD for Microsoft Azure.');
