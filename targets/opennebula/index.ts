import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {AdaptPlan, Target, TargetFile} from '../contract.ts';
import {type CloudGuest, cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';

/**
 * `opennebula`: a disk that boots under BIOS and UEFI and takes network, name, keys and scripts from the CONTEXT disk,
 * by a script of ours, OpenNebula's own package or cloud-init. README.md says what is changed and why.
 */
export const target: Target = {
  name: 'opennebula',
  version: 1,
  adapt,
  pack: (image, options) => diskPlan({image, options}),
  boot: (_image, options) => diskBoots(options, {platform: 'opennebula'}),
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

function adapt(image: Image, options: JsonObject): AdaptPlan {
  const guest: CloudGuest = {image, target: 'opennebula', cmdline: diskCmdline({image, options})};
  const {context} = options;
  if (context === 'fgimage')
    return cloudGuest({...guest, packages: ['iproute2'], files: contextFiles(), enable: contextServices});
  if (context === 'one-context')
    return behindOneContext(
      cloudGuest({...guest, packages: ['one-context'], files: oneContextServices.map(asNetworkd)}),
    );
  // Its data source has a shell read context.sh as the user nobody, by sudo, which it does not depend on.
  if (context === 'cloud-init')
    return cloudGuest({...guest, datasources: ['OpenNebula', 'None'], packages: ['sudo']});
  throw new Error(`Unchecked option context: ${JSON.stringify(context)}`);
}

const contextServices = [
  'fgimage-context.service',
  'fgimage-context-scripts.service',
  'fgimage-ssh-host-keys.service',
];

function contextFiles(): readonly TargetFile[] {
  const unit = (name: string, source = name): TargetFile =>
    fileFrom(`opennebula/files/${source}`, `/etc/systemd/system/${name}`);
  return [
    fileFrom('opennebula/files/context.sh', '/usr/lib/fgimage-context/context.sh', '0755'),
    fileFrom('opennebula/files/context.awk', '/usr/lib/fgimage-context/context.awk'),
    unit('fgimage-context.service'),
    unit('fgimage-context-scripts.service'),
    unit('fgimage-ssh-host-keys.service', 'ssh-host-keys.service'),
  ];
}

const oneContextServices = ['one-context-local', 'one-context-online', 'one-context'];

/** The package brings ifupdown, and would choose it on Debian 13. */
function asNetworkd(service: string): TargetFile {
  return {
    path: `/etc/systemd/system/${service}.service.d/10-fgimage.conf`,
    content:
      '# fgimage: the network of this image is that of systemd.\n[Service]\nEnvironment=NETCFG_TYPE=networkd\n',
    permissions: '0644',
  };
}

const ethernet = '/etc/systemd/network/90-fgimage-ethernet.network';

/** one-context's files are called after their interface: `ens3.network`. DHCP for any interface has to come after them. */
function behindOneContext(plan: AdaptPlan): AdaptPlan {
  const files = plan.files.map((file) =>
    file.path === ethernet ? {...file, path: '/etc/systemd/network/zz-fgimage-ethernet.network'} : file,
  );
  return {...plan, files};
}
