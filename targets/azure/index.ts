import type {JsonObject} from '../../src/spec/image.ts';
import type {Firmware, Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';
import {withInitrdModules} from '../shared/initrd-modules.ts';

/** `azure`: a fixed VHD for Microsoft Azure, to be uploaded as a page blob. README.md says what is in it. */
export const target: Target = {
  name: 'azure',
  version: 1,
  adapt: (image, options) =>
    withInitrdModules(
      cloudGuest({
        image,
        target: 'azure',
        datasources: ['Azure', 'None'],
        cmdline: diskCmdline({image, options, cmdline}),
        ...(options['waagent'] === true && waagent),
      }),
      'azure',
      [
        'hv_vmbus',
        'hv_storvsc',
        'hv_netvsc',
        'hv_utils',
        'pci_hyperv',
        'hyperv_keyboard',
        'nvme',
        'mlx5_core',
      ],
    ),
  pack: (image, options) =>
    diskPlan({
      image,
      options,
      cmdline,
      firmware: firmwareFor(options),
      outputs: [{kind: 'image', format: 'vhd', fileName: 'disk.vhd'}],
      storage: {multipleOfBytes: 1 << 20},
    }),
  boot: (_image, options) =>
    diskBoots(options, {platform: 'azure', bus: 'scsi', firmware: firmwareFor(options)}),
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** The kernel command line that Azure asks of images of Linux; interfaces are eth0 and so on. */
const cmdline = 'console=tty0 console=ttyS0,115200n8 earlyprintk=ttyS0 rootdelay=300 net.ifnames=0';

const waagent = {
  packages: ['waagent'],
  files: [fileFrom('azure/files/waagent.conf', '/etc/waagent.conf')],
  enable: ['walinuxagent.service'],
};

function firmwareFor({generation}: JsonObject): Firmware {
  if (generation !== 1 && generation !== 2)
    throw new Error(`Unchecked option generation: ${JSON.stringify(generation)}`);
  return generation === 1 ? 'bios' : 'uefi';
}
