import {describe, expect, it} from 'vitest';
import {readPackages} from '../../../src/inventory/packages.ts';

const status = `Package: dpkg
Essential: yes
Status: install ok installed
Priority: required
Section: admin
Installed-Size: 6367
Maintainer: Dpkg Developers <debian-dpkg@lists.debian.org>
Architecture: amd64
Version: 1.21.22
Pre-Depends: libc6 (>= 2.34), tar (>= 1.28-1~)
Description: Debian package management system
Homepage: https://wiki.debian.org/Teams/Dpkg

Package: libc6
Status: hold ok installed
Priority: optional
Section: libs
Installed-Size: 12986
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Depends: libgcc-s1
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
 /etc/old.conf 00000000000000000000000000000000 obsolete
 /etc/new.conf newconffile

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u10

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b7
Depends: base-files (>= 2.1.12), debianutils (>= 5.6-0.1), bash

Package: base-files
Status: install ok installed
Architecture: all
Version: 12.4

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 1
`;

describe('readPackages()', () => {
  const {packages, conffiles} = readPackages({
    status,
    extendedStates:
      'Package: libc6\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: base-files\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: bash\nArchitecture: amd64\nAuto-Installed: 0\n',
    copyrightOf: (name) => ({licences: name === 'bash' ? ['GPL-3.0-or-later'] : [], named: []}),
    debOf: ({name, version, architecture}) =>
      name === 'bash' ? {path: `pool/${name}_${version}_${architecture}.deb`, sha256: 'abc'} : undefined,
  });

  it('tells what is installed, those on hold too, by name and architecture', () => {
    expect(packages.map(({name, architecture}) => `${name} ${architecture}`)).toEqual([
      'base-files all',
      'bash amd64',
      'dpkg amd64',
      'libc6 amd64',
      'libc6 i386',
    ]);
  });

  it('tells source, deb, dependencies and what apt knows', () => {
    expect(packages[1]).toEqual({
      name: 'bash',
      version: '5.2.15-2+b7',
      architecture: 'amd64',
      source: {name: 'bash', version: '5.2.15-2'},
      section: '',
      priority: '',
      maintainer: '',
      essential: false,
      automatic: false,
      licences: ['GPL-3.0-or-later'],
      depends: ['base-files'],
      installed_size_kib: 0,
      deb: {path: 'pool/bash_5.2.15-2+b7_amd64.deb', sha256: 'abc'},
    });
    expect(packages[2]).toMatchObject({
      essential: true,
      section: 'admin',
      priority: 'required',
      installed_size_kib: 6367,
      homepage: 'https://wiki.debian.org/Teams/Dpkg',
      // Of two architectures, both satisfy the name.
      depends: ['libc6', 'libc6:i386'],
    });
    expect(packages[3]).toMatchObject({
      automatic: true,
      source: {name: 'glibc', version: '2.36-9+deb12u10'},
      depends: [],
    });
    expect(packages[0]).toMatchObject({automatic: true});
  });

  it('tells the configuration files that packages still have', () => {
    expect(conffiles).toEqual([
      {
        path: '/etc/ld.so.conf.d/x86_64-linux-gnu.conf',
        package: 'libc6',
        md5: 'd4e7a7b88a71b5ffd9e2644e71a0cfab',
      },
    ]);
  });
});
