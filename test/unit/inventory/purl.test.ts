import {expect, it} from 'vitest';
import {debPurl} from '../../../src/inventory/purl.ts';

const os = {id: 'debian', version_id: '12', codename: 'bookworm'};

it.each<[Parameters<typeof debPurl>[0], string]>([
  [
    {
      name: 'bash',
      version: '5.2.15-2+b7',
      architecture: 'amd64',
      source: {name: 'bash', version: '5.2.15-2'},
      os,
    },
    'pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2',
  ],
  [
    {name: 'adduser', version: '3.134', architecture: 'all', source: {name: 'adduser', version: '3.134'}, os},
    'pkg:deb/debian/adduser@3.134?arch=all&distro=debian-12',
  ],
  [
    {name: 'libc6', version: '2.36-9', architecture: 'amd64', source: {name: 'glibc', version: '2.36-9'}, os},
    'pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc',
  ],
  [
    {
      name: 'libstdc++6',
      version: '1:12.2.0~rc1-14',
      architecture: 'amd64',
      source: {name: 'gcc-12', version: '1:12.2.0~rc1-14'},
      os,
    },
    'pkg:deb/debian/libstdc%2B%2B6@1:12.2.0~rc1-14?arch=amd64&distro=debian-12&upstream=gcc-12',
  ],
  [
    {
      name: 'x',
      version: '1',
      architecture: 'amd64',
      source: {name: 'x', version: '1'},
      os: {...os, version_id: '', codename: 'sid'},
    },
    'pkg:deb/debian/x@1?arch=amd64&distro=debian-sid',
  ],
])('debPurl() encodes what the specification says, case %#', (given, expected) => {
  expect(debPurl(given)).toBe(expected);
});
