import type {Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan, formatOutputs} from '../shared/disk.ts';
import {domainXml} from './domain.ts';
import {domainFile, domainOf} from './options.ts';

/** `libvirt`: a disk and the XML of a domain. README.md says what is in them. */
export const target: Target = {
  name: 'libvirt',
  version: 1,
  adapt: (image, options) =>
    cloudGuest({
      image,
      target: 'libvirt',
      datasources: ['NoCloud', 'None'],
      cmdline: diskCmdline({image, options}),
      packages: ['qemu-guest-agent'],
    }),
  pack: (image, options) =>
    diskPlan({
      image,
      options,
      outputs: [
        ...formatOutputs(options['format']),
        {kind: 'text', fileName: domainFile, template: domainXml(domainOf(image, options))},
      ],
    }),
  boot: (_image, options) => diskBoots(options, {platform: 'nocloud'}),
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};
