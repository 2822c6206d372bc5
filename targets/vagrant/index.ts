import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {ArchiveOutput, Target} from '../contract.ts';
import {cloudGuest} from '../shared/cloud-guest.ts';
import {diskBoots, diskCmdline, diskPlan} from '../shared/disk.ts';
import {fileFrom} from '../shared/files.ts';

/** `vagrant`: a box for Vagrant with its libvirt provider. README.md says what is in it. */
export const target: Target = {
  name: 'vagrant',
  version: 1,
  adapt: (image, options) =>
    cloudGuest({
      image,
      target: 'vagrant',
      datasources: ['NoCloud', 'None'],
      cloudConfig: hasOwnUser(image) ? 'users: []\n' : userConfig(options),
      cmdline: diskCmdline({image, options}),
      packages: ['sudo', 'rsync'],
      files: [fileFrom('vagrant/files/sudoers', '/etc/sudoers.d/50-fgimage-vagrant', '0440')],
    }),
  pack: (image, options) => diskPlan({image, options, firmware: 'bios', outputs: [box(options)]}),
  boot: (_image, options) => diskBoots(options, {platform: 'nocloud', firmware: 'bios'}),
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

const user = 'vagrant';

function hasOwnUser({users}: Image): boolean {
  return users.some(({name}) => name === user);
}

/**
 * Vagrant's keys that everybody has (https://github.com/hashicorp/vagrant/tree/main/keys). cloud-init gives them to the
 * user at the first boot; Vagrant replaces them as soon as it is logged in.
 */
const insecureKeys = [
  'ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y vagrant insecure public key',
];

/** The user that Vagrant logs in as, beside those of the image. */
function userConfig({insecure_key: isInsecure}: JsonObject): string {
  const keys = insecureKeys.map((key) => `      - ${key}\n`).join('');
  return `users:
  - name: ${user}
    gecos: Vagrant
    shell: /bin/bash
    lock_passwd: true
${isInsecure === true ? `    ssh_authorized_keys:\n${keys}` : ''}`;
}

/** https://github.com/vagrant-libvirt/vagrant-libvirt/blob/main/docs/boxes.markdown, version 1. */
function box(options: JsonObject): ArchiveOutput {
  return {
    kind: 'archive',
    fileName: 'disk.box',
    format: 'ustar',
    gzip: true,
    members: [
      {kind: 'text', fileName: 'metadata.json', template: metadata},
      {kind: 'text', fileName: 'Vagrantfile', template: vagrantfile(options)},
      {kind: 'image', fileName: 'box.img', format: 'qcow2'},
    ],
  };
}

const metadata = '{"provider":"libvirt","format":"qcow2","virtual_size":{{virtual-size-gib}}}\n';

/** What a Vagrantfile of the box's user may say otherwise. */
function vagrantfile({cpus, memory, driver}: JsonObject): string {
  const memoryBytes = typeof memory === 'string' ? parseSize(memory) : undefined;
  if (memoryBytes === undefined || typeof cpus !== 'number' || (driver !== 'kvm' && driver !== 'qemu'))
    throw new Error('Unchecked options cpus, memory and driver');
  return `Vagrant.configure("2") do |config|
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "${driver}"
    libvirt.cpus = ${cpus}
    libvirt.memory = ${Math.ceil(memoryBytes / (1 << 20))}
    libvirt.disk_bus = "virtio"
  end
  config.vm.synced_folder ".", "/vagrant", type: "rsync"
end
`;
}
