import type {Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';

/** `openstack`: a disk that boots under BIOS and UEFI, grows to its flavor and takes its identity from the cloud. */
export const target: Target = {
  name: 'openstack',
  version: 3,
  adapt: (image, options) =>
    cloudGuest({
      image,
      target: 'openstack',
      datasources: ['ConfigDrive', 'OpenStack', 'NoCloud', 'None'],
      cmdline: diskCmdline({image, options}),
    }),
  pack: (image, options) => diskPlan({image, options}),
  boot: (_image, options) => diskBoots(options, {platform: 'nocloud'}),
};
