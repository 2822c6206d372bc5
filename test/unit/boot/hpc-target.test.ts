import {expect, test} from 'vitest';
import type {Image} from '../../../src/spec/image.ts';
import {target} from '../../../targets/hpc/index.ts';

const image: Image = {
  name: 'node',
  tags: [],
  os: {distribution: 'debian', release: 'bookworm', architecture: 'amd64'},
  repositories: [],
  packages: [],
  remove_packages: [],
  groups: [],
  users: [],
  write_files: [],
  copy: [],
  provision: [],
  services: {enable: [], disable: [], mask: []},
  kernel: {cmdline: 'nosmt'},
  storage: {},
  tests: [],
  targets: [],
};

test('pack() puts the command lines of target, image and options into both boot scripts', () => {
  const plan = target.pack(image, {compression: 'gzip', compression_level: 9, cmdline: 'quiet'});

  expect(plan).toMatchObject({kind: 'netboot', compression: {algorithm: 'gzip', level: 9}});
  if (plan.kind !== 'netboot') throw new Error('not a netboot plan');
  expect(plan.cmdline).toMatch(/^boot=live .* console=ttyS0,115200n8 nosmt quiet$/);
  expect(plan.scripts.map(({path}) => path)).toEqual(['boot.ipxe', 'pxelinux.cfg/default']);
  for (const {content} of plan.scripts) expect(content).toContain(plan.cmdline);
});

test('adapt() leaves name and resolvers to DHCP unless the image has its own', () => {
  const paths = (changed: Partial<Image>): readonly string[] =>
    target.adapt({...image, ...changed}, {}).files.map(({path}) => path);

  expect(paths({})).toEqual(expect.arrayContaining(['/etc/hostname', '/etc/resolv.conf']));
  expect(paths({hostname: 'login1'})).not.toContain('/etc/hostname');
  expect(paths({packages: [{name: 'systemd-resolved'}]})).not.toContain('/etc/resolv.conf');
});

test('boot() gives the guest the memory that the options ask for', () => {
  expect(target.boot(image, {})).toEqual([{kind: 'netboot', name: 'netboot', memoryMiB: 2048}]);
  expect(target.boot(image, {test: {memory: '3GiB'}})).toMatchObject([{memoryMiB: 3072}]);
});
