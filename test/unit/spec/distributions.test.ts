import {describe, expect, it} from 'vitest';
import {
  architectureOf,
  codeName,
  distributions,
  everyDistribution,
  importedDistributions,
  machineOf,
  releaseWords,
  versionOf,
} from '../../../src/spec/distributions.ts';
import {packagesFor} from '../../../src/spec/package-names.ts';
import {aptOf, readTemplate} from '../../../src/spec/template.ts';

describe('codeName()', () => {
  it.each([
    ['debian', '12', 'bookworm'],
    ['debian', 'testing', 'forky'],
    ['debian', 'unstable', 'sid'],
    ['debian', 'sid', 'sid'],
    ['ubuntu', '22.04', 'jammy'],
    ['ubuntu', '24.04', 'noble'],
    ['ubuntu', '26.04', 'resolute'],
    ['debian', 'noble', 'noble'],
  ])('of %s %s is %s', (distribution, word, expected) => {
    expect(codeName(word, distribution)).toBe(expected);
  });
});

describe('releaseWords()', () => {
  it("has code names, versions and Debian's words for what is not released yet", () => {
    expect(releaseWords('debian')).toEqual([
      ...['bullseye', '11', 'bookworm', '12', 'trixie', '13', 'forky', '14', 'testing', 'sid', 'unstable'],
    ]);
    expect(releaseWords('ubuntu')).toEqual(['jammy', '22.04', 'noble', '24.04', 'resolute', '26.04']);
  });
});

describe('distributions()', () => {
  it('are those that roots are made of; others are only imported', () => {
    expect(distributions()).toEqual(['almalinux', 'centos', 'debian', 'fedora', 'rocky', 'ubuntu']);
    expect(importedDistributions()).toEqual(['alpine', 'other']);
    expect(everyDistribution()).toEqual([...distributions(), ...importedDistributions()].sort());
    expect(releaseWords('other')).toEqual([]);
    expect(versionOf({distribution: 'other', release: ''})).toBe('');
  });
});

describe('what is known of releases', () => {
  it('has a version and a day for each, and no security suite for sid alone', () => {
    for (const distribution of ['debian', 'ubuntu']) {
      for (const [name, release] of Object.entries(readTemplate(distribution).releases)) {
        expect(versionOf({distribution, release: name})).toBe(release.version);
        expect(release.suites[0]).toBe(name);
        expect(release.source_date_epoch % 86_400).toBe(0);
        expect(release.security).toBe(name === 'sid' ? undefined : `${name}-security`);
      }
    }
  });

  it('gives what is not released yet the day of the release before it', () => {
    const {trixie, forky, sid} = readTemplate('debian').releases;
    expect(forky?.source_date_epoch).toBe(trixie?.source_date_epoch);
    expect(sid?.source_date_epoch).toBe(trixie?.source_date_epoch);
  });

  it('says where the keyrings are, and what brings them', () => {
    expect(aptOf(readTemplate('ubuntu'))).toMatchObject({
      keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
      keyring_package: 'ubuntu-keyring',
      components: ['main', 'universe'],
      security: 'same',
    });
  });
});

describe('architectures', () => {
  it('go by either word', () => {
    expect(['amd64', 'x86_64', 'arm64', 'aarch64'].map(architectureOf)).toEqual([
      'amd64',
      'amd64',
      'arm64',
      'arm64',
    ]);
    expect(machineOf('arm64')).toBe('aarch64');
  });

  it('have a kernel in each distribution that apt installs', () => {
    for (const distribution of ['debian', 'ubuntu'])
      expect(Object.keys(readTemplate(distribution).kernel)).toEqual(['amd64', 'arm64']);
  });
});

describe('packagesFor()', () => {
  const bookworm = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'} as const;
  const jammy = {distribution: 'ubuntu', release: 'jammy', architecture: 'amd64'} as const;

  it('gives the boot loader of a distribution and an architecture', () => {
    expect(packagesFor(bookworm, 'grub')).toEqual(['grub-cloud-amd64']);
    expect(packagesFor({...bookworm, architecture: 'arm64'}, 'grub')).toEqual([
      'grub-efi-arm64',
      'grub-efi-arm64-signed',
      'shim-signed',
    ]);
    expect(packagesFor(jammy, 'grub')).toEqual([
      'grub-pc',
      'grub-efi-amd64-bin',
      'grub-efi-amd64-signed',
      'shim-signed',
    ]);
  });

  it('gives nothing for what a release has within another package', () => {
    for (const word of ['systemd-boot', 'systemd-resolved']) {
      expect(packagesFor({...bookworm, release: 'bullseye'}, word)).toEqual([]);
      expect(packagesFor(jammy, word)).toEqual([]);
      expect(packagesFor({...jammy, release: 'noble'}, word)).toEqual([word]);
    }
  });

  it('takes any other word for a package', () => {
    expect(packagesFor(jammy, 'chrony')).toEqual(['chrony']);
    expect(packagesFor(jammy, 'waagent')).toEqual(['walinuxagent']);
  });
});
