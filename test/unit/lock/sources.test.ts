import {describe, expect, it} from 'vitest';
import {parseSourceName} from '../../../src/lock/sources-bring.ts';
import {parseSources} from '../../../src/lock/sources-index.ts';

const digest = 'a1'.repeat(32);

describe('parseSourceName()', () => {
  it.each([
    ['Package: jq\nVersion: 1.6-2\n', {name: 'jq', version: '1.6-2'}],
    ['Package: libjq1\nVersion: 1.6-2\nSource: jq\n', {name: 'jq', version: '1.6-2'}],
    [
      'Package: linux-image-amd64\nVersion: 6.1.99-1\nSource: linux-signed-amd64 (6.1.99+1)\n',
      {name: 'linux-signed-amd64', version: '6.1.99+1'},
    ],
  ])('reads %j', (control, source) => {
    expect(parseSourceName(control)).toEqual(source);
  });
});

describe('parseSources()', () => {
  const root = 'http://mirror.example.org/debian';

  it('reads stanzas with their files', () => {
    const text = `Package: jq
Binary: jq, libjq1,
 libjq-dev
Version: 1.6-2
Files:
 ${'0'.repeat(32)} 7 jq_1.6-2.dsc
Checksums-Sha256:
 ${digest} 7 jq_1.6-2.dsc
 ${digest} 12 jq_1.6.orig.tar.gz
Directory: pool/main/j/jq

Package: other
Version: 2
Directory: pool/main/o/other
Checksums-Sha256:
 ${digest} 1 other_2.dsc
`;
    expect([...parseSources(text, root)]).toEqual([
      {
        name: 'jq',
        version: '1.6-2',
        root,
        directory: 'pool/main/j/jq',
        files: [
          {name: 'jq_1.6-2.dsc', sizeBytes: 7, sha256: digest},
          {name: 'jq_1.6.orig.tar.gz', sizeBytes: 12, sha256: digest},
        ],
      },
      {
        name: 'other',
        version: '2',
        root,
        directory: 'pool/main/o/other',
        files: [{name: 'other_2.dsc', sizeBytes: 1, sha256: digest}],
      },
    ]);
  });

  it.each([
    ['no SHA-256', 'Package: a\nVersion: 1\nDirectory: pool\nFiles:\n 0 1 a.dsc\n'],
    ['no folder', `Package: a\nVersion: 1\nChecksums-Sha256:\n ${digest} 1 a.dsc\n`],
    [
      'a file elsewhere',
      `Package: a\nVersion: 1\nDirectory: pool\nChecksums-Sha256:\n ${digest} 1 ../../etc/passwd\n`,
    ],
  ])('takes no stanza with %s', (_, text) => {
    expect([...parseSources(text, root)]).toEqual([]);
  });
});
