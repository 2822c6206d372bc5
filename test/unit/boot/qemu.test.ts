import {expect, test} from 'vitest';
import {cloudNetwork} from '../../../src/stages/test/network.ts';
import {type Machine, qemuArguments, qemuProgram} from '../../../src/stages/test/qemu.ts';

const machine: Machine = {
  accelerator: 'tcg',
  architecture: 'amd64',
  memoryMiB: 1024,
  processors: 2,
  disks: [],
};

function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.filter((_, index) => args[index - 1] === option);
}

test('qemuArguments() of a disk under SeaBIOS', () => {
  const args = qemuArguments({
    ...machine,
    disks: [
      {path: '/scratch/a,b disk.qcow2', format: 'qcow2', readOnly: false},
      {path: '/scratch/seed.img', format: 'raw', readOnly: true},
    ],
  });

  expect(valuesOf(args, '-machine')).toEqual(['pc,graphics=off']);
  expect(valuesOf(args, '-accel')).toEqual(['tcg,thread=multi']);
  expect(valuesOf(args, '-netdev')).toEqual(['user,id=net0']);
  expect(valuesOf(args, '-device')).toEqual([
    'virtio-blk-pci,drive=disk0,bootindex=1',
    'virtio-blk-pci,drive=disk1,bootindex=2',
    'virtio-net-pci,netdev=net0,romfile=',
    'virtio-rng-pci',
  ]);
  expect(valuesOf(args, '-blockdev').map((text) => JSON.parse(text) as unknown)).toEqual([
    {
      driver: 'qcow2',
      'node-name': 'disk0',
      'read-only': false,
      cache: {direct: false, 'no-flush': true},
      file: {driver: 'file', filename: '/scratch/a,b disk.qcow2', 'read-only': false},
    },
    {
      driver: 'raw',
      'node-name': 'disk1',
      'read-only': true,
      cache: {direct: false, 'no-flush': true},
      file: {driver: 'file', filename: '/scratch/seed.img', 'read-only': true},
    },
  ]);
});

test('qemuArguments() of arm64 has the results on the second port that is plugged in, and no PC in it', () => {
  const args = qemuArguments({
    ...machine,
    architecture: 'arm64',
    cdRoms: ['/scratch/seed.iso'],
    uefi: {code: '/code.fd', variables: '/own.fd'},
  });

  expect(qemuProgram('arm64')).toBe('qemu-system-aarch64');
  expect(valuesOf(args, '-machine')).toEqual(['virt,pflash0=flash0,pflash1=flash1']);
  expect(valuesOf(args, '-serial')).toEqual(['chardev:console']);
  expect(valuesOf(args, '-vga')).toEqual([]);
  expect(valuesOf(args, '-cpu')).toEqual(['cortex-a72']);
  expect(valuesOf(args, '-device')).toEqual([
    'pci-serial,chardev=unused',
    'pci-serial,chardev=results',
    'virtio-scsi-pci,id=cd',
    'scsi-cd,bus=cd.0,drive=cd0',
    'virtio-net-pci,netdev=net0,romfile=',
    'virtio-rng-pci',
  ]);
});

test('qemuArguments() under OVMF takes the firmware read-only and its variables writable', () => {
  const args = qemuArguments({
    ...machine,
    accelerator: 'kvm',
    uefi: {code: '/code.fd', variables: '/own.fd'},
  });

  expect(valuesOf(args, '-machine')).toEqual(['q35,graphics=off,pflash0=flash0,pflash1=flash1']);
  expect(valuesOf(args, '-cpu')).toEqual(['host']);
  expect(valuesOf(args, '-blockdev').map((text) => JSON.parse(text) as unknown)).toEqual([
    {driver: 'file', 'node-name': 'flash0', filename: '/code.fd', 'read-only': true},
    {driver: 'file', 'node-name': 'flash1', filename: '/own.fd', 'read-only': false},
  ]);
});

test('qemuArguments() of a network boot has no disk, and keeps a comma in a path', () => {
  const args = qemuArguments({...machine, netboot: {folder: '/scratch/a,b', script: 'boot.ipxe'}});

  expect(valuesOf(args, '-netdev')).toEqual(['user,id=net0,tftp=/scratch/a,,b,bootfile=boot.ipxe']);
  expect(valuesOf(args, '-device')).toEqual(['virtio-net-pci,netdev=net0,bootindex=1', 'virtio-rng-pci']);
  expect(valuesOf(args, '-blockdev')).toEqual([]);
});

test('qemuArguments() of a machine of a cloud', () => {
  const args = qemuArguments({
    ...machine,
    disks: [{path: '/disk.raw', format: 'raw', readOnly: false, bus: 'scsi'}],
    cdRoms: ['/scratch/a,b.iso'],
    scsiAdapter: 'pvscsi',
    smbios: [
      {type: 1, values: {manufacturer: 'Cloud, Inc.', serial: 'ec2'}},
      {type: 3, values: {asset: 'tag'}},
    ],
    network: {
      guest: cloudNetwork,
      card: 'vmxnet3',
      macAddress: '52:54:00:01:23:45',
      hostName: 'fgi-1',
      sshAddress: '172.16.0.15',
      services: [{address: '169.254.169.254', port: 80, command: 'perl relay.pl a,b'}],
    },
  });

  expect(valuesOf(args, '-smbios')).toEqual([
    'type=1,manufacturer=Cloud,, Inc.,serial=ec2',
    'type=3,asset=tag',
  ]);
  expect(valuesOf(args, '-netdev')).toEqual([
    'user,id=net0,net=168.0.0.0/5,host=172.16.0.2,dns=172.16.0.3,dhcpstart=172.16.0.15,hostname=fgi-1,' +
      'hostfwd=tcp:127.0.0.1:0-172.16.0.15:22,guestfwd=tcp:169.254.169.254:80-cmd:perl relay.pl a,,b',
  ]);
  expect(valuesOf(args, '-device')).toEqual([
    'pvscsi,id=scsi',
    'scsi-hd,bus=scsi.0,drive=disk0,bootindex=1',
    'ide-cd,drive=cd0',
    'vmxnet3,netdev=net0,mac=52:54:00:01:23:45,romfile=',
    'virtio-rng-pci',
  ]);
  expect(valuesOf(args, '-mon')).toEqual(['chardev=monitor,mode=control']);
});

test.each([
  ['virtio', 'virtio-blk-pci,drive=disk0,bootindex=1'],
  ['nvme', 'nvme,serial=fgimage,drive=disk0,bootindex=1'],
  ['ide', 'ide-hd,drive=disk0,bootindex=1'],
] as const)('qemuArguments() of a disk on %s', (bus, device) => {
  const args = qemuArguments({...machine, disks: [{path: '/disk', format: 'raw', readOnly: false, bus}]});

  expect(valuesOf(args, '-device')[0]).toBe(device);
});

test('qemuArguments() starts a kernel in the place of a boot loader', () => {
  const args = qemuArguments({
    ...machine,
    disks: [{path: '/disk', format: 'raw', readOnly: false}],
    kernel: {path: '/a,b/vmlinuz', initrd: '/a,b/initrd', cmdline: 'root=/dev/vda ro'},
  });

  expect(valuesOf(args, '-kernel')).toEqual(['/a,b/vmlinuz']);
  expect(valuesOf(args, '-append')).toEqual(['root=/dev/vda ro']);
});
