import {z} from 'zod';
import {form, line, projectPath} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';
import {diskFields} from '../shared/disk-schema.ts';

const keyPart = form(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
  'a part of a key',
  'Use letters, digits, `.`, `_` and `-`, a letter or digit first',
);

const credentialsPath = z
  .union([form(/^~?\/[^\p{Cc}]+$/u, 'an absolute path', 'Begin with `/` or `~/`'), projectPath])
  .describe("cloud-client's file, from the project's folder, or beginning with `/` or `~/`.");

const register = z.strictObject({
  ...registerFields,
  cloud_properties: credentialsPath.exactOptional(),
  endpoint: z
    .url({protocol: /^https?$/})
    .describe('URL of Cumulus, instead of vws.repository.')
    .exactOptional(),
  bucket: keyPart.describe('Bucket, instead of vws.repository.s3bucket.').exactOptional(),
  base_key: keyPart.describe('What keys begin with, instead of vws.repository.s3basekey.').exactOptional(),
  canonical_id: keyPart.describe('Your canonical id, instead of vws.repository.canonicalid.').exactOptional(),
  common: z
    .boolean()
    .describe('Whether the image is for all users of the site: VMS/common/<name>, readable for everybody.')
    .exactOptional(),
});

export type RegisterOptions = z.infer<typeof register>;

/** Options of `targets: {nimbus: …}`. */
export const schema = z
  .strictObject({
    layout: z
      .enum(['disk', 'partition'])
      .default('disk')
      .describe('A disk that boots by itself, or the root file system without a partition table.'),
    compress: z
      .enum(['none', 'gzip'])
      .default('none')
      .describe('Whether the image is stored as .gz, which the nodes unpack.'),
    agent: z
      .enum(['context', 'cloud-init'])
      .default('context')
      .describe("Who fetches the instance's identity: fgimage's own service, or cloud-init."),
    ...diskFields,
    cmdline: line
      .describe('Appended to the kernel command line; of a partition, for sites that take it over.')
      .exactOptional(),
    register: register.describe('The registration: an object in Cumulus.').exactOptional(),
  })
  .describe('An image for a Nimbus cloud, kept in Cumulus.');
