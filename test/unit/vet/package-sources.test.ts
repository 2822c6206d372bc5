import {describe, expect, it} from 'vitest';
import type {Expected} from '../../../src/plan/vet-node.ts';
import {nobody, told} from './planted.ts';

const mirror = 'http://mirror.example.org/debian';
const security = 'http://mirror.example.org/debian-security';
const archive = {...nobody.archive, main: mirror, security};
const tools = {name: 'tools', uri: 'https://tools.example.org/apt/', suites: ['stable']};

function sources(files: Readonly<Record<string, string>>, expected: Partial<Expected> = {archive}) {
  return told('package-sources', files, {expected});
}

describe('package-sources', () => {
  it("lets the spec's repositories and the mirror pass, in both formats", () => {
    const text = `# ours
deb [signed-by=/usr/share/keyrings/x.gpg check-valid-until=no] ${mirror}/ bookworm main
deb ${mirror} bookworm-updates main
deb-src ${security} bookworm-security main
`;
    const deb822 =
      'Types: deb\nURIs: https://tools.example.org/apt\nSuites: stable\nComponents: main\nSigned-By: /x.asc\n';

    expect(
      sources(
        {'etc/apt/sources.list': text, 'etc/apt/sources.list.d/tools.sources': deb822},
        {archive, repositories: [tools]},
      ),
    ).toEqual([]);
  });

  it('finds another archive, another suite, and what is not verified', () => {
    expect(
      sources({
        'etc/apt/sources.list': `deb [trusted=yes] ${mirror} bookworm main\ndeb ${mirror} sid main\n`,
        'etc/apt/sources.list.d/x.list': 'deb http://user:word@evil.example.org/ ./\n',
        'etc/apt/sources.list.d/y.sources': `Types: deb\nURIs: ${mirror}\nSuites: bookworm\nAllow-Insecure: yes\n\nEnabled: no\nURIs: http://off.example.org\nSuites: x\n`,
        'etc/apt/sources.list.d/ignored.save': 'deb http://old.example.org/ x main\n',
      }),
    ).toEqual([
      `high /etc/apt/sources.list: nothing from ${mirror} bookworm is verified: trusted=yes`,
      `high /etc/apt/sources.list: the spec does not name this source: ${mirror} sid`,
      'high /etc/apt/sources.list.d/x.list: the spec does not name this source: http://evil.example.org/ ./',
      `high /etc/apt/sources.list.d/y.sources: allow-insecure=yes for ${mirror} bookworm`,
    ]);
  });

  it('takes what the distribution proposes where the spec names no mirror', () => {
    const tree = {
      'usr/share/doc/apt/examples/sources.list': `deb ${mirror} bookworm main\ndeb ${security} bookworm-security main\n`,
      'etc/apt/sources.list': `deb ${mirror} bookworm-updates main\ndeb ${security} bookworm-security main\ndeb http://other.example.org/debian bookworm main\n`,
    };

    expect(sources(tree, {})).toEqual([
      'high /etc/apt/sources.list: the spec does not name this source: http://other.example.org/debian bookworm',
    ]);
  });

  it('finds what tells apt not to verify, and keys that count for everything', () => {
    expect(
      sources({
        'etc/apt/apt.conf.d/99x':
          'APT::Get::AllowUnauthenticated "true";\n// Acquire::AllowInsecureRepositories "true";\n',
        'etc/apt/apt.conf':
          'Acquire::https::evil.example.org::Verify-Peer "false";\nAcquire::AllowInsecureRepositories "false";\n',
        'etc/apt/trusted.gpg.d/debian.asc': 'key',
        'etc/apt/trusted.gpg.d/other.gpg': 'key',
        'var/lib/dpkg/info/debian-archive-keyring.list': '/etc/apt/trusted.gpg.d/debian.asc\n',
      }),
    ).toEqual([
      'high /etc/apt/apt.conf: apt is told not to verify: Acquire::https::evil.example.org::Verify-Peer "false";',
      'high /etc/apt/apt.conf.d/99x: apt is told not to verify: APT::Get::AllowUnauthenticated "true";',
      'high /etc/apt/trusted.gpg.d/other.gpg: a key that counts for every source, and that no package brought',
    ]);
  });

  it('finds packages that no archive knows, and those that are not whole', () => {
    const status = `Package: good
Status: install ok installed

Package: gone
Status: deinstall ok config-files

Package: half
Status: install reinstreq half-configured

Package: waits
Status: install ok triggers-pending
`;

    expect(
      told(
        'package-sources',
        {'var/lib/dpkg/status': status},
        {strangers: [{name: 'own-tool', version: '1.0'}]},
      ),
    ).toEqual([
      'high /var/lib/dpkg/status: the package half is half-configured, and to be installed again',
      'high /var/lib/dpkg/status: the package own-tool 1.0 is in none of the archives of the spec',
      'high /var/lib/dpkg/status: the package waits is triggers-pending',
    ]);
  });

  it('names the database of rpm for a package that no repository has, where the packages are its', () => {
    expect(
      told(
        'package-sources',
        {},
        {strangers: [{name: 'own-tool', version: '1.0-1'}], database: '/var/lib/rpm'},
      ),
    ).toEqual(['high /var/lib/rpm: the package own-tool 1.0-1 is in none of the archives of the spec']);
  });
});
