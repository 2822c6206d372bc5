import {expect, it} from 'vitest';
import {apkPackages} from '../../../src/inventory/apks.ts';

const installed = `C:Q1aaaa=
P:musl
V:1.2.5-r10
A:x86_64
I:662528
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Some Body <body@example.org>
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1bbbb=

C:Q1cccc=
P:busybox-binsh
V:1.37.0-r18
A:x86_64
I:8192
L:GPL-2.0-only
o:busybox
D:busybox=1.37.0-r18 so:libc.musl-x86_64.so.1 !other-sh musl>=1.2
r:busybox-initscripts

P:busybox
V:1.37.0-r18
A:x86_64
I:1
L:GPL-2.0-only AND something else
o:busybox
D:so:libc.musl-x86_64.so.1
`;

it('reads the database of apk: packages with what they stand on, by name', () => {
  const {packages, named} = apkPackages(installed);
  expect(packages.map(({name, source, depends}) => [name, source.name, depends])).toEqual([
    ['busybox', 'busybox', ['musl']],
    ['busybox-binsh', 'busybox', ['busybox', 'musl']],
    ['musl', 'musl', []],
  ]);
  expect(packages[2]).toMatchObject({
    version: '1.2.5-r10',
    architecture: 'x86_64',
    homepage: 'https://musl.libc.org/',
    maintainer: 'Some Body <body@example.org>',
    licences: ['MIT'],
    installed_size_kib: 647,
  });
  expect(named.get('busybox')?.[0]?.name).toBe('GPL-2.0-only AND something else');
  expect(named.get('musl')).toEqual([]);
});

it('is nothing where there is none', () => {
  expect(apkPackages('').packages).toEqual([]);
});
