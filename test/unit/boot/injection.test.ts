import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {rootOffsetBytes} from '../../../src/stages/test/disk.ts';
import {injectFiles, overlayArchive, startScript, userData} from '../../../src/stages/test/injection.ts';

let folder = '';
const signal = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-seed-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

const plan = '0 system\n1 command b:ZWNobyAnJEhPTUUn\n';

describe('userData()', () => {
  test('is a boothook that unpacks the checks, leaves its mark and starts them', () => {
    const text = userData(plan, '0123456789abcdef0');
    const script = text.replaceAll('/run/', `${folder}/`).replaceAll(/^systemctl/gm, 'echo systemctl');
    writeFileSync(join(folder, 'hook'), script);

    const output = execFileSync('sh', [join(folder, 'hook')], {encoding: 'utf8'});

    expect(text.split('\n').slice(0, 2)).toEqual(['#cloud-boothook', '#!/bin/sh']);
    expect(output).toBe('systemctl daemon-reload\nsystemctl start --no-block fgimage-test.service\n');
    expect(readFileSync(join(folder, 'fgimage-test/plan'), 'utf8')).toBe(plan);
    expect(readFileSync(join(folder, 'fgimage-test/instance'), 'utf8')).toBe('0123456789abcdef0\n');
    expect(readFileSync(join(folder, 'systemd/system/fgimage-test.service'), 'utf8')).toContain(
      'ExecStart=/bin/sh /run/fgimage-test/run-checks.sh /run/fgimage-test/plan /dev/ttyS1\n',
    );
    execFileSync('sh', ['-n', join(folder, 'fgimage-test/run-checks.sh')]);
  });

  test('is a plain script to agents other than cloud-init', () => {
    expect(`#cloud-boothook\n${startScript(plan, 'a')}`).toBe(userData(plan, 'a'));
  });
});

describe('injectFiles()', () => {
  const look = (disk: string, command: string): string =>
    execFileSync('debugfs', ['-R', command, disk], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});

  test.each([
    ['without a partition table', 0],
    ['in its last partition', 4 << 20],
  ])('writes files of root into a disk %s', async (_where, offsetBytes) => {
    const disk = join(folder, 'a disk.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 32 << 20);
    if (offsetBytes > 0)
      execFileSync('sfdisk', ['--quiet', disk], {input: 'label: gpt\nsize=2MiB\nstart=4MiB\n'});
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-E', `offset=${offsetBytes}`, disk, '8M']);
    expect(await rootOffsetBytes(disk, signal)).toBe(offsetBytes);

    const files = [{path: '/root/.ssh/authorized_keys', content: 'ssh-ed25519 AAAA\n', mode: 0o600}];
    await injectFiles({disk, offsetBytes, files, folder, signal});

    const place = `${disk}?offset=${offsetBytes}`;
    expect(look(place, 'cat /root/.ssh/authorized_keys')).toBe('ssh-ed25519 AAAA\n');
    expect(look(place, 'stat /root/.ssh/authorized_keys')).toMatch(
      /Type: regular {4}Mode: {2}0600[\s\S]*User: +0 +Group: +0/,
    );
    expect(look(place, 'stat /root/.ssh')).toMatch(/Type: directory[\s\S]*User: +0 +Group: +0/);
  });

  test('fails where the disk has no file system', async () => {
    const disk = join(folder, 'disk.raw');
    writeFileSync(disk, Buffer.alloc(1 << 20));
    const files = [{path: '/key', content: '', mode: 0o600}];
    await expect(injectFiles({disk, offsetBytes: 0, files, folder, signal})).rejects.toThrow(
      'The boot test could not be prepared: debugfs',
    );
  });
});

describe('overlayArchive()', () => {
  test('holds the checks as a site overlay', () => {
    const names = execFileSync('cpio', ['-t', '--quiet'], {
      input: gunzipSync(overlayArchive(plan)),
      encoding: 'utf8',
    });

    expect(names.split('\n').filter((name) => /\.(service|sh)$|plan$/.test(name))).toEqual([
      'fgimage/overlay/etc/systemd/system/fgimage-test.service',
      'fgimage/overlay/etc/systemd/system/multi-user.target.wants/fgimage-test.service',
      'fgimage/overlay/var/lib/fgimage-test/plan',
      'fgimage/overlay/var/lib/fgimage-test/run-checks.sh',
    ]);
  });
});
