import type {BootPlan, Target} from '../contract.ts';
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
      // Its service is started by udev when the host gives it a channel (qemu-guest-agent.service).
      packages: options['guest_agent'] === true ? ['qemu-guest-agent'] : [],
      files: options['network'] === 'dhcp' ? [dhcpOnly] : [],
    }),
  pack: (image, options) => diskPlan({image, options}),
  boot: (_image, options) => diskBoots(options, {platform: 'openstack'}).map(withConfigDrive),
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** Both of Nova's ways, one under each firmware. */
function withConfigDrive(boot: BootPlan): BootPlan {
  return boot.kind === 'disk' && boot.firmware === 'uefi' ? {...boot, platform: 'config-drive'} : boot;
}

/** Later than what cloudGuest writes of the network. */
const dhcpOnly = {
  path: '/etc/cloud/cloud.cfg.d/92-fgimage-dhcp.cfg',
  content: `# fgimage: systemd-networkd asks by DHCP on every interface, whatever the cloud's network data say.
network:
  config: disabled
`,
  permissions: '0644',
};
