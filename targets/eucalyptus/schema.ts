import {z} from 'zod';
import {complaint, form, line, projectPath} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';
import {diskFields} from '../shared/disk-schema.ts';

const bucket = form(
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  'the name of a bucket',
  'Use 3 to 63 lower-case letters, digits, `.` and `-`',
);

const register = z.strictObject({
  ...registerFields,
  bucket: bucket.describe('Bucket that the bundle goes into; it is made where it does not exist.'),
  eucarc: z
    .union([form(/^~?\/[^\p{Cc}]+$/u, 'an absolute path', 'Begin with `/` or `~/`'), projectPath])
    .describe("The site's eucarc, from the project's folder, or beginning with `/` or `~/`.")
    .exactOptional(),
  region: line.describe("A region of euca2ools' files: REGION, USER@ or USER@REGION.").exactOptional(),
  description: line.max(255).describe('What the site shows as its description.').exactOptional(),
  public: z.boolean().describe('Whether all accounts of the site may start it.').exactOptional(),
  tags: z
    .record(
      form(
        /^(?!euca:|aws:|fgimage_)[^\p{Cc}]{1,127}$/u,
        'the name of a tag',
        'Not one that begins with `euca:`, `aws:` or `fgimage_`',
      ),
      line.max(255),
    )
    .describe('Further tags.')
    .exactOptional(),
  kernel: form(
    /^[ea]ki-[0-9a-f]{8}([0-9a-f]{9})?$/i,
    'the id of a kernel',
    'Write it as the site shows it: eki-0123abcd',
  )
    .describe(
      "Kernel of the site, for paravirtual; absent: the image's own is registered, which administrators may.",
    )
    .exactOptional(),
  ramdisk: form(
    /^[ea]ri-[0-9a-f]{8}([0-9a-f]{9})?$/i,
    'the id of a RAM disk',
    'Write it as the site shows it: eri-0123abcd',
  )
    .describe('Its initial RAM disk.')
    .exactOptional(),
});

export type RegisterOptions = z.infer<typeof register>;

/** Options of `targets: {eucalyptus: …}`. */
export const schema = z
  .strictObject({
    virtualization: z
      .enum(['hvm', 'paravirtual'])
      .default('hvm')
      .describe(
        'A disk that boots by itself, or a root file system with kernel and initial RAM disk beside it.',
      ),
    ...diskFields,
    register: register.describe('The registration: a bundle in a bucket, and its EMI.').exactOptional(),
  })
  .superRefine(({virtualization, register: wanted}, context) => {
    for (const key of ['kernel', 'ramdisk'] as const) {
      if (wanted?.[key] === undefined || virtualization === 'paravirtual') continue;
      context.addIssue({
        code: 'custom',
        path: ['register', key],
        message: complaint(
          `a disk of its own loader takes no ${key}`,
          'Leave it out, or say virtualization: paravirtual',
        ),
      });
    }
    if (wanted !== undefined && (wanted.kernel === undefined) !== (wanted.ramdisk === undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['register'],
        message: complaint('kernel and ramdisk belong together', 'Name both, or neither'),
      });
    }
  })
  .describe('An image for a Eucalyptus cloud: an EMI.');
