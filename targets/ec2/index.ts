import type {Image} from '../../src/spec/image.ts';
import type {Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {withConsoles} from '../shared/console.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';

/**
 * The consoles that EC2 shows, the serial one last; and NVMe without a time limit, since EBS may take longer than the
 * kernel's 30 s (EC2 user guide, "Amazon EBS and NVMe").
 */
const usualCmdline = 'console=tty1 console=ttyS0,115200n8 nvme_core.io_timeout=4294967295';

/** Instances of Graviton have an 8250 as well. */
function cmdlineOf(image: Image): string {
  return withConsoles(usualCmdline, image, '8250');
}

/** `ec2`: a raw disk for an AMI, which boots on Nitro (NVMe, ENA) and Xen instances under BIOS and UEFI. */
export const target: Target = {
  name: 'ec2',
  version: 1,
  adapt: (image, options) =>
    cloudGuest({
      image,
      target: 'ec2',
      datasources: ['Ec2', 'None'],
      cmdline: diskCmdline({image, options, cmdline: cmdlineOf(image)}),
      files: [fileFrom('ec2/files/time.sources', '/etc/chrony/sources.d/fgimage-ec2.sources')],
    }),
  pack: (image, options) =>
    diskPlan({
      image,
      options,
      cmdline: cmdlineOf(image),
      outputs: [{kind: 'image', format: 'raw', fileName: 'disk.raw'}],
      // The unit of snapshots and volumes.
      storage: {multipleOfBytes: 1 << 30},
    }),
  boot: (_image, options) => diskBoots(options, {platform: 'ec2', bus: 'nvme'}),
  // A name can be given once in a region, and the old AMI goes after the new one is there.
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};
