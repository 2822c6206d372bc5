import {describe, expect, it} from 'vitest';
import {isAtLeast} from '../../../src/stages/dnf/host-rpm.ts';
import {armored, publicKeys} from '../../../src/stages/dnf/openpgp.ts';
import {readRepomd} from '../../../src/stages/dnf/repomd.ts';
import {rpmFileName} from '../../../src/stages/dnf/resolve.ts';
import {rpmNames} from '../../../src/stages/pack/boot-names.ts';
import {coreConfig, grubConfig, loaderEntry} from '../../../src/stages/pack/grub.ts';

const sum = 'a'.repeat(64);
const data = (type: string, href: string, checksum = `<checksum type="sha256">${sum}</checksum>`): string =>
  `<data type="${type}">${checksum}<open-checksum type="sha256">${'b'.repeat(64)}</open-checksum>
    <location href="${href}"/><timestamp>1</timestamp><size>12</size><open-size>99</open-size></data>`;

describe('readRepomd()', () => {
  it('gives the files that a resolver reads, and no others', () => {
    const text = `<repomd>${data('primary', 'repodata/p.xml.gz')}${data('other', 'repodata/o.xml.gz')}${data('group', 'repodata/comps.xml')}</repomd>`;
    expect(readRepomd(text)).toEqual([
      {type: 'primary', path: 'repodata/p.xml.gz', sha256: sum, sizeBytes: 12},
      {type: 'group', path: 'repodata/comps.xml', sha256: sum, sizeBytes: 12},
    ]);
  });

  it.each([
    ['', /no primary/],
    [data('primary', 'repodata/../../etc/passwd'), /no place below repodata/],
    [data('primary', 'https://elsewhere.example.org/p.xml'), /no place below repodata/],
    [data('primary', 'repodata/p.xml', '<checksum type="sha">12</checksum>'), /no SHA-256/],
  ])('refuses %s', (text, why) => {
    expect(() => readRepomd(text)).toThrow(why);
  });
});

describe('publicKeys()', () => {
  // A packet of tag 6 in the old format, and what gpg's armor of these bytes looks like.
  const key = Buffer.from([0x98, 0x03, 1, 2, 3]);

  it('reads every block of an armored file, and what it wrote itself', () => {
    const two = `Comment above\n${armored(key)}\n${armored(Buffer.from([0xc6, 0x01, 9]))}`;
    expect(publicKeys(Buffer.from(two))).toEqual([key, Buffer.from([0xc6, 0x01, 9])]);
    const headers = armored(key).replace('BLOCK-----\n', 'BLOCK-----\nVersion: 1\nComment: none\n');
    expect(publicKeys(Buffer.from(headers.replaceAll('\n', '\r\n')))).toEqual([key]);
  });

  it('takes a binary key as it is, and nothing for a key that is none', () => {
    expect(publicKeys(key)).toEqual([key]);
    expect(publicKeys(Buffer.from('no key\n'))).toEqual([]);
    expect(publicKeys(Buffer.alloc(0))).toEqual([]);
  });

  it('ends a block with the checksum of RFC 9580', () => {
    // Of no bytes it is the initial value, 0xb704ce.
    expect(armored(Buffer.alloc(0))).toContain('\n=twTO\n');
  });
});

describe('rpmFileName()', () => {
  it.each([
    ['bash', '5.1.8-9.el9', 'bash-5.1.8-9.el9.x86_64.rpm'],
    ['shadow-utils', '2:4.9-8.el9', 'shadow-utils-2%3a4.9-8.el9.x86_64.rpm'],
    ['git-core', '2.1^20240101-1.fc42', 'git-core-2.1%5e20240101-1.fc42.x86_64.rpm'],
    ['../../etc/cron.d/x', '1-1', '..%2f..%2fetc%2fcron.d%2fx-1-1.x86_64.rpm'],
  ])('of %s %s is %s', (name, version, expected) => {
    expect(rpmFileName({name, version, architecture: 'x86_64'})).toBe(expected);
  });
});

describe('isAtLeast()', () => {
  it.each([
    ['4.18.0', '4.16', true],
    ['4.18.0', '4.19', false],
    ['4.19', '4.19', true],
    ['6.0', '4.19', true],
    ['4.9', '4.16', false],
  ])('%s is at least %s: %s', (version, least, expected) => {
    expect(isAtLeast(version, least)).toBe(expected);
  });
});

describe('GRUB of a distribution of rpm packages', () => {
  const config = {
    bootUuid: 'boot',
    rootUuid: 'root',
    filesystem: 'xfs',
    folder: '',
    table: 'gpt',
    cmdline: 'console=ttyS0',
    kernels: ['6.1'],
    title: 'Rocky Linux',
    menuClass: 'rocky',
    serial: true,
    names: rpmNames,
  } as const;

  it('lies in /boot/grub2 and shows the entries of /boot/loader/entries', () => {
    expect(coreConfig(config)).toContain('set prefix=($root)/grub2\n');
    const text = grubConfig(config);
    expect(text).toMatch(/\ninsmod blscfg\nblscfg\nelse\nmenuentry 'Rocky Linux' /);
    expect(text).toContain('\tinitrd /initramfs-6.1.img\n');
  });

  it('has an entry for each kernel', () => {
    expect(loaderEntry('6.1', config)).toEqual({
      fileName: `${'f'.repeat(32)}-6.1.conf`,
      content: `title Rocky Linux (6.1)
version 6.1
linux /vmlinuz-6.1
initrd /initramfs-6.1.img
options root=UUID=root ro console=ttyS0
grub_users $grub_users
grub_arg --unrestricted
grub_class rocky
`,
    });
  });
});
