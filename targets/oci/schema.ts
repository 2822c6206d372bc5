import {z} from 'zod';
import {line} from '../../src/spec/fields.ts';

const words = z.array(line).min(1);

/** Options of `targets: {oci: …}`, in the words of the OCI image configuration. */
export const schema = z
  .strictObject({
    compression: z.enum(['gzip', 'zstd']).default('gzip').describe('Compression of the layer.'),
    entrypoint: words.describe('What is run when a container starts.').exactOptional(),
    cmd: words.describe('Its arguments, or what is run where there is no entrypoint.').exactOptional(),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable is wanted'), line)
      .describe('Environment of what is run.')
      .exactOptional(),
    user: line.describe('User, or user:group, that it runs as.').exactOptional(),
    working_dir: z
      .string()
      .startsWith('/', 'an absolute path is wanted')
      .describe('Folder that it starts in.')
      .exactOptional(),
    labels: z.record(z.string().min(1), line).describe('Labels of the image.').exactOptional(),
  })
  .describe('A container image as an OCI layout.');
