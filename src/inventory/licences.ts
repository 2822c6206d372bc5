/**
 * Debian's short names of licences (copyright-format 1.0, section 7.1) as ids of the SPDX licence list. A name that has none
 * becomes a `LicenseRef-…`: what the name stands for says the copyright file alone.
 */
const ids: Readonly<Record<string, string>> = {
  '0bsd': '0BSD',
  'afl-2.1': 'AFL-2.1',
  'afl-3.0': 'AFL-3.0',
  'apache-1.0': 'Apache-1.0',
  'apache-1.1': 'Apache-1.1',
  'apache-2': 'Apache-2.0',
  'apache-2.0': 'Apache-2.0',
  artistic: 'Artistic-1.0',
  'artistic-1': 'Artistic-1.0',
  'artistic-1.0': 'Artistic-1.0',
  'artistic-2': 'Artistic-2.0',
  'artistic-2.0': 'Artistic-2.0',
  beerware: 'Beerware',
  blessing: 'blessing',
  'boost-1.0': 'BSL-1.0',
  'bsd-1-clause': 'BSD-1-Clause',
  'bsd-2-clause': 'BSD-2-Clause',
  'bsd-3-clause': 'BSD-3-Clause',
  'bsd-4-clause': 'BSD-4-Clause',
  'bsd-4-clause-uc': 'BSD-4-Clause-UC',
  'bsl-1': 'BSL-1.0',
  'bsl-1.0': 'BSL-1.0',
  cc0: 'CC0-1.0',
  'cc0-1.0': 'CC0-1.0',
  'cddl-1.0': 'CDDL-1.0',
  'cddl-1.1': 'CDDL-1.1',
  'cpl-1.0': 'CPL-1.0',
  curl: 'curl',
  'epl-1.0': 'EPL-1.0',
  'epl-2.0': 'EPL-2.0',
  expat: 'MIT',
  fsfap: 'FSFAP',
  fsful: 'FSFUL',
  fsfullr: 'FSFULLR',
  hpnd: 'HPND',
  'hpnd-sell-variant': 'HPND-sell-variant',
  icu: 'ICU',
  ijg: 'IJG',
  'info-zip': 'Info-ZIP',
  isc: 'ISC',
  json: 'JSON',
  libpng: 'Libpng',
  'lppl-1.3c': 'LPPL-1.3c',
  mit: 'MIT',
  'mit-0': 'MIT-0',
  'mpl-1.0': 'MPL-1.0',
  'mpl-1.1': 'MPL-1.1',
  'mpl-2.0': 'MPL-2.0',
  ntp: 'NTP',
  'ofl-1.1': 'OFL-1.1',
  'oldap-2.8': 'OLDAP-2.8',
  'openldap-2.8': 'OLDAP-2.8',
  openssl: 'OpenSSL',
  perl: 'Artistic-1.0-Perl OR GPL-1.0-or-later',
  'php-3.01': 'PHP-3.01',
  postgresql: 'PostgreSQL',
  'psf-2': 'PSF-2.0',
  'psf-2.0': 'PSF-2.0',
  'python-2.0': 'Python-2.0',
  'qpl-1.0': 'QPL-1.0',
  ruby: 'Ruby',
  'sil-1.1': 'OFL-1.1',
  'sil-ofl-1.1': 'OFL-1.1',
  sleepycat: 'Sleepycat',
  smlnj: 'SMLNJ',
  tcl: 'TCL',
  'tcp-wrappers': 'TCP-wrappers',
  unlicense: 'Unlicense',
  vim: 'Vim',
  w3c: 'W3C',
  wtfpl: 'WTFPL',
  'wtfpl-2': 'WTFPL',
  x11: 'X11',
  zlib: 'Zlib',
  'zpl-2.1': 'ZPL-2.1',
};

/** The GNU licences' versions that there are. */
const gnuVersions: Readonly<Record<string, readonly string[]>> = {
  agpl: ['1.0', '3.0'],
  gfdl: ['1.1', '1.2', '1.3'],
  gpl: ['1.0', '2.0', '3.0'],
  lgpl: ['2.0', '2.1', '3.0'],
};

