import {z} from 'zod';

/** Options of `targets: {tarball: …}`. */
export const schema = z
  .strictObject({
    compression: z.enum(['zstd', 'gzip', 'none']).default('zstd').describe('Compression of the archive.'),
    compression_level: z
      .int()
      .min(1)
      .max(19)
      .describe('Level of zstd (1 to 19) or gzip (1 to 9).')
      .exactOptional(),
  })
  .superRefine(({compression, compression_level: level}, context) => {
    const highest = {zstd: 19, gzip: 9, none: 0}[compression];
    if (level === undefined || level <= highest) return;
    const reason =
      highest === 0 ? 'none has no level' : `${compression} has the levels 1 to ${String(highest)}`;
    context.addIssue({
      code: 'custom',
      path: ['compression_level'],
      message: `${reason}\nRemove compression_level, or change compression`,
    });
  })
  .describe('The tree as a tar archive.');
