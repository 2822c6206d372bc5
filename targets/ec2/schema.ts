import {z} from 'zod';
import {complaint, form, line, uri} from '../../src/spec/fields.ts';
import {registerFields} from '../register-options.ts';
import {diskFields, firmwareField} from '../shared/disk-schema.ts';

const region = form(
  /^[a-z]{2}(-[a-z]+)+-\d$/,
  'a region of AWS',
  'Write its code, as in the endpoint: eu-central-1',
);
const account = form(/^\d{12}$/, 'an AWS account', 'Write its 12 digits, in quotes: "123456789012"');
const arn = (kind: 'organization' | 'ou') =>
  form(
    new RegExp(`^arn:aws[a-z-]*:organizations::\\d{12}:${kind}/[a-z0-9/-]+$`),
    kind === 'ou' ? 'the ARN of an organizational unit' : 'the ARN of an organization',
    `Write it as AWS Organizations shows it: arn:aws:organizations::123456789012:${kind}/o-…`,
  );

/** RegisterImage's rule for names (EC2 API reference). */
const amiName = registerFields.name.unwrap().refine((name) => /^[A-Za-z0-9()[\] ./'@_{}-]*$/.test(name), {
  error: complaint(
    "The name of an AMI has letters, digits and ()[] ./-'@_ only",
    'Leave other characters out',
  ),
});

/** Tags: 128 characters for the key, 256 for the value (EC2 user guide, Tag restrictions). */
const tags = z.record(
  form(
    /^(?!aws:)(?!fgimage_)[\p{L}\p{N} _.:/=+@-]{1,128}$/iu,
    'the key of a tag',
    'Use letters, digits, spaces and _.:/=+-@; `aws:` belongs to AWS, `fgimage_` to fgimage',
  ),
  form(/^[\p{L}\p{N} _.:/=+@-]{0,256}$/u, 'the value of a tag', 'Use letters, digits, spaces and _.:/=+-@'),
);

const launchPermissions = z
  .strictObject({
    users: z.array(account).min(1).describe('AWS accounts.').exactOptional(),
    groups: z
      .array(z.enum(['all']))
      .min(1)
      .describe('`all`: the AMI is public.')
      .exactOptional(),
    organizations: z.array(arn('organization')).min(1).describe('ARNs of organizations.').exactOptional(),
    organizational_units: z.array(arn('ou')).min(1).describe('ARNs of organizational units.').exactOptional(),
  })
  .describe('Who else may launch it; nobody where it is empty. Left out: it stays as it is there.');

const register = z
  .strictObject({
    ...registerFields,
    name: amiName.describe(registerFields.name.unwrap().description ?? '').exactOptional(),
    region: region.describe('Region; else AWS_REGION, or that of the profile.').exactOptional(),
    profile: line.describe('Profile of ~/.aws/config; else AWS_PROFILE.').exactOptional(),
    method: z
      .enum(['ebs-direct', 'import-snapshot'])
      .default('ebs-direct')
      .describe('How the disk gets there: the EBS direct APIs, or an object in S3 and ImportSnapshot.'),
    bucket: form(
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'the name of a bucket',
      'Use 3 to 63 lower-case letters, digits, `.` and `-`',
    )
      .describe('Of method import-snapshot: the bucket, in the same region.')
      .exactOptional(),
    bucket_prefix: form(
      /^[A-Za-z0-9!_.*'()/-]{1,200}$/,
      'a prefix of keys',
      "Use letters, digits and !_.*'()/-",
    )
      .default('fgimage/')
      .describe('Of method import-snapshot: what the key of the object begins with.'),
    role_name: form(/^[\w+=,.@-]{1,64}$/, 'the name of a role', 'Write the name only, without its ARN')
      .describe('Of method import-snapshot: the role that reads the bucket; `vmimport` where it is left out.')
      .exactOptional(),
    endpoints: z
      .strictObject({
        ec2: uri(['http', 'https']).describe('Of EC2.').exactOptional(),
        ebs: uri(['http', 'https']).describe('Of the EBS direct APIs.').exactOptional(),
        s3: uri(['http', 'https']).describe('Of S3.').exactOptional(),
      })
      .describe('Other endpoints than Amazon’s; else AWS_ENDPOINT_URL_EC2 and so on.')
      .exactOptional(),
    encrypted: z
      .boolean()
      .describe('Whether the snapshot is encrypted; as the account has it where it is left out.')
      .exactOptional(),
    kms_key_id: form(
      /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)\/[\w/-]+$/,
      'the ARN of a KMS key',
      'Write it whole: arn:aws:kms:eu-central-1:123456789012:key/…',
    )
      .describe('Key that the snapshot is encrypted with; copies use the default key of their region.')
      .exactOptional(),
    volume_type: z
      .enum(['gp3', 'gp2', 'io1', 'io2', 'standard'])
      .default('gp3')
      .describe('Of the root volume.'),
    iops: z.int().min(100).max(256_000).describe('Of the root volume; io1 and io2 need it.').exactOptional(),
    throughput: z.int().min(125).max(2000).describe('MiB/s of a gp3 root volume.').exactOptional(),
    boot_mode: z
      .enum(['uefi-preferred', 'uefi', 'legacy-bios'])
      .describe('By `firmware` where it is left out.')
      .exactOptional(),
    imds: z
      .enum(['v2.0', 'any'])
      .default('v2.0')
      .describe('`v2.0`: instances answer IMDSv2 only, unless launched otherwise.'),
    tpm: z.boolean().describe('NitroTPM; needs boot_mode uefi.').exactOptional(),
    description: z
      .string()
      .max(255)
      .describe('Of the AMI; that of the image where it is left out.')
      .exactOptional(),
    tags: tags.describe('Further tags of AMI and snapshot.').exactOptional(),
    regions: z.array(region).describe('Regions that it is copied to.').exactOptional(),
    launch_permissions: launchPermissions.exactOptional(),
    share_snapshot: z
      .boolean()
      .default(true)
      .describe(
        'Whether the accounts of launch_permissions.users may use the snapshot too, e.g. to copy the AMI.',
      ),
  })
  .superRefine((options, context) => {
    for (const [path, message] of mistakes(options))
      context.addIssue({code: 'custom', path: [path], message});
  })
  .describe('How it is registered as an AMI.');

