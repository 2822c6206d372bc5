import type {Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';
import {withInitrdModules} from '../shared/initrd-modules.ts';

/** `gcp`: what Google Compute Engine makes an image of. README.md says what is in it. */
export const target: Target = {
  name: 'gcp',
  version: 1,
  adapt: (image, options) =>
    withInitrdModules(
      cloudGuest({
        image,
        target: 'gcp',
        datasources: ['GCE', 'None'],
        cloudConfig,
        cmdline: diskCmdline({image, options}),
        files: [fileFrom('gcp/files/chrony.conf', '/etc/chrony/chrony.conf')],
      }),
      'gcp',
      ['virtio_scsi', 'virtio_net', 'nvme', 'gve'],
    ),
  pack: (image, options) =>
    diskPlan({
      image,
      options,
      outputs: [
        {
          kind: 'archive',
          fileName: 'disk.tar.gz',
          format: 'oldgnu',
          gzip: true,
          // Google looks for this name, and for nothing beside it.
          members: [{kind: 'image', format: 'raw', fileName: 'disk.raw'}],
        },
      ],
      storage: {multipleOfBytes: 2 ** 30},
    }),
  boot: (_image, options) => diskBoots(options, {platform: 'gcp', bus: 'scsi'}),
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** By the address that the service has in every network of Google's: it is asked before there is a name server. */
const cloudConfig = `datasource:
  GCE:
    metadata_url: 'http://169.254.169.254/computeMetadata/v1/'
`;
