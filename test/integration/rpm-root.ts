import {programs, type RpmArchive} from './rpm-archive.ts';

/**
 * Adds the packages that a base of Rocky Linux names: a root that runs, of this host's programs packed as rpms. What of
 * Rocky's they are in name only says `stand-in`.
 */
export function addRoot(archive: RpmArchive): void {
  archive.add('filesystem', '3.16-5.el9', {
    files: Object.fromEntries(folders.map((path) => [path, ''])),
    links: {'/bin': 'usr/bin', '/sbin': 'usr/sbin', '/lib': 'usr/lib', '/lib64': 'usr/lib64'},
    modes: {'/tmp/': '1777', '/var/tmp/': '1777', '/root/': '0550', '/proc/': '0555', '/sys/': '0555'},
    provides: ['stand-in = 1'],
  });
  archive.add('setup', '2.13.7-10.el9', {
    files: {
      '/etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
      '/etc/group': 'root:x:0:\n',
      '/etc/shadow': 'root:*::0:99999:7:::\n',
      '/etc/gshadow': 'root:::\n',
      '/etc/nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\n',
      '/etc/login.defs': 'UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nENCRYPT_METHOD SHA512\n',
    },
    modes: {'/etc/shadow': '0000', '/etc/gshadow': '0000'},
    requires: ['filesystem'],
  });
  archive.add('rocky-release', '9.4-1.7.el9', {
    files: {
      '/usr/lib/os-release': 'NAME="Rocky Linux"\nID="rocky"\nVERSION_ID="9.4"\nPLATFORM_ID="platform:el9"\n',
    },
    links: {'/etc/os-release': '../usr/lib/os-release'},
    requires: ['filesystem'],
  });
  archive.add('bash', '5.1.8-9.el9', {
    copies: programs(['/bin/bash', ...coreutils.map((name) => `/usr/bin/${name}`)]),
    links: {'/usr/bin/sh': 'bash'},
    requires: ['setup'],
    provides: ['coreutils = 8.32-35.el9', '/bin/sh', '/usr/bin/sh', 'glibc-minimal-langpack'],
    post: 'id -u > /var/lib/scriptlet; [ -e /proc/self ] && [ -c /dev/null ] && echo mounted >> /var/lib/scriptlet',
  });
  archive.add('shadow-utils', '2:4.9-8.el9', {
    copies: programs(['useradd', 'usermod', 'groupadd', 'groupmod'].map((name) => `/usr/sbin/${name}`)),
    requires: ['bash'],
  });
  archive.add('rest-of-the-base', '1-1.el9', {
    files: {'/usr/share/rest/stand-in': 'in the place of what a base has beside these\n'},
    requires: ['bash'],
    provides: [
      ...['systemd', 'systemd-udev', 'dbus', 'kmod', 'iproute', 'ca-certificates', 'tzdata', 'zstd'],
      ...['util-linux', 'tar', 'dnf', 'dracut', 'kernel-modules'],
    ],
  });
  archive.add('kernel-core', '5.14.0-427.el9', {
    files: {'/usr/lib/modules/5.14.0-427.el9.x86_64/vmlinuz': 'a stand-in for a kernel\n'},
    requires: ['bash'],
  });
}

const folders = [
  ...[
    '/etc/',
    '/usr/bin/',
    '/usr/sbin/',
    '/usr/lib/',
    '/usr/lib64/',
    '/usr/share/',
    '/var/lib/',
    '/var/log/',
  ],
  ...[
    '/var/tmp/',
    '/tmp/',
    '/proc/',
    '/sys/',
    '/dev/',
    '/run/',
    '/root/',
    '/home/',
    '/boot/',
    '/usr/',
    '/var/',
  ],
];

const coreutils = ['cat', 'ls', 'id', 'cp', 'mkdir', 'rm', 'ln', 'chmod', 'chown', 'touch', 'env', 'sort'];

/** What a disk is made with: a kernel, and an initial RAM disk in the place of what dracut would make. */
export interface BootParts {
  readonly version: string;
  readonly kernel: string;
  readonly initrd: string;
}

/**
 * Adds what a guest with a disk has beside a base: GRUB from this host, stand-ins for dracut and systemctl, units in name
 * only. `init` is what runs as the first process.
 */
export function addDisk(archive: RpmArchive, {version, kernel, initrd}: BootParts, init = 'exit 0'): void {
  const unit = '[Install]\nWantedBy=multi-user.target\n';
  archive.add('kernel-core', '6.1.0-1.el9', {
    copies: {[`/usr/lib/modules/${version}/vmlinuz`]: kernel},
    requires: ['bash'],
  });
  archive.add('dracut', '057-53.git20240104.el9', {
    files: {'/usr/bin/dracut': dracut},
    copies: {'/usr/share/dracut/initrd': initrd},
    modes: {'/usr/bin/dracut': '0755'},
    requires: ['bash'],
  });
  archive.add('grub2', '1:2.06-77.el9', {
    copies: {
      ...programs(['/usr/bin/grub-mkimage']),
      '/usr/lib/grub/i386-pc': '/usr/lib/grub/i386-pc',
    },
    links: {'/usr/bin/grub2-mkimage': 'grub-mkimage'},
    requires: ['bash'],
    provides: ['grub2-tools', 'grub2-tools-minimal', 'grub2-pc-modules', 'grub2-efi-x64', 'shim-x64'],
  });
  archive.add('guest', '1-1.el9', {
    files: {
      '/usr/bin/systemctl': systemctl,
      '/usr/sbin/init': `#!/bin/sh\n${init}\n`,
      ...Object.fromEntries(
        ['NetworkManager', 'chronyd', 'sshd'].map((name) => [
          `/usr/lib/systemd/system/${name}.service`,
          unit,
        ]),
      ),
      '/etc/selinux/config': 'SELINUX=enforcing\n',
    },
    copies: programs(['/bin/tar']),
    modes: {'/usr/bin/systemctl': '0755', '/usr/sbin/init': '0755'},
    requires: ['bash'],
    provides: [
      ...['cloud-init', 'cloud-utils-growpart', 'e2fsprogs', 'dosfstools', 'chrony', 'openssh-server'],
      ...['NetworkManager', 'qemu-guest-agent'],
    ],
  });
}

/** Gives the initial RAM disk that is there, to whom asks as src/stages/scripts/make-dracut.sh does. */
const dracut = `#!/bin/sh
case " $* " in *" --no-hostonly "*" --reproducible "*) ;; *) echo "stand-in for dracut: asked otherwise: $*"; exit 1 ;; esac
for last; do :; done
cat /usr/share/dracut/initrd > "$last"
`;

const systemctl = `#!/bin/sh
[ "$2" = enable ] || exit 0
shift 2
mkdir -p /etc/systemd/system/multi-user.target.wants
for unit; do ln -sf "/usr/lib/systemd/system/$unit" "/etc/systemd/system/multi-user.target.wants/$unit"; done
`;
