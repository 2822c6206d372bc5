import {packagesFor} from '../../src/spec/package-names.ts';
import {readTemplate} from '../../src/spec/template.ts';
import type {AdaptPlan, TargetFile} from '../contract.ts';
import type {CloudGuest} from './cloud-guest.ts';
import {cloudInitFile} from './cloud-init.ts';
import {fileFrom} from './files.ts';
import {filesystemPackages} from './filesystem-packages.ts';

/** Whether the packages of a guest are rpm's: its distribution is of Red Hat's kin. */
export function isRpmGuest({image}: Pick<CloudGuest, 'image'>): boolean {
  return readTemplate(image.os.distribution).package_manager === 'dnf';
}

/**
 * A disk guest of a cloud as Red Hat's kin has it: NetworkManager asks by DHCP on whatever interface there is, cloud-init
 * and sshd as their packages start them (systemd.preset(5)), an initial RAM disk by dracut for any machine.
 */
export function rpmGuest(guest: CloudGuest): AdaptPlan {
  const {image, target, datasources, cloudConfig = '', packages = [], files = [], enable = []} = guest;
  return {
    packages: [
      ...(datasources === undefined ? [] : ['cloud-init']),
      ...['cloud-guest-utils', 'fdisk', ...filesystemPackages(image)],
      ...['dosfstools', 'chrony', 'openssh-server', 'network'],
      ...(guest.loader === 'site' ? [] : ['grub']),
      ...packages,
    ].flatMap((word) => packagesFor(image.os, word)),
    initramfsPackages: [],
    initramfsFiles: [],
    files: [
      ...(datasources === undefined ? [] : [cloudInitFile(target, datasources, [cloudConfig])]),
      fileFrom('shared/files/sshd.conf', '/etc/ssh/sshd_config.d/10-fgimage.conf'),
      ...(guest.loader === 'site' ? [] : [grubDefaults(guest)]),
      ...files,
    ],
    services: {
      enable: ['NetworkManager.service', 'chronyd.service', 'sshd.service', ...enable],
      disable: [],
      mask: [],
    },
  };
}

/** What grub2-mkconfig in the guest reads: the same as fgimage wrote into the first grub.cfg. */
function grubDefaults({target, cmdline}: CloudGuest): TargetFile {
  const quoted = cmdline.replaceAll(/["\\$`]/g, '\\$&');
  return {
    path: '/etc/default/grub',
    permissions: '0644',
    content: `# Written by fgimage for the target ${target}.
GRUB_TIMEOUT=1
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_CMDLINE_LINUX="${quoted}"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_RECOVERY=true
GRUB_ENABLE_BLSCFG=true
`,
  };
}
