import {z} from 'zod';
import {line, size, uri} from '../../src/spec/fields.ts';

/** Options of `targets: {hpc: …}`. Sizes stay text; `sizeBytes` of src/spec/fields.ts reads them. */
export const schema = z
  .strictObject({
    cmdline: line.describe('Appended to the kernel command line.').exactOptional(),
    compression: z.enum(['zstd', 'xz', 'gzip']).default('zstd').describe('Compression of the root image.'),
    compression_level: z
      .int()
      .min(1)
      .max(22)
      .describe('Level of zstd (1 to 22) or gzip (1 to 9).')
      .exactOptional(),
    base_url: uri(['http']).describe('Folder from which the nodes fetch kernel and root.').exactOptional(),
    test: z
      .strictObject({memory: size.describe('Memory of the test machine, e.g. 2GiB.').exactOptional()})
      .describe('The boot test.')
      .exactOptional(),
  })
  .superRefine(({compression, compression_level: level}, context) => {
    const highest = {zstd: 22, gzip: 9, xz: 0}[compression];
    if (level === undefined || level <= highest) return;
    const reason =
      highest === 0 ? 'xz has no compression level here' : `${compression} has the levels 1 to ${highest}`;
    context.addIssue({
      code: 'custom',
      path: ['compression_level'],
      message: `${reason}\nRemove compression_level, or change compression`,
    });
  })
  .describe('A stateless netboot set for compute nodes.');

export type HpcOptions = z.infer<typeof schema>;
