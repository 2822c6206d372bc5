import {describe, expect, it} from 'vitest';
import {Project} from './real-build.ts';

/** The long boots: every release of Debian that a spec may name, on every target, under every firmware. */
describe.each(['bullseye', 'trixie'])('fgimage build of %s', (release) => {
  it('makes all targets, boots them and passes every test', async () => {
    const project = new Project(`release-${release}`);
    project.write({
      'fgimage.yaml': `version: 1
name: ${release}
os: {distribution: debian, release: ${release}}
packages: [less]
users: [{name: carol, uid: 1601}]
tests:
  - {command: "grep VERSION_CODENAME /etc/os-release", stdout: ${release}}
  - command: id -u carol
    stdout: "1601"
  - {service: ssh, running: true}
targets: {openstack: {test: {memory: 1536MiB}}, hpc: {}, ec2: {firmware: uefi}, opennebula: {firmware: bios}}
`,
    });
    const result = await project.build();
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
    const checks = result.events.flatMap((event) =>
      event.type === 'stage-finished' ? (event.checks ?? []) : [],
    );
    for (const boot of ['bios', 'uefi', 'netboot']) {
      expect(checks).toContainEqual(
        expect.objectContaining({name: `${boot}: command: id -u carol`, passed: true}),
      );
    }
  });
});

describe('fgimage build of a raw disk for one firmware', () => {
  it('boots under UEFI alone, without a BIOS boot partition', async () => {
    const project = new Project('release-raw');
    project.write({
      'fgimage.yaml': `version: 1
name: raw
os: {distribution: debian, release: bookworm}
targets: {openstack: {format: raw, firmware: uefi}}
`,
    });
    const result = await project.build();
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
  });
});

describe("Debian's own boot loader packages", () => {
  it('go on working in the guest: update-grub and grub-install for both firmwares', async () => {
    const project = new Project('release-grub');
    project.write({
      'fgimage.yaml': `version: 1
name: grub
os: {distribution: debian, release: bookworm}
tests:
  - command: update-grub && grep -c root=UUID /boot/grub/grub.cfg && grep -q console=ttyS0,115200n8 /boot/grub/grub.cfg
  - command: grub-install --target=i386-pc /dev/vda
  - command: mountpoint /boot/efi && grub-install --target=x86_64-efi --no-nvram --uefi-secure-boot --force-extra-removable
targets: {openstack: {}}
`,
    });
    const result = await project.build();
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
  });
});
