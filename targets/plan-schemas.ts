import {z} from 'zod';
import type {AdaptPlan, BootPlan, PackPlan} from './contract.ts';

/** The plans of targets/contract.ts for code that no compiler has seen. */
const texts = z.array(z.string());

const file = z.strictObject({
  path: z.string().startsWith('/'),
  content: z.string(),
  permissions: z.string().regex(/^[0-7]{4}$/),
});

export const adaptPlan: z.ZodType<AdaptPlan> = z.strictObject({
  packages: texts,
  initramfsPackages: texts,
  files: z.array(file),
  initramfsFiles: z.array(file),
  services: z.strictObject({enable: texts, disable: texts, mask: texts}),
});

const bytes = z.int().positive();
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
const filesystem = z.enum(['ext4', 'xfs', 'btrfs']);

const image = z.strictObject({
  kind: z.literal('image'),
  fileName,
  format: z.enum(['qcow2', 'raw', 'vmdk', 'vhd', 'vdi']),
  gzip: z.boolean().exactOptional(),
});
const text = z.strictObject({kind: z.literal('text'), fileName, template: z.string()});
const bootFile = z.strictObject({kind: z.enum(['kernel', 'initrd']), fileName});
const archive = z.strictObject({
  kind: z.literal('archive'),
  fileName,
  format: z.enum(['ustar', 'oldgnu']),
  gzip: z.boolean().exactOptional(),
  members: z.array(z.discriminatedUnion('kind', [image, text])).min(1),
});

const disk = z.strictObject({
  kind: z.literal('disk'),
  firmware: z.enum(['bios', 'uefi', 'both']),
  loader: z.enum(['grub', 'systemd-boot', 'none']),
  cmdline: z.string(),
  storage: z.strictObject({
    table: z.enum(['gpt', 'mbr', 'none']),
    sizeBytes: bytes.exactOptional(),
    fit: z.enum(['roomy', 'minimal']).exactOptional(),
    multipleOfBytes: bytes.exactOptional(),
    root: z.strictObject({filesystem}),
    boot: z.strictObject({filesystem, sizeBytes: bytes}).exactOptional(),
    swapBytes: bytes.exactOptional(),
    mounts: z.array(z.strictObject({path: z.string().startsWith('/'), filesystem, sizeBytes: bytes})),
  }),
  outputs: z.array(z.discriminatedUnion('kind', [image, text, bootFile, archive])).min(1),
});

const level = z.int().exactOptional();
const netboot = z.strictObject({
  kind: z.literal('netboot'),
  cmdline: z.string(),
  compression: z.strictObject({algorithm: z.enum(['zstd', 'xz', 'gzip']), level}),
  scripts: z.array(z.strictObject({path: z.string(), content: z.string()})),
});
const tar = z.strictObject({
  kind: z.literal('tar'),
  fileName,
  compression: z.strictObject({algorithm: z.enum(['zstd', 'gzip', 'none']), level}),
});
const oci = z.strictObject({
  kind: z.literal('oci'),
  compression: z.strictObject({algorithm: z.enum(['zstd', 'gzip'])}),
  config: z.record(z.string(), z.json()),
});

export const packPlan = z.discriminatedUnion('kind', [disk, netboot, tar, oci]) as z.ZodType<PackPlan>;

const memoryMiB = z.int().min(64);
export const bootPlans: z.ZodType<readonly BootPlan[]> = z.array(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('disk'),
      name: z.string().min(1),
      firmware: z.enum(['bios', 'uefi']),
      platform: z.enum([
        'nocloud',
        'openstack',
        'config-drive',
        'ec2',
        'eucalyptus',
        'opennebula',
        'nimbus',
        'azure',
        'gcp',
        'vmware',
      ]),
      bus: z.enum(['virtio', 'nvme', 'scsi', 'ide']).exactOptional(),
      direct: z.boolean().exactOptional(),
      memoryMiB,
    }),
    z.strictObject({kind: z.literal('netboot'), name: z.string().min(1), memoryMiB}),
  ]),
);
