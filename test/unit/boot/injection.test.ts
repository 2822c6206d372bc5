import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {overlayArchive, userData, writeSeed} from '../../../src/stages/test/injection.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-seed-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

const plan = '0 system\n1 command b:ZWNobyAnJEhPTUUn\n';

describe('userData()', () => {
  test('is a boothook that unpacks the checks and starts them', () => {
    const text = userData(plan);
    const script = text.replaceAll('/run/', `${folder}/`).replaceAll(/^systemctl/gm, 'echo systemctl');
    writeFileSync(join(folder, 'hook'), script);

    const output = execFileSync('sh', [join(folder, 'hook')], {encoding: 'utf8'});

    expect(text.split('\n').slice(0, 2)).toEqual(['#cloud-boothook', '#!/bin/sh']);
    expect(output).toBe('systemctl daemon-reload\nsystemctl start --no-block fgimage-test.service\n');
    expect(readFileSync(join(folder, 'fgimage-test/plan'), 'utf8')).toBe(plan);
    expect(readFileSync(join(folder, 'systemd/system/fgimage-test.service'), 'utf8')).toContain(
      'ExecStart=/bin/sh /run/fgimage-test/run-checks.sh /run/fgimage-test/plan /dev/ttyS1\n',
    );
    execFileSync('sh', ['-n', join(folder, 'fgimage-test/run-checks.sh')]);
  });
});

describe('writeSeed()', () => {
  test('makes a FAT image labelled CIDATA with the files of NoCloud', async () => {
    const image = join(folder, 'seed.img');

    await writeSeed(image, {plan, instanceId: 'fgimage-1', signal: new AbortController().signal});

    const read = (name: string): string =>
      execFileSync('mtype', ['-i', image, `::${name}`], {encoding: 'utf8'}).replaceAll('\r', '');
    expect(execFileSync('mlabel', ['-s', '-i', image, '::'], {encoding: 'utf8'})).toContain('CIDATA');
    expect(read('user-data')).toBe(userData(plan));
    expect(read('meta-data')).toBe('instance-id: fgimage-1\n');
    expect(statSync(image).size).toBe(4 * 1024 * 1024);
    expect(
      readFileSync(image)
        .subarray(446, 510)
        .every((byte) => byte === 0),
    ).toBe(true);
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
