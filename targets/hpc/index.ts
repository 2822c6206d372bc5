import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';
import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import {packagesFor} from '../../src/spec/package-names.ts';
import {
  type AdaptPlan,
  type BootPlan,
  type NetbootPackPlan,
  netbootFiles,
  type Target,
  type TargetFile,
} from '../contract.ts';
import {withConsoles} from '../shared/console.ts';
import {ipxeScript, pxelinuxConfig} from './boot-scripts.ts';

/**
 * `hpc`: a stateless node. Kernel, initial RAM disk and a squashfs root come over the network; the root is held in
 * RAM under a writable overlay and forgotten at the next boot. README.md says what is changed and why.
 */
export const target: Target = {name: 'hpc', version: 1, adapt, pack, boot};

const defaultTestMemoryMiB = 2048;

function adapt(image: Image): AdaptPlan {
  const named = (word: string): readonly string[] => packagesFor(image.os, word);
  return {
    packages: ['systemd-sysv', 'dbus', 'udev', 'iproute2', 'openssh-server', 'chrony'].flatMap(named),
    initramfsPackages: [
      'initramfs-tools',
      'live-boot',
      'live-boot-initramfs-tools',
      'busybox',
      'zstd',
    ].flatMap(named),
    files: [
      file('/etc/systemd/network/80-fgimage-ethernet.network', 'ethernet.network'),
      file('/etc/systemd/system/systemd-networkd-wait-online.service.d/10-fgimage.conf', 'wait-online.conf'),
      file('/etc/systemd/system/fgimage-ssh-host-keys.service', 'ssh-host-keys.service'),
      file('/etc/systemd/journald.conf.d/10-fgimage.conf', 'journald.conf'),
      file('/etc/ssh/sshd_config.d/10-fgimage.conf', 'sshd.conf'),
      ...identityFiles(image),
    ],
    initramfsFiles: [
      file('/etc/initramfs-tools/conf.d/fgimage-netboot.conf', 'initramfs.conf'),
      {
        ...file('/etc/initramfs-tools/scripts/live-bottom/fgimage-overlay', 'site-overlay.sh'),
        permissions: '0755',
      },
    ],
    services: {
      enable: ['systemd-networkd.service', 'fgimage-ssh-host-keys.service', 'ssh.service', 'chrony.service'],
      disable: [],
      mask: ['apt-daily.timer', 'apt-daily-upgrade.timer'],
    },
  };
}

/**
 * live-boot writes the name and the resolvers of the DHCP answer into these where they hold nothing but comments.
 * An image that names itself, or brings systemd-resolved, keeps its own.
 */
function identityFiles(image: Image): readonly TargetFile[] {
  const files: TargetFile[] = [];
  if (image.hostname === undefined) files.push({path: '/etc/hostname', content: '', permissions: '0644'});
  if (!image.packages.some(({name}) => name === 'systemd-resolved')) {
    files.push({path: '/etc/resolv.conf', content: '', permissions: '0644'});
  }
  return files;
}

function pack(image: Image, options: JsonObject): NetbootPackPlan {
  const {compression, compression_level: level, base_url: baseUrl} = options;
  if (compression !== 'zstd' && compression !== 'xz' && compression !== 'gzip') {
    throw new Error(`Unchecked option compression: ${JSON.stringify(compression)}`);
  }
  const cmdline = [withConsoles(baseCmdline, image), image.kernel.cmdline, options['cmdline']]
    .filter((part) => typeof part === 'string')
    .join(' ');
  const script = {files: netbootFiles, cmdline, ...(typeof baseUrl === 'string' && {baseUrl})};
  return {
    kind: 'netboot',
    cmdline,
    compression: {algorithm: compression, ...(typeof level === 'number' && {level})},
    scripts: [
      {path: netbootFiles.ipxe, content: ipxeScript(script)},
      {path: 'pxelinux.cfg/default', content: pxelinuxConfig(script)},
    ],
  };
}

/**
 * live-boot(7): `nofstab` and `nonetworking` leave fstab and the network to systemd. `panic=60`: a node that cannot
 * boot says so for a minute and tries again, instead of offering a root shell on its console.
 */
const baseCmdline = 'boot=live nofstab nonetworking panic=60 console=tty0 console=ttyS0,115200n8';

function boot(_image: Image, options: JsonObject): readonly BootPlan[] {
  return [{kind: 'netboot', name: 'netboot', memoryMiB: testMemoryMiB(options)}];
}

function testMemoryMiB({test}: JsonObject): number {
  const memory = typeof test === 'object' && test !== null && 'memory' in test ? test['memory'] : undefined;
  const bytes = typeof memory === 'string' ? parseSize(memory) : undefined;
  return bytes === undefined ? defaultTestMemoryMiB : Math.ceil(bytes / (1024 * 1024));
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
  const content = readFileSync(join(packageRoot, 'targets/hpc/files', name), 'utf8');
  contents.set(name, content);
  return content;
}
