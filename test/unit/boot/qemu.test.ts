import {expect, test} from 'vitest';
import {type Machine, qemuArguments} from '../../../src/stages/test/qemu.ts';

const machine: Machine = {accelerator: 'tcg', memoryMiB: 1024, processors: 2, disks: []};

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
