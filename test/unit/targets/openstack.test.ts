import {describe, expect, it} from 'vitest';
import {target} from '../../../targets/openstack/index.ts';
import {schema} from '../../../targets/openstack/schema.ts';
import {image, openstack} from '../../rig/images.ts';

const options = openstack().options;

describe('adapt()', () => {
  it('says what an image needs to be at home in an OpenStack cloud', () => {
    const {files, ...rest} = target.adapt(image(), options);
    expect(rest).toMatchInlineSnapshot(`
      {
        "initramfsFiles": [],
        "initramfsPackages": [],
        "packages": [
          "cloud-init",
          "cloud-guest-utils",
          "fdisk",
          "e2fsprogs",
          "dosfstools",
          "chrony",
          "openssh-server",
          "grub-cloud-amd64",
          "systemd-resolved",
        ],
        "services": {
          "disable": [],
          "enable": [
            "systemd-networkd.service",
            "chrony.service",
            "ssh.service",
          ],
          "mask": [],
        },
      }
    `);
    expect(files.map(({path, permissions}) => `${permissions} ${path}`)).toMatchInlineSnapshot(`
      [
        "0644 /etc/cloud/cloud.cfg.d/90-fgimage.cfg",
        "0644 /etc/cloud/cloud.cfg.d/91-fgimage-network.cfg",
        "0644 /etc/systemd/network/90-fgimage-ethernet.network",
        "0644 /etc/systemd/system/systemd-networkd-wait-online.service.d/10-fgimage.conf",
        "0644 /etc/ssh/sshd_config.d/10-fgimage.conf",
        "0644 /etc/default/grub.d/50-fgimage.cfg",
        "0644 /etc/grub.d/enable_cloud",
      ]
    `);
  });

  it('takes the parts of systemd that bullseye has in one package', () => {
    const plan = target.adapt(
      image({os: {distribution: 'debian', release: 'bullseye', architecture: 'amd64'}}),
      options,
    );
    expect(plan.packages).not.toContain('systemd-resolved');
    expect(plan.services.enable).toContain('systemd-resolved.service');
  });

  it('gives update-grub the same command line as the first grub.cfg, quoted for the shell', () => {
    const cmdline = 'a="$b c" `d` e\\f';
    const with_ = image({kernel: {cmdline}});
    const file = target
      .adapt(with_, options)
      .files.find(({path}) => path === '/etc/default/grub.d/50-fgimage.cfg');
    expect(file?.content).toMatchInlineSnapshot(`
      "# Written by fgimage for the target openstack.
      GRUB_TIMEOUT=1
      GRUB_CMDLINE_LINUX_DEFAULT=""
      GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8 a=\\"\\$b c\\" \\\`d\\\` e\\\\f"
      GRUB_TERMINAL="console serial"
      GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
      GRUB_DISABLE_OS_PROBER=true
      "
    `);
    expect(target.pack(with_, options)).toMatchObject({
      cmdline: `console=tty0 console=ttyS0,115200n8 ${cmdline}`,
    });
  });

  it('leaves the network to DHCP, and brings the guest agent, where the spec says so', () => {
    const usual = target.adapt(image(), options);
    const plan = target.adapt(image(), {...options, network: 'dhcp', guest_agent: true});
    const added = plan.files.filter(({path}) => !usual.files.some((file) => file.path === path));
    expect(added).toEqual([
      {
        // After what says how cloud-init writes the network.
        path: '/etc/cloud/cloud.cfg.d/92-fgimage-dhcp.cfg',
        content: expect.stringMatching(/^# fgimage: .*\nnetwork:\n {2}config: disabled\n$/) as string,
        permissions: '0644',
      },
    ]);
    expect(plan.packages).toEqual([...usual.packages, 'qemu-guest-agent']);
    expect(target.adapt(image(), {...options, network: 'cloud', guest_agent: false})).toEqual(usual);
  });

  it('appends the command line of the target to that of the image', () => {
    const plan = target.pack(image({kernel: {cmdline: 'one'}}), {...options, cmdline: 'two'});
    expect(plan).toMatchObject({cmdline: 'console=tty0 console=ttyS0,115200n8 one two'});
  });
});

describe('pack()', () => {
  it('gives a qcow2 disk that is fitted to the tree by default', () => {
    expect(target.pack(image(), schema.parse({}))).toEqual({
      kind: 'disk',
      firmware: 'both',
      loader: 'grub',
      cmdline: 'console=tty0 console=ttyS0,115200n8',
      storage: {table: 'gpt', root: {filesystem: 'ext4'}, mounts: []},
      outputs: [{kind: 'image', format: 'qcow2', fileName: 'disk.qcow2'}],
    });
  });

  it('takes the size of the target before that of the image', () => {
    const sized = image({storage: {size_bytes: 4 * 2 ** 30}});
    expect(target.pack(sized, options)).toMatchObject({storage: {sizeBytes: 4 * 2 ** 30}});
    expect(target.pack(sized, {...options, size: '8GiB'})).toMatchObject({storage: {sizeBytes: 8 * 2 ** 30}});
  });

  it('names the disks by their formats', () => {
    expect(target.pack(image(), {...options, format: ['raw', 'vmdk']})).toMatchObject({
      outputs: [
        {kind: 'image', format: 'raw', fileName: 'disk.raw'},
        {kind: 'image', format: 'vmdk', fileName: 'disk.vmdk'},
      ],
    });
  });

  it('throws for options that no schema has seen', () => {
    expect(() => target.pack(image(), {format: 'ovf', firmware: 'both'})).toThrow(
      'Unchecked option format: "ovf"',
    );
    expect(() => target.pack(image(), {format: 'raw'})).toThrow('Unchecked option firmware');
  });
});

describe('boot()', () => {
  const bios = {kind: 'disk', name: 'bios', firmware: 'bios', platform: 'openstack', memoryMiB: 1024};
  const uefi = {kind: 'disk', name: 'uefi', firmware: 'uefi', platform: 'config-drive', memoryMiB: 1024};

  it.each([
    ['both', [bios, uefi]],
    ['bios', [bios]],
    ['uefi', [uefi]],
  ] as const)('boots a disk for %s in each of its ways, and in each of those of Nova', (firmware, boots) => {
    expect(target.boot(image(), {...options, firmware})).toEqual(boots);
  });

  it('gives the machine the memory that the spec says', () => {
    const plans = target.boot(image(), {...options, test: {memory: '1.5GiB'}});
    expect(plans.map(({memoryMiB}) => memoryMiB)).toEqual([1536, 1536]);
  });
});
