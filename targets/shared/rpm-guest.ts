import {packagesFor} from '../../src/spec/package-names.ts';
import {readTemplate} from '../../src/spec/template.ts';
import type {AdaptPlan, TargetFile} from '../contract.ts';
import type {CloudGuest} from './cloud-guest.ts';
import {fileFrom} from './files.ts';

/** Whether the packages of a guest are rpm's: its distribution is of Red Hat's kin. */
export function isRpmGuest({image}: Pick<CloudGuest, 'image'>): boolean {
  return readTemplate(image.os.distribution).package_manager === 'dnf';
}

/**
 * A disk guest of a cloud as Red Hat's kin has it: NetworkManager asks by DHCP on whatever interface there is, cloud-init
 * and sshd as their packages start them (systemd.preset(5)), an initial RAM disk by dracut for any machine.
 */
export function rpmGuest(guest: CloudGuest): AdaptPlan {
  const {image, datasources, packages = [], files = [], enable = []} = guest;
  const {filesystem, boot, mounts = []} = image.storage;
  const used = new Set([filesystem, boot?.filesystem, ...mounts.map((mount) => mount.filesystem)]);
  return {
    packages: [
      ...(datasources === undefined ? [] : ['cloud-init']),
      ...['cloud-guest-utils', 'fdisk', 'e2fsprogs'],
      ...(used.has('xfs') ? ['xfsprogs'] : []),
      ...(used.has('btrfs') ? ['btrfs-progs'] : []),
      ...['dosfstools', 'chrony', 'openssh-server', 'network'],
      ...(guest.loader === 'site' ? [] : ['grub']),
      ...packages,
    ].flatMap((word) => packagesFor(image.os, word)),
    initramfsPackages: [],
    initramfsFiles: [],
    files: [
      ...(datasources === undefined ? [] : [cloudInitFile(guest, datasources)]),
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

function cloudInitFile({target, cloudConfig = ''}: CloudGuest, datasources: readonly string[]): TargetFile {
  const content = `# fgimage: what a guest of the target ${target} takes from its cloud, and how.
datasource_list: [${datasources.join(', ')}]
disable_root: true
ssh_pwauth: false
ssh_deletekeys: true
growpart:
  mode: auto
  devices: ['/']
resize_rootfs: true
locale: false
${cloudConfig}`;
  return {path: '/etc/cloud/cloud.cfg.d/90-fgimage.cfg', content, permissions: '0644'};
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
