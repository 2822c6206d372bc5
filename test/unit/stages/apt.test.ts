import {mkdirSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {keepPackages, linkCachedPackages, parsePrintUri, parseStatus} from '../../../src/stages/apt.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const digest = '0123456789abcdef'.repeat(4);

describe('parsePrintUri()', () => {
  it('reads what apt-get --print-uris says of a package', () => {
    const line = `'http://mirror.example.org/debian/pool/main/j/jq/jq_1.6-2.1_amd64.deb' jq_1.6-2.1_amd64.deb 64916 SHA256:${digest}`;
    expect(parsePrintUri(line)).toEqual({
      uri: 'http://mirror.example.org/debian/pool/main/j/jq/jq_1.6-2.1_amd64.deb',
      fileName: 'jq_1.6-2.1_amd64.deb',
      sizeBytes: 64916,
      sha256: digest,
    });
  });

  it('keeps the escaped colon of an epoch in the file name', () => {
    const line = `'http://mirror.example.org/vim_9%2e0_amd64.deb' vim_2%3a9.0.1378-2_amd64.deb 1 SHA256:${digest}`;
    expect(parsePrintUri(line)?.fileName).toBe('vim_2%3a9.0.1378-2_amd64.deb');
  });

  it.each([
    'Reading package lists...',
    '',
    `'http://mirror.example.org/a.deb' a.deb 12 MD5Sum:${digest.slice(0, 32)}`,
    `'http://mirror.example.org/a.deb' a.deb 12 SHA256:${digest.slice(1)}`,
    `'http://mirror.example.org/a.deb' a.deb 12 `,
    `E: 'http://mirror.example.org/a.deb' a.deb 12 SHA256:${digest}`,
  ])('gives nothing for %j', (line) => {
    expect(parsePrintUri(line)).toBeUndefined();
  });
});

describe('parseStatus()', () => {
  it.each([
    ['pmstatus:jq:12.5:Unpacking jq (amd64)', {message: 'Unpacking jq (amd64)', fraction: 0.125}],
    [
      'pmstatus:libc6:amd64:50.0000:Configuring libc6: amd64',
      {message: 'Configuring libc6: amd64', fraction: 0.5},
    ],
    ['dlstatus:1:100.0:Retrieving file 1 of 3', {message: 'Retrieving file 1 of 3', fraction: 1}],
    ['pmstatus:dpkg-exec:0:Running dpkg', {message: 'Running dpkg', fraction: 0}],
  ])('reads %j', (line, status) => {
    expect(parseStatus(line)).toEqual(status);
  });

  it.each(['pmerror:jq:50:cannot be unpacked', 'Setting up jq (1.6-2.1) ...', 'pmstatus:jq', ''])(
    'gives nothing for %j',
    (line) => {
      expect(parseStatus(line)).toBeUndefined();
    },
  );
});

describe('linkCachedPackages() and keepPackages()', () => {
  it('share packages, and nothing else, between the cache and a stage without a copy', () => {
    using folder = new TemporaryFolder({
      'cache/a_1_amd64.deb': 'a',
      'archives/b_1_amd64.deb': 'b',
      'archives/lock': '',
    });
    mkdirSync(folder.join('archives/partial'));
    linkCachedPackages(folder.join('cache'), folder.join('archives'));
    keepPackages(folder.join('archives'), folder.join('cache'));
    expect(readdirSync(folder.join('cache')).sort()).toEqual(['a_1_amd64.deb', 'b_1_amd64.deb']);
    for (const name of ['a_1_amd64.deb', 'b_1_amd64.deb'])
      expect(statSync(folder.join('cache', name)).ino).toBe(statSync(folder.join('archives', name)).ino);
  });

  it('leave a package that is there already as it is', () => {
    using folder = new TemporaryFolder({'cache/a_1_amd64.deb': 'cached', 'archives/a_1_amd64.deb': 'other'});
    keepPackages(folder.join('archives'), folder.join('cache'));
    expect(readFileSync(folder.join('cache/a_1_amd64.deb'), 'utf8')).toBe('cached');
  });
});
