import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';
import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {AdaptPlan, BootPlan, DiskPackPlan, Target, TargetFile} from '../contract.ts';

/** `openstack`: a disk that boots under BIOS and UEFI, grows to its flavor and takes its identity from the cloud. */
export const target: Target = {name: 'openstack', version: 2, adapt, pack, boot};

const defaultTestMemoryMiB = 1024;

function adapt(image: Image, options: JsonObject): AdaptPlan {
  return {
    packages: [
      'cloud-init',
      'cloud-guest-utils',
      'fdisk',
      'e2fsprogs',
      'dosfstools',
      'chrony',
      'openssh-server',
      'grub-cloud-amd64',
      // Until Debian 12 it is a part of the systemd package.
      ...(image.os.release === 'bullseye' ? [] : ['systemd-resolved']),
    ],
    initramfsPackages: [],
    initramfsFiles: [],
    files: [
      file('/etc/cloud/cloud.cfg.d/90-fgimage.cfg', 'cloud.cfg'),
      file(
        '/etc/cloud/cloud.cfg.d/91-fgimage-network.cfg',
        image.os.release === 'bullseye' ? 'cloud-network-bullseye.cfg' : 'cloud-network.cfg',
      ),
      file('/etc/systemd/network/90-fgimage-ethernet.network', 'ethernet.network'),
      file('/etc/systemd/system/systemd-networkd-wait-online.service.d/10-fgimage.conf', 'wait-online.conf'),
      file('/etc/ssh/sshd_config.d/10-fgimage.conf', 'sshd.conf'),
      {
        path: '/etc/default/grub.d/50-fgimage.cfg',
        content: grubDefaults(cmdline(image, options)),
        permissions: '0644',
      },
      // Tells grub-cloud-amd64 that this is an installed disk: from now on its upgrades install GRUB into it.
      {path: '/etc/grub.d/enable_cloud', content: '', permissions: '0644'},
    ],
    services: {
      enable: [
        'systemd-networkd.service',
        ...(image.os.release === 'bullseye' ? ['systemd-resolved.service'] : []),
        'chrony.service',
        'ssh.service',
      ],
      disable: [],
      mask: [],
    },
  };
}

function pack(image: Image, options: JsonObject): DiskPackPlan {
  const {format, firmware, size} = options;
  if (format !== 'qcow2' && format !== 'raw')
    throw new Error(`Unchecked option format: ${JSON.stringify(format)}`);
  if (firmware !== 'bios' && firmware !== 'uefi' && firmware !== 'both')
    throw new Error(`Unchecked option firmware: ${JSON.stringify(firmware)}`);
  const sizeBytes = typeof size === 'string' ? parseSize(size) : image.storage.size_bytes;
  return {
    kind: 'disk',
    format,
    fileName: format === 'qcow2' ? 'disk.qcow2' : 'disk.raw',
    firmware,
    cmdline: cmdline(image, options),
    ...(sizeBytes === undefined ? {} : {sizeBytes}),
  };
}

function boot(_image: Image, options: JsonObject): readonly BootPlan[] {
  const {firmware, test} = options;
  const memory = typeof test === 'object' && test !== null && 'memory' in test ? test['memory'] : undefined;
  const memoryMiB =
    typeof memory === 'string' ? Math.ceil((parseSize(memory) ?? 0) / (1 << 20)) : defaultTestMemoryMiB;
  const modes =
    firmware === 'both'
      ? (['bios', 'uefi'] as const)
      : firmware === 'bios'
        ? (['bios'] as const)
        : (['uefi'] as const);
  return modes.map((mode) => ({kind: 'disk', name: mode, firmware: mode, seed: 'nocloud', memoryMiB}));
}

/** The serial console comes last: it is the one that Nova's console log shows. */
function cmdline(image: Image, options: JsonObject): string {
  return ['console=tty0 console=ttyS0,115200n8', image.kernel.cmdline, options['cmdline']]
    .filter((part) => typeof part === 'string')
    .join(' ');
}

/** What update-grub in the guest reads: the same as fgimage wrote into the first grub.cfg. */
function grubDefaults(words: string): string {
  const quoted = words.replaceAll(/["\\$`]/g, '\\$&');
  return `# Written by fgimage for the target openstack.
GRUB_TIMEOUT=1
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="${quoted}"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
GRUB_DISABLE_OS_PROBER=true
`;
}

function file(path: string, name: string): TargetFile {
  return {
    path,
    content: contentOf(name),
    permissions: '0644',
  };
}

/** Every image of a spec has the same files. */
const contents = new Map<string, string>();

function contentOf(name: string): string {
  const known = contents.get(name);
  if (known !== undefined) return known;
  const content = readFileSync(join(packageRoot, 'targets/openstack/files', name), 'utf8');
  contents.set(name, content);
  return content;
}
