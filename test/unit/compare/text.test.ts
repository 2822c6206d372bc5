import {describe, expect, it} from 'vitest';
import {formatRunChanges} from '../../../src/cli/diff-text.ts';
import {formatVerdict, type Verdict} from '../../../src/cli/verify-text.ts';
import {createStyle} from '../../../src/ui/style.ts';

const style = createStyle(false);
const digest = (letter: string): string => letter.repeat(64);

describe('formatVerdict()', () => {
  it('gives the digest of every file where all is the same', () => {
    const verdict: Verdict = {
      same: true,
      artifact: 'web',
      durationMs: 61_000,
      stages: [{stage: 'pack:web/hpc', key: 'k', verdict: 'same', was: 'd', is: 'd'}],
      artifacts: [{name: 'web/hpc', files: [{path: 'rootfs.squashfs', was: digest('a'), is: digest('a')}]}],
    };
    expect(formatVerdict(verdict, {style, kept: undefined})).toEqual([
      'web is the same, built again in 1m 01s: 1 stage',
      '',
      'web/hpc',
      `  ${digest('a')}  rootfs.squashfs`,
    ]);
  });

  it('names the first stage that differs, its file, offset and likely cause', () => {
    const verdict: Verdict = {
      same: false,
      artifact: 'web/hpc',
      durationMs: 61_000,
      stages: [
        {stage: 'base:debian', key: 'k0', verdict: 'same', was: 'd', is: 'd'},
        {
          stage: 'customize:web/provision-1',
          key: 'k1',
          verdict: 'differs',
          was: digest('1'),
          is: digest('2'),
        },
        {stage: 'pack:web/hpc', key: 'k2', verdict: 'follows', is: digest('3')},
      ],
      artifacts: [
        {
          name: 'web/hpc',
          files: [
            {path: 'initrd', was: digest('a'), is: digest('a')},
            {path: 'rootfs.squashfs', was: digest('b'), is: digest('c')},
          ],
        },
      ],
      first: {
        stage: 'customize:web/provision-1',
        key: 'k1',
        verdict: 'differs',
        was: digest('1'),
        is: digest('2'),
        position: {file: 'fgimage.yaml', line: 7, column: 5, length: 5, excerpt: '  - shell: setup.sh'},
        difference: {
          what: 'the tree',
          entries: [
            {change: 'changed', path: 'etc/stamp', fields: [{field: 'content', a: 'x', b: 'y'}]},
            {change: 'added', path: 'tmp-1234', type: 'file'},
          ],
          count: 4,
          content: {
            path: 'etc/stamp',
            difference: {
              offset: 9,
              sizes: {a: 11, b: 11},
              place: [],
              bytes: {a: 'hex a', b: 'hex b'},
              line: {number: 1, a: '1732281234', b: '1732281299'},
            },
          },
        },
      },
    };
    expect(formatVerdict(verdict, {style, kept: '/cache/kept/verify-1234'})).toEqual([
      'web/hpc is not the same, built again in 1m 01s: 3 stages',
      '',
      'customize:web/provision-1 is the first that differs: made of the same, it gave 111111111111 → 222222222222',
      '  fgimage.yaml:7:5: - shell: setup.sh',
      '  /etc/stamp: content',
      '    first at offset 9 of 11 bytes',
      '    line 1 was 1732281234',
      '    line 1 is  1732281299',
      '  likely: a time: "$SOURCE_DATE_EPOCH" is one that does not pass',
      '  /tmp-1234: file only in the second build',
      '  and 2 more paths',
      'made of what differs: pack:web/hpc',
      '',
      'web/hpc',
      `  ${digest('a')}  initrd`,
      `  rootfs.squashfs was ${digest('b')}, is ${digest('c')}`,
      '',
      'the second build: /cache/kept/verify-1234',
    ]);
  });

  it('goes down to what a packed file holds', () => {
    const verdict: Verdict = {
      same: false,
      artifact: 'web',
      durationMs: 0,
      stages: [],
      artifacts: [],
      first: {
        stage: 'pack:web/openstack',
        key: 'k',
        verdict: 'differs',
        was: digest('1'),
        is: digest('2'),
        difference: {
          what: 'the tree',
          entries: [{change: 'changed', path: 'disk.qcow2', fields: [{field: 'content', a: 'x', b: 'y'}]}],
          content: {
            path: 'disk.qcow2',
            difference: {
              offset: 65536,
              sizes: {a: 100, b: 104},
              place: ['qcow2', 'data clusters'],
              bytes: {a: 'hex a', b: 'hex b'},
              inside: {
                what: 'the virtual disk',
                file: {
                  offset: 1052720,
                  sizes: {a: 9, b: 9},
                  place: ['disk', 'partition 1 (root)', 'ext4', 'super block', 's_wtime'],
                  bytes: {a: 'hex c', b: 'hex d'},
                },
              },
            },
          },
        },
      },
    };
    expect(formatVerdict(verdict, {style, kept: undefined}).slice(2)).toEqual([
      'pack:web/openstack is the first that differs: made of the same, it gave 111111111111 → 222222222222',
      '  /disk.qcow2: content',
      '    first at offset 65536 of 100 → 104 bytes: qcow2, data clusters',
      '    was hex a',
      '    is  hex b',
      '    the virtual disk:',
      '      first at offset 1052720 of 9 bytes: disk, partition 1 (root), ext4, super block, s_wtime',
      '      was hex c',
      '      is  hex d',
      '  likely: the time of the build',
    ]);
  });

  it('says that only digests were compared where the first content is gone', () => {
    const first = {stage: 's', key: 'k', verdict: 'differs', was: digest('1'), is: digest('2')} as const;
    const verdict: Verdict = {
      same: false,
      artifact: 'web',
      durationMs: 0,
      stages: [first],
      artifacts: [],
      first: {...first, purged: true},
    };
    expect(formatVerdict(verdict, {style, kept: undefined})[3]).toBe(
      '  what it gave first is no longer in the cache: only the digests were compared',
    );
  });
});

describe('formatRunChanges()', () => {
  it('says that the results are the same where stages only ran once', () => {
    const stage = {stage: 'base', key: 'k', digest: 'd', durationMs: 1000};
    const changes = {
      durationsMs: {a: 1000, b: 0},
      stages: [
        {
          stage: 'base',
          change: 'state',
          a: {...stage, state: 'run'},
          b: {...stage, state: 'cached'},
        },
      ],
    } as const;
    expect(formatRunChanges(changes, {a: 'run 1', b: 'run 2'}, style)).toEqual([
      'run 1 → run 2: the same results; what ran only once:',
      '  base (run 1.0 s → cached)',
      '',
      'took 1.0 s → 0 ms',
    ]);
  });
});