/** The id, or for what stands for several the expression, of one short name; undefined: SPDX has none. */
export function spdxLicence(name: string): string | undefined {
  const plain = name.toLowerCase().trim();
  const {base = plain, exception} =
    /^(?<base>\S+?)(?: +|-)with(?: +|-)(?<exception>.+)$/.exec(plain)?.groups ?? {};
  const id = plainId(base);
  if (id === undefined || exception === undefined) return id;
  const added = exceptionId(exception, id);
  return added === undefined ? undefined : `${id} WITH ${added}`;
}

function plainId(name: string): string | undefined {
  if (Object.hasOwn(ids, name)) return ids[name];
  return gnuId(name) ?? creativeCommonsId(name);
}

function gnuId(name: string): string | undefined {
  const found =
    /^(?<family>a?gpl|lgpl|gfdl)(?<niv>-niv)?[- ]?v?(?<version>\d(?:\.\d)?)(?<later>\+|-or-later|-only)?$/.exec(
      name.replace(/^(gfdl)(-.*)-no-invariants?$/, '$1-niv$2'),
    )?.groups;
  if (found === undefined) return undefined;
  const {family = '', version = '', later = '', niv} = found;
  const full = version.includes('.') ? version : `${version}.0`;
  if (gnuVersions[family]?.includes(full) !== true || (niv !== undefined && family !== 'gfdl'))
    return undefined;
  const invariants = niv === undefined ? '' : '-no-invariants';
  const range = later === '+' || later === '-or-later' ? 'or-later' : 'only';
  return `${family.toUpperCase()}-${full}${invariants}-${range}`;
}

function creativeCommonsId(name: string): string | undefined {
  const found = /^(?<kind>cc-by(?:-nc)?(?:-sa|-nd)?)-(?<version>[1-4]\.0|2\.5)$/.exec(name)?.groups;
  return found === undefined ? undefined : `${(found['kind'] ?? '').toUpperCase()}-${found['version'] ?? ''}`;
}

/** Exceptions of SPDX's list by Debian's name for them: for version 3 of the GPL, and for others. */
const exceptions: Readonly<Record<string, readonly [third: string, other: string]>> = {
  autoconf: ['Autoconf-exception-3.0', 'Autoconf-exception-2.0'],
  bison: ['Bison-exception-2.2', 'Bison-exception-2.2'],
  classpath: ['Classpath-exception-2.0', 'Classpath-exception-2.0'],
  font: ['Font-exception-2.0', 'Font-exception-2.0'],
  gcc: ['GCC-exception-3.1', 'GCC-exception-2.0'],
  'gcc-runtime-library': ['GCC-exception-3.1', 'GCC-exception-2.0'],
  libtool: ['Libtool-exception', 'Libtool-exception'],
  'linux-syscall-note': ['Linux-syscall-note', 'Linux-syscall-note'],
  llvm: ['LLVM-exception', 'LLVM-exception'],
};

function exceptionId(text: string, licence: string): string | undefined {
  const name = text.replace(/[- ]+exceptions?$/, '').replaceAll(' ', '-');
  const [third, other] = (Object.hasOwn(exceptions, name) ? exceptions[name] : undefined) ?? [];
  return /-3\.0-/.test(licence) ? third : other;
}

/** `LicenseRef-…` for a name that SPDX does not know (SPDX 2.3, annex D: letters, digits, `-` and `.`). */
export function licenceRef(name: string): string {
  const slug = name
    .trim()
    .replaceAll('+', 'plus')
    .replaceAll(/[^A-Za-z0-9.-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return `LicenseRef-${slug === '' ? 'unnamed' : slug}`;
}

/** Every exception that this module gives, for a test against SPDX's own list … */
export const exceptionIds: readonly string[] = Object.values(exceptions).flat();

/** … and every id but those of the GNU licences. */
export function knownLicences(): readonly string[] {
  return [...new Set(Object.values(ids).flatMap((text) => text.split(' OR ')))].sort();
}