interface Dependent {
  readonly method: string;
  readonly bucket?: string;
  readonly encrypted?: boolean;
  readonly kms_key_id?: string;
  readonly volume_type: string;
  readonly iops?: number;
  readonly throughput?: number;
  readonly region?: string;
  readonly regions?: readonly string[];
  readonly launch_permissions?: {readonly groups?: readonly string[]};
}

function* mistakes(options: Dependent): Generator<readonly [string, string]> {
  const {method, bucket, volume_type: type} = options;
  if (method === 'import-snapshot' && bucket === undefined)
    yield ['bucket', complaint('Nothing says where the disk is uploaded to', 'Name a bucket of the region')];
  if (options.kms_key_id !== undefined && options.encrypted !== true)
    yield ['encrypted', complaint('A KMS key is for encrypted snapshots', 'Add encrypted: true')];
  if (options.encrypted === true && options.launch_permissions?.groups !== undefined) {
    yield [
      'launch_permissions',
      complaint(
        'An AMI with an encrypted snapshot cannot be public',
        'Name users or organizations, or leave encrypted out',
      ),
    ];
  }
  if ((type === 'io1' || type === 'io2') && options.iops === undefined)
    yield ['iops', complaint(`A volume of the type ${type} needs iops`, 'Write how many: 3000')];
  if (options.iops !== undefined && !['io1', 'io2', 'gp3'].includes(type))
    yield ['iops', complaint(`A volume of the type ${type} has no iops to set`, 'Remove iops')];
  if (options.throughput !== undefined && type !== 'gp3')
    yield [
      'throughput',
      complaint(`A volume of the type ${type} has no throughput to set`, 'Remove throughput'),
    ];
  if (options.region !== undefined && options.regions?.includes(options.region) === true)
    yield ['regions', complaint(`${options.region} is where it is registered`, 'Name other regions only')];
}

/** Options of `targets: {ec2: …}`. */
export const schema = z
  .strictObject({
    firmware: firmwareField('both'),
    ...diskFields,
    register: register.exactOptional(),
  })
  .superRefine(({firmware, register: options}, context) => {
    if (options === undefined) return;
    const {boot_mode: mode, tpm} = options;
    const issue = (path: string, message: string): void => {
      context.addIssue({code: 'custom', path: ['register', path], message});
    };
    const boots = {bios: ['legacy-bios'], uefi: ['uefi'], both: ['legacy-bios', 'uefi', 'uefi-preferred']}[
      firmware
    ];
    if (mode !== undefined && !boots.includes(mode))
      issue(
        'boot_mode',
        complaint(`The disk does not boot as ${mode} with firmware: ${firmware}`, 'Change one of them'),
      );
    if (tpm === true && (mode ?? bootModeOf(firmware)) !== 'uefi')
      issue('tpm', complaint('NitroTPM needs boot_mode: uefi', 'Add it, or leave tpm out'));
  })
  .describe('An Amazon EC2 disk image (AMI).');

/** What an AMI says of a disk: it boots under whatever the disk boots under. */
function bootModeOf(firmware: 'bios' | 'uefi' | 'both'): string {
  return {bios: 'legacy-bios', uefi: 'uefi', both: 'uefi-preferred'}[firmware];
}

export type Ec2Options = z.infer<typeof schema>;
export type Ec2RegisterOptions = z.infer<typeof register>;
