import {beforeAll, describe, expect, it} from 'vitest';
import {type BuildResult, Project} from './real-build.ts';

const spec = `version: 1
name: storage
os: {distribution: debian, release: bookworm}
targets: {openstack: {}}
images:
  xfs:
    storage: {filesystem: xfs, fit: minimal}
    tests:
      - {command: findmnt -no FSTYPE /, stdout: xfs}
      - {command: dpkg --verify}
  mbr:
    storage: {filesystem: btrfs, table: mbr}
    tests:
      - {command: findmnt -no FSTYPE /, stdout: btrfs}
      - {command: btrfs scrub start -B /, stdout: no errors found}
      - {command: lsblk -no PTTYPE /dev/vda, stdout: dos}
  parted:
    storage:
      boot: {size: 512MiB}
      swap: 256MiB
      mounts:
        - {path: /srv, size: 128MiB, filesystem: xfs}
        - {path: /var/lib, size: 1GiB}
    tests:
      - {command: swapon --show=TYPE --noheadings, stdout: partition}
      - {command: findmnt -no FSTYPE /boot, stdout: ext4}
      - {command: findmnt -no FSTYPE /srv, stdout: xfs}
      - {command: findmnt -no FSTYPE /var/lib, stdout: ext4}
      - command: update-grub && grep -q 'linux./vmlinuz' /boot/grub/grub.cfg
  unified:
    storage: {loader: systemd-boot}
    tests:
      - {command: bootctl --no-pager status, stdout: systemd-boot}
      - {command: ls /sys/firmware/efi/efivars, stdout: StubInfo}
      # What Debian does when a kernel is installed.
      - command: kernel-install add "$(uname -r)" "/boot/vmlinuz-$(uname -r)" && bootctl --no-pager list
        stdout: "Type #1 (.conf)"
`;

const project = new Project('storage');
let result: BuildResult;

beforeAll(async () => {
  project.write({'fgimage.yaml': spec});
  result = await project.build();
});

describe('fgimage build of disks of every layout', () => {
  it('boots them under each firmware that they are for, and passes every test', () => {
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
  });

  it.each([
    ['xfs', ['bios', 'uefi'], 'findmnt -no FSTYPE /'],
    ['mbr', ['bios', 'uefi'], 'lsblk -no PTTYPE /dev/vda'],
    ['parted', ['bios', 'uefi'], 'swapon --show=TYPE --noheadings'],
    ['unified', ['uefi'], 'bootctl --no-pager status'],
  ])('%s was booted under %j', (image, boots, command) => {
    const names = result
      .checks(`test:${image}/openstack`)
      .filter(({passed}) => passed)
      .map(({name}) => name);
    expect(names.filter((name) => name.endsWith(`command: ${command}`))).toEqual(
      boots.map((boot) => `${boot}: command: ${command}`),
    );
  });
});
