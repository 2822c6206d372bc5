import {execFileSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {armProgram, checkEmulation, emulationLack} from '../../../src/host/emulation.ts';

const registered = (flags: string, state = 'enabled'): string =>
  [
    state,
    'interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P',
    `flags: ${flags}`,
    'offset 0',
    'magic 7f454c460201010000000000000000000200b700',
    'mask ffffffffffffff00fffffffffffffffffeffffff',
    '',
  ].join('\n');
const ofAnother = registered('POCF').replace('0200b700', '02003e00');

describe('emulationLack()', () => {
  it.each([
    [{filesystem: false}, 'no: the kernel has no binfmt_misc', 'sudo modprobe binfmt_misc'],
    [
      {filesystem: true},
      'no: binfmt_misc is not mounted, and nothing is registered',
      'sudo mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && sudo apt-get install qemu-user-static binfmt-support',
    ],
    [
      {filesystem: true, entries: [ofAnother]},
      'no: nothing is registered for them',
      'sudo apt-get install qemu-user-static binfmt-support',
    ],
    [
      {filesystem: true, entries: [registered('PF', 'disabled')]},
      'no: their registration is disabled',
      'sudo update-binfmts --enable qemu-aarch64',
    ],
    [
      {filesystem: true, entries: [ofAnother, registered('POC')]},
      'no: registered without the flag F, so that QEMU is out of reach in an image',
      'sudo apt-get install qemu-user-static binfmt-support',
    ],
    [
      {filesystem: true, entries: [registered('POCF')]},
      'no: what is registered for them does not run',
      'sudo apt-get install qemu-user-static binfmt-support',
    ],
  ])('of %o says %s', (registrations, found, mend) => {
    const check = emulationLack(registrations);
    expect(check).toMatchObject({name: 'programs of arm64', ok: false, severity: 'optional', found});
    expect(check.mend).toContain(mend);
    expect(check.package).toBeUndefined();
  });
});

describe('armProgram()', () => {
  it('is a program of aarch64, as file formats are told apart', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fgimage-elf-'));
    try {
      writeFileSync(join(folder, 'probe'), armProgram());
      const told = execFileSync('od', ['-An', '-tx1', '-N20', join(folder, 'probe')], {encoding: 'utf8'});
      expect(told.replaceAll(/\s/g, '')).toBe('7f454c460201010000000000000000000200b700');
    } finally {
      rmSync(folder, {recursive: true});
    }
  });

  it('is tried without leaving anything, whatever this host makes of it', async () => {
    const {name, severity, found, ok, mend} = await checkEmulation();
    expect({name, severity}).toEqual({name: 'programs of arm64', severity: 'optional'});
    expect(found).toMatch(ok ? /^run through binfmt_misc$/ : /^no: /);
    expect(mend === undefined).toBe(ok);
  });
});
