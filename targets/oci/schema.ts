import {z} from 'zod';
import {form, line} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';

const words = z.array(line).min(1);

/** distribution-spec 1.1, "Pulling manifests"; src/clients/oci/reference.ts says the rest. */
const repository = form(
  /^[A-Za-z0-9[][\w.:[\]-]*\/[a-z0-9][a-z0-9._/-]*$/,
  'a repository of a registry',
  'Write host and name without a tag: registry.example.org/team/web',
);

const tag = form(
  /^\w[\w.-]{0,127}$/,
  'a tag',
  'Use letters, digits, `_`, `.` and `-`, at most 128, a letter, digit or `_` first',
);

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
    register: z
      .strictObject({
        ...registerFields,
        repository: repository.describe('Where the image is pushed to: registry.example.org/team/web.'),
        tags: z
          .array(tag)
          .min(1)
          .describe('Tags beside the name that move to the newest image: [latest].')
          .exactOptional(),
        plain_http: z
          .boolean()
          .describe('Whether the registry is spoken to without TLS; this machine always is.')
          .exactOptional(),
      })
      .describe('Pushes the image to a registry.')
      .exactOptional(),
  })
  .describe('A container image as an OCI layout.');
