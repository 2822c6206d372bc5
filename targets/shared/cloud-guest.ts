import type {Image} from '../../src/spec/image.ts';
import {packagesFor} from '../../src/spec/package-names.ts';
import type {AdaptPlan, TargetFile} from '../contract.ts';
import {cloudInitFile} from './cloud-init.ts';
import {fileFrom} from './files.ts';
import {filesystemPackages} from './filesystem-packages.ts';
import {isRpmGuest, rpmGuest} from './rpm-guest.ts';

export interface CloudGuest {
  readonly image: Image;
  /** The target's name, for comments in files. */
  readonly target: string;
  /** cloud-init's `datasource_list`, the target's own first; absent: the image has no cloud-init. */
  readonly datasources?: readonly string[];
  /** Further lines of cloud.cfg.d. */
  readonly cloudConfig?: string;
  /** The whole kernel command line, as GRUB is told again by update-grub. */
  readonly cmdline: string;
  /** `site`: the infrastructure starts a kernel from outside, and the image has no loader. */
  readonly loader?: 'own' | 'site';
  readonly packages?: readonly string[];
  readonly files?: readonly TargetFile[];
  readonly enable?: readonly string[];
}

/**
 * A disk guest of a cloud: DHCP by systemd-networkd on whatever interface there is, OpenSSH with keys only, chrony, a
 * root that grows, Debian's own packages of the boot loader, and cloud-init for its identity.
 */
export function cloudGuest(guest: CloudGuest): AdaptPlan {
  if (isRpmGuest(guest)) return rpmGuest(guest);
  const {image, datasources, packages = [], files = [], enable = []} = guest;
  const named = (word: string): readonly string[] => packagesFor(image.os, word);
  // In older releases it is a part of the systemd package.
  const resolved = named('systemd-resolved');
  return {
    packages: [
      ...(datasources === undefined ? [] : ['cloud-init']),
      'cloud-guest-utils',
      'fdisk',
      ...filesystemPackages(image),
      'dosfstools',
      'chrony',
      'openssh-server',
      ...loaderPackages(guest),
      ...resolved,
      ...packages,
    ].flatMap(named),
    initramfsPackages: [],
    initramfsFiles: [],
    files: [
      ...(datasources === undefined ? [] : cloudInitFiles(guest, datasources)),
      fileFrom('shared/files/ethernet.network', '/etc/systemd/network/90-fgimage-ethernet.network'),
      fileFrom(
        'shared/files/wait-online.conf',
        '/etc/systemd/system/systemd-networkd-wait-online.service.d/10-fgimage.conf',
      ),
      fileFrom('shared/files/sshd.conf', '/etc/ssh/sshd_config.d/10-fgimage.conf'),
      ...loaderFiles(guest),
      ...files,
    ],
    services: {
      enable: [
        'systemd-networkd.service',
        ...(resolved.length === 0 ? ['systemd-resolved.service'] : []),
        'chrony.service',
        'ssh.service',
        ...enable,
      ],
      disable: [],
      mask: [],
    },
  };
}

function loaderPackages({image, loader}: CloudGuest): readonly string[] {
  if (loader === 'site') return [];
  return packagesFor(image.os, image.storage.loader === 'systemd-boot' ? 'systemd-boot' : 'grub');
}

function loaderFiles({image, target, cmdline, loader}: CloudGuest): readonly TargetFile[] {
  if (loader === 'site' || image.storage.loader === 'systemd-boot') return [];
  return [
    {
      path: '/etc/default/grub.d/50-fgimage.cfg',
      content: grubDefaults(target, cmdline),
      permissions: '0644',
    },
    // Tells grub-cloud-amd64 that this is an installed disk: from now on its upgrades install GRUB into it.
    ...(packagesFor(image.os, 'grub').includes('grub-cloud-amd64')
      ? [{path: '/etc/grub.d/enable_cloud', content: '', permissions: '0644'}]
      : []),
  ];
}

function cloudInitFiles(
  {image: {os}, target, cloudConfig = ''}: CloudGuest,
  datasources: readonly string[],
): readonly TargetFile[] {
  const isBullseye = os.distribution === 'debian' && os.release === 'bullseye';
  return [
    cloudInitFile(target, datasources, ['apt:\n  preserve_sources_list: true\n', cloudConfig]),
    fileFrom(
      isBullseye ? 'shared/files/cloud-network-bullseye.cfg' : 'shared/files/cloud-network.cfg',
      '/etc/cloud/cloud.cfg.d/91-fgimage-network.cfg',
    ),
  ];
}

/** What update-grub in the guest reads: the same as fgimage wrote into the first grub.cfg. */
function grubDefaults(target: string, words: string): string {
  const quoted = words.replaceAll(/["\\$`]/g, '\\$&');
  return `# Written by fgimage for the target ${target}.
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="${quoted}"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
`;
}
