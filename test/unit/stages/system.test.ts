import {describe, expect, it} from 'vitest';
import {type DiskJob, espFiles} from '../../../src/stages/pack/boot-files.ts';
import {debianNames} from '../../../src/stages/pack/boot-names.ts';
import {diskParts} from '../../../src/stages/pack/layout.ts';
import type {DiskPackPlan} from '../../../targets/contract.ts';

function job(loader: 'grub' | 'systemd-boot', system: DiskJob['system']): DiskJob {
  const plan: DiskPackPlan = {
    kind: 'disk',
    firmware: 'uefi',
    loader,
    cmdline: '',
    storage: {table: 'gpt', root: {filesystem: 'ext4'}, mounts: []},
    outputs: [],
  };
  return {plan, kernels: ['6.1'], parts: diskParts(plan, 'identity'), system, names: debianNames};
}

const debian = {architecture: 'amd64', title: 'Debian GNU/Linux', efi_vendor: 'debian'} as const;
const ubuntuArm = {architecture: 'arm64', title: 'Ubuntu', efi_vendor: 'ubuntu'} as const;

describe('espFiles()', () => {
  it('has the names of the architecture, in the folder of the distribution', () => {
    expect(espFiles(job('grub', debian))).toEqual([
      {from: 'boot/shimx64.efi', to: '/EFI/BOOT/BOOTX64.EFI'},
      {from: 'boot/grubx64.efi', to: '/EFI/BOOT/grubx64.efi'},
      {from: 'boot/shimx64.efi', to: '/EFI/debian/shimx64.efi'},
      {from: 'boot/grubx64.efi', to: '/EFI/debian/grubx64.efi'},
      {from: 'boot/grub.cfg', to: '/EFI/debian/grub.cfg'},
    ]);
    expect(espFiles(job('grub', ubuntuArm)).map(({to}) => to)).toEqual([
      '/EFI/BOOT/BOOTAA64.EFI',
      '/EFI/BOOT/grubaa64.efi',
      '/EFI/ubuntu/shimaa64.efi',
      '/EFI/ubuntu/grubaa64.efi',
      '/EFI/ubuntu/grub.cfg',
    ]);
  });

  it('has systemd-boot and a unified kernel of the architecture', () => {
    expect(espFiles(job('systemd-boot', ubuntuArm))).toEqual([
      {from: 'boot/systemd-bootaa64.efi', to: '/EFI/BOOT/BOOTAA64.EFI'},
      {from: 'boot/systemd-bootaa64.efi', to: '/EFI/systemd/systemd-bootaa64.efi'},
      {from: 'boot/fgimage-6.1.efi', to: '/EFI/Linux/fgimage-6.1.efi'},
      {from: 'boot/loader.conf', to: '/loader/loader.conf'},
    ]);
  });
});
