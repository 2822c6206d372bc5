import {describe, expect, it} from 'vitest';
import type {Os} from '../../../src/spec/image.ts';
import {domainXml} from '../../../targets/libvirt/domain.ts';
import {domainOf} from '../../../targets/libvirt/options.ts';
import {wantedProperties} from '../../../targets/openstack/properties.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {cloudGuest} from '../../../targets/shared/cloud-guest.ts';
import {withConsoles} from '../../../targets/shared/console.ts';
import {image} from '../../rig/images.ts';

const arm: Os = {distribution: 'debian', release: 'bookworm', architecture: 'arm64'};
const jammy: Os = {distribution: 'ubuntu', release: 'jammy', architecture: 'amd64'};

describe('cloudGuest()', () => {
  const guestOf = (os: Os) =>
    cloudGuest({image: image({os}), target: 'x', datasources: ['None'], cmdline: ''});

  it("has a distribution's own packages of GRUB", () => {
    const ubuntu = guestOf(jammy);
    expect(ubuntu.packages).toEqual([
      ...['cloud-init', 'cloud-guest-utils', 'fdisk', 'e2fsprogs', 'dosfstools', 'chrony', 'openssh-server'],
      ...['grub-pc', 'grub-efi-amd64-bin', 'grub-efi-amd64-signed', 'shim-signed'],
    ]);
    expect(ubuntu.services.enable).toContain('systemd-resolved.service');
    expect(ubuntu.files.map(({path}) => path)).not.toContain('/etc/grub.d/enable_cloud');
    const debianArm = guestOf(arm);
    expect(debianArm.packages).toContain('grub-efi-arm64-signed');
    expect(debianArm.packages).toContain('systemd-resolved');
    expect(debianArm.files.map(({path}) => path)).not.toContain('/etc/grub.d/enable_cloud');
    expect(guestOf({...arm, architecture: 'amd64'}).files.map(({path}) => path)).toContain(
      '/etc/grub.d/enable_cloud',
    );
  });
});

describe('withConsoles()', () => {
  const usual = 'console=tty0 console=ttyS0,115200n8 quiet';

  it("adds the PL011 of arm64, behind a PC's port or before it", () => {
    expect(withConsoles(usual, {os: jammy})).toBe(usual);
    const behind = 'console=tty0 console=ttyS0,115200n8 console=ttyAMA0,115200n8 quiet';
    expect(withConsoles(usual, {os: arm})).toBe(behind);
    const before = withConsoles(usual, {os: arm}, '8250');
    expect(before).toBe('console=tty0 console=ttyAMA0,115200n8 console=ttyS0,115200n8 quiet');
    expect(withConsoles(before, {os: arm})).toBe(before);
  });

  it('keeps the order that EC2 wants', () => {
    const plan = targetOfType('ec2').pack(image({os: arm}), {firmware: 'both'});
    expect(plan).toMatchObject({
      firmware: 'uefi',
      cmdline: 'console=tty1 console=ttyAMA0,115200n8 console=ttyS0,115200n8 nvme_core.io_timeout=4294967295',
    });
  });
});

describe('what infrastructures are told', () => {
  it('is in their own words of arm64', () => {
    const options = {format: 'qcow2', firmware: 'both'};
    expect(wantedProperties(image({os: arm}), options, 'web')).toMatchObject({
      architecture: 'aarch64',
      hw_firmware_type: 'uefi',
      hw_machine_type: 'virt',
      os_version: '12',
    });
    const domain = domainXml(
      domainOf(image({os: arm}), {
        ...options,
        domain: {type: 'qemu', cpus: 1, memory: '1GiB', network: 'default'},
      }),
    );
    expect(domain).toContain("<os firmware='efi'>\n    <type arch='aarch64' machine='virt'>hvm</type>");
    expect(domain).toContain('<gic/>');
  });

  it('is what a release of Ubuntu is called', () => {
    expect(wantedProperties(image({os: jammy}), {format: 'qcow2', firmware: 'both'}, 'web')).toMatchObject({
      os_distro: 'ubuntu',
      os_version: '22.04',
      os_admin_user: 'ubuntu',
    });
  });
});
