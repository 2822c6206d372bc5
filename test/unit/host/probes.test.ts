import {chmod, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it, test} from 'vitest';
import {checkHost} from '../../../src/host/doctor.ts';
import {bootGuest, kvmCheck} from '../../../src/host/kvm.ts';
import {arrivedExitCode} from '../../../src/host/kvm-guest.ts';
import {probe} from '../../../src/host/probe.ts';
import {programFolders} from '../../../src/host/program-folders.ts';
import {findProgram, locate, needs, readRequirements} from '../../../src/host/requirements.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fgimage-host-'));
  await mkdir(join(folder, 'b/is-a-folder'), {recursive: true});
  await mkdir(join(folder, 'a'));
  await writeFile(join(folder, 'a/tool'), '');
  await writeFile(join(folder, 'b/tool'), '');
  await chmod(join(folder, 'b/tool'), 0o755);
});
afterAll(() => rm(folder, {recursive: true}));

describe('findProgram()', () => {
  it('takes the first that is a file and may be run', async () => {
    const folders = [join(folder, 'a'), join(folder, 'b')];
    expect(await findProgram('tool', folders)).toBe(join(folder, 'b/tool'));
    expect(await findProgram('is-a-folder', folders)).toBeUndefined();
  });

  it('looks where an ordinary user does not', () => {
    expect(programFolders('/opt/bin:/usr/bin::relative')).toEqual([
      '/opt/bin',
      '/usr/bin',
      '/usr/local/sbin',
      '/usr/sbin',
      '/sbin',
      '/bin',
    ]);
  });
});

test('locate() wants all programs and one of the files', async () => {
  const requirement = {name: 'x', package: 'x', needs: ['build'], purpose: 'x'} as const;
  const folders = [join(folder, 'b')];
  const there = join(folder, 'a/tool');
  expect(await locate({...requirement, commands: ['tool', 'other']}, folders)).toEqual({lacks: 'other'});
  expect(await locate({...requirement, commands: ['tool'], files: ['/absent', there]}, folders)).toEqual({
    found: join(folder, 'b/tool'),
  });
  expect(await locate({...requirement, files: ['/absent', '/absent2']}, folders)).toEqual({
    lacks: '/absent or /absent2',
  });
});

test('each requirement is something to find, with a package and known needs', async () => {
  for (const requirement of await readRequirements()) {
    expect([...(requirement.commands ?? []), ...(requirement.files ?? [])], requirement.name).not.toEqual([]);
    expect(
      requirement.needs.filter((need) => !needs.includes(need)),
      requirement.name,
    ).toEqual([]);
    expect(requirement.package, requirement.name).toMatch(/^[a-z0-9][a-z0-9.+-]+$/);
  }
});

describe('probe()', () => {
  it('gives exit code and output', async () => {
    expect(await probe(['sh', '-c', 'echo out; echo err >&2; exit 3'], {timeoutMs: 5000, folder})).toEqual({
      exitCode: 3,
      output: 'out\nerr\n',
      timedOut: false,
    });
  });

  it('ends a program and its children at the limit', async () => {
    expect(await probe(['sh', '-c', 'sleep 60 & wait'], {timeoutMs: 100})).toEqual({
      exitCode: null,
      output: '',
      timedOut: true,
    });
  });

  it('says so when there is no such program', async () => {
    expect(await probe([join(folder, 'absent')], {timeoutMs: 5000})).toMatchObject({
      exitCode: null,
      timedOut: false,
    });
  });
});

describe('the guest that tries KVM', () => {
  it('arrives where a processor is whole', async () => {
    const qemu = (await findProgram('qemu-system-x86_64')) ?? '';
    expect(await bootGuest(qemu, 'tcg')).toEqual({exitCode: arrivedExitCode, output: '', timedOut: false});
  });

  it.each([
    [{exitCode: arrivedExitCode, output: '', timedOut: false}, true, 'works'],
    [
      {exitCode: null, output: '', timedOut: true},
      false,
      'no, software emulation is used: a guest hangs on its way to 64-bit mode',
    ],
    [
      {exitCode: 134, output: 'qemu: warning: x\nqemu: error: failed to set MSR 0x10a\n', timedOut: false},
      false,
      'no, software emulation is used: qemu: error: failed to set MSR 0x10a',
    ],
    [{exitCode: 1, output: '', timedOut: false}, false, 'no, software emulation is used: QEMU cannot use it'],
  ])('%j is %s', (result, ok, found) => {
    expect(kvmCheck(result)).toEqual({name: 'KVM', ok, severity: 'optional', found});
  });
});

test('checkHost() looks at what is wanted only, and leaves nothing behind', async () => {
  const checks = await checkHost({needs: ['build'], cacheFolder: join(folder, 'cache')});
  const needed = checks.filter(({severity}) => severity === 'needed').map(({name}) => name);
  expect(needed).toEqual(
    expect.arrayContaining(['system', 'Node', 'mmdebstrap', 'room in the cache folder']),
  );
  expect(needed).not.toContain('mksquashfs');
  expect(checks.map(({name}) => name)).not.toContain('KVM');
  expect(checks.map(({name}) => name)).not.toContain('g++');
  expect((await probe(['ls', '-A', folder], {timeoutMs: 5000})).output).toBe('a\nb\n');
});
