import {expect, it} from 'vitest';
import {rpmPurl} from '../../../src/inventory/purl.ts';
import {
  changedConfiguration,
  namedLicences,
  RpmIndex,
  type RpmPackage,
  rpmPackages,
} from '../../../src/inventory/rpms.ts';

const shadow: RpmPackage = {
  name: 'shadow-utils',
  version: '2:4.9-8.el9',
  architecture: 'x86_64',
  source: 'shadow-utils-4.9-8.el9.src.rpm',
  group: 'Unspecified',
  vendor: 'Rocky Enterprise Software Foundation',
  homepage: '',
  licence: 'BSD and GPLv2+',
  depends: ['glibc'],
  size: 2049,
  configuration: [['/etc/login.defs', 'aa']],
};

it('tells a package with the file that it came from', () => {
  const index = new RpmIndex([shadow]);
  const primary = (
    version: string,
  ): string => `<package type="rpm"><name>shadow-utils</name><arch>x86_64</arch>
    <version epoch="2" ver="${version}" rel="8.el9"/><checksum type="sha256" pkgid="YES">${'c'.repeat(64)}</checksum>
    <location href="Packages/s/shadow-utils-${version}-8.el9.x86_64.rpm"/></package>`;
  index.addPrimary(`<metadata>${primary('4.8')}${primary('4.9')}</metadata>`);
  const [one] = rpmPackages([shadow], (wanted) => index.find(wanted));
  expect(one).toMatchObject({
    source: {name: 'shadow-utils', version: '4.9-8.el9'},
    installed_size_kib: 3,
    rpm: {path: 'Packages/s/shadow-utils-4.9-8.el9.x86_64.rpm', sha256: 'c'.repeat(64)},
  });
});

it('calls a licence by its SPDX id only where all of the tag is known', () => {
  const licences = (licence: string): readonly string[] =>
    rpmPackages([{...shadow, licence}], () => undefined)[0]?.licences ?? [];
  expect(licences('MIT AND Apache-2.0')).toEqual(['Apache-2.0', 'MIT']);
  expect(licences('GPLv2+')).toEqual(['GPL-2.0-or-later']);
  expect(licences('MIT and Public Domain of nobody')).toEqual(['LicenseRef-MIT-and-Public-Domain-of-nobody']);
  const named = namedLicences([{...shadow, licence: 'Sendmail of old'}]).get('shadow-utils');
  expect(named?.[0]).toMatchObject({ref: 'LicenseRef-Sendmail-of-old', name: 'Sendmail of old'});
});

it('tells configuration files that were changed or removed', () => {
  expect(changedConfiguration([shadow], new Map([['/etc/login.defs', 'aa']]))).toEqual([]);
  expect(changedConfiguration([shadow], new Map([['/etc/login.defs', 'bb']]))).toEqual([
    {path: '/etc/login.defs', package: 'shadow-utils', state: 'changed', sha256: 'bb'},
  ]);
  expect(changedConfiguration([shadow], new Map())).toEqual([
    {path: '/etc/login.defs', package: 'shadow-utils', state: 'removed'},
  ]);
});

it('has package URLs whose version is without the epoch', () => {
  const os = {id: 'rocky', version_id: '9.4', codename: ''};
  const source = {name: 'shadow-utils', version: '4.9-8.el9'};
  expect(rpmPurl({...shadow, source, os})).toBe(
    'pkg:rpm/rocky/shadow-utils@4.9-8.el9?arch=x86_64&distro=rocky-9.4&epoch=2&upstream=shadow-utils-4.9-8.el9.src.rpm',
  );
});
