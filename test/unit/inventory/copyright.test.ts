import {describe, expect, it} from 'vitest';
import {joinLicences, licenceExpression, parseCopyright} from '../../../src/inventory/copyright.ts';
import {exceptionIds, knownLicences, licenceRef, spdxLicence} from '../../../src/inventory/licences.ts';
import {spdxLicenceIds} from './schemas.ts';

const format = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/';

describe('parseCopyright()', () => {
  it('tells every licence of the files once, and the texts of those that SPDX does not know', () => {
    const {licences, named} = parseCopyright(`${format}
Upstream-Name: tool

Files: *
Copyright: 2001 Somebody
License: GPL-2+

Files: debian/*
Copyright: 2020 Somebody else
License: GPL-2+

Files: lib/*
Copyright: nobody
License: permissive
 Do what you like,
 .
   and keep this.

Files: doc/*
Copyright: nobody
License: public-domain

License: GPL-2+
 On Debian systems, the text is in /usr/share/common-licenses/GPL-2.

License: unused
 A text that no file has.
`);
    expect(licences).toEqual(['GPL-2.0-or-later', 'LicenseRef-permissive', 'LicenseRef-public-domain']);
    expect(named).toEqual([
      {ref: 'LicenseRef-permissive', name: 'permissive', text: 'Do what you like,\n\n  and keep this.'},
      {
        ref: 'LicenseRef-public-domain',
        name: 'public-domain',
        text: 'Named "public-domain" in the copyright file.',
      },
    ]);
  });

  it('takes the text of a name from a paragraph of its own', () => {
    const {named} = parseCopyright(
      `${format}\n\nFiles: *\nLicense: GPL-2+ and odd\n\nLicense: odd\n Odd words.\n`,
    );
    expect(named).toEqual([{ref: 'LicenseRef-odd', name: 'odd', text: 'Odd words.'}]);
  });

  it.each([
    ['This package was debianized by somebody.\n\nLicense: it is free software\n'],
    [''],
    ['Format: something of their own\n\nFiles: *\nLicense: GPL-2\n'],
  ])('tells nothing of a file in another form, case %#', (text) => {
    expect(parseCopyright(text)).toEqual({licences: [], named: []});
  });
});

describe('licenceExpression()', () => {
  it.each<[short: string, expression: string]>([
    ['GPL-2', 'GPL-2.0-only'],
    ['GPL-3+', 'GPL-3.0-or-later'],
    ['LGPL-2.1+', 'LGPL-2.1-or-later'],
    ['GFDL-NIV-1.3+', 'GFDL-1.3-no-invariants-or-later'],
    ['GFDL-1.3+-no-invariant', 'GFDL-1.3-no-invariants-or-later'],
    ['Expat', 'MIT'],
    ['BSD-3-clause', 'BSD-3-Clause'],
    ['CC-BY-SA-3.0', 'CC-BY-SA-3.0'],
    ['GPL-3+ with Autoconf exception', 'GPL-3.0-or-later WITH Autoconf-exception-3.0'],
    ['GPL-2+-with-bison-exception', 'GPL-2.0-or-later WITH Bison-exception-2.2'],
    ['GPL-2 with Linux-syscall-note', 'GPL-2.0-only WITH Linux-syscall-note'],
    // SPDX has no such exception: what it is only the text says.
    ['GPL-2+ with OpenSSL exception', 'LicenseRef-GPL-2plus-with-OpenSSL-exception'],
    // There is no such version.
    ['GPL-4', 'LicenseRef-GPL-4'],
    ['GPL', 'LicenseRef-GPL'],
    ['GPL-1+ or Artistic', 'Artistic-1.0 OR GPL-1.0-or-later'],
    ['GPL-2+ and BSD-2-clause or Expat', '(BSD-2-Clause AND GPL-2.0-or-later) OR MIT'],
    ['GPL-2+ or Artistic-2.0, and BSD-3-clause', '(Artistic-2.0 OR GPL-2.0-or-later) AND BSD-3-Clause'],
    ['MIT | GPL-2', 'GPL-2.0-only OR MIT'],
    ['Perl and Zlib', '(Artistic-1.0-Perl OR GPL-1.0-or-later) AND Zlib'],
    ['Expat and Expat', 'MIT'],
  ])('%s is %s', (short, expression) => {
    expect(licenceExpression(short).expression).toBe(expression);
  });

  it('makes ids of whatever stands there', () => {
    expect(licenceRef('BSD (3 clause), as-is')).toBe('LicenseRef-BSD-3-clause-as-is');
    expect(licenceRef('***')).toBe('LicenseRef-unnamed');
    expect(spdxLicence('constructor')).toBeUndefined();
  });
});

it('joinLicences() puts in parentheses what another operator made', () => {
  expect(joinLicences(['A OR B', 'C', 'D AND E'], 'AND')).toBe('(A OR B) AND C AND D AND E');
  expect(joinLicences(['A OR B'], 'AND')).toBe('A OR B');
});

it('gives ids of the SPDX licence list and no others', () => {
  const list = spdxLicenceIds();
  const gnu = [
    'agpl-1+',
    'agpl-3',
    'gfdl-1.1',
    'gfdl-niv-1.2+',
    'gpl-1',
    'gpl-2+',
    'lgpl-2',
    'lgpl-2.1',
    'lgpl-3+',
  ];
  const all = [...knownLicences(), ...exceptionIds, ...gnu.map((name) => spdxLicence(name) ?? name)];
  expect(all.filter((id) => !list.has(id))).toEqual([]);
  expect(all.length).toBeGreaterThan(80);
});
