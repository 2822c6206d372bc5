import {describe, expect, it, test} from 'vitest';
import {formatDoctor} from '../../../src/cli/doctor.ts';
import {cacheFolder} from '../../../src/host/cache-folder.ts';
import {isHostReady, missingPackages} from '../../../src/host/doctor.ts';
import type {HostCheck} from '../../../src/host/host-check.ts';
import {nodeVersionCheck} from '../../../src/host/node-version.ts';
import {hostError} from '../../../src/host/require-host.ts';
import {existingFolder, spaceCheck} from '../../../src/host/space.ts';
import {subordinateIdChecks} from '../../../src/host/subordinate-ids.ts';
import {userNamespaceChecks} from '../../../src/host/user-namespaces.ts';
import {createStyle} from '../../../src/ui/style.ts';

const alice = {uid: 1000, name: 'alice'};

describe('subordinateIdChecks()', () => {
  it('takes a range by name or by number', () => {
    const checks = subordinateIdChecks(
      alice,
      'bob:100000:65536\nalice:165536:65536\n',
      '1000:100000:70000\n',
    );
    expect(checks.map(({ok, found}) => [ok, found])).toEqual([
      [true, '65536 in /etc/subuid'],
      [true, '70000 in /etc/subgid'],
    ]);
  });

  it('offers the first range that nobody has', () => {
    expect(
      subordinateIdChecks(alice, 'bob:100000:65536\n# comment\nbroken:x:1\n', '').map(({mend}) => mend),
    ).toEqual([
      'sudo usermod --add-subuids 165536-231071 alice',
      'sudo usermod --add-subgids 100000-165535 alice',
    ]);
  });

  it('does not add up ranges, since one map holds one of them', () => {
    const [check] = subordinateIdChecks(alice, 'alice:100000:40000\nalice:140000:40000\n', '');
    expect(check).toMatchObject({ok: false, found: '40000 for alice in /etc/subuid, 65536 are needed'});
  });
});

describe('userNamespaceChecks()', () => {
  it('says nothing of settings that the kernel does not have', () => {
    expect(userNamespaceChecks(new Map())).toEqual([]);
  });

  it('accepts what allows user namespaces', () => {
    const values = new Map([
      ['kernel.unprivileged_userns_clone', '1\n'],
      ['kernel.apparmor_restrict_unprivileged_userns', '0\n'],
      ['user.max_user_namespaces', '96365\n'],
    ]);
    expect(userNamespaceChecks(values).map(({ok}) => ok)).toEqual([true, true, true]);
  });

  it.each([
    ['kernel.unprivileged_userns_clone', '0', 1],
    ['kernel.apparmor_restrict_unprivileged_userns', '1', 0],
    ['user.max_user_namespaces', '0', 15_000],
  ])('mends %s = %s', (name, value, mended) => {
    expect(userNamespaceChecks(new Map([[name, value]]))).toEqual([
      {
        name,
        ok: false,
        severity: 'needed',
        found: `${name} = ${value}`,
        mend: `echo ${name}=${mended} | sudo tee -a /etc/sysctl.d/60-fgimage.conf && sudo sysctl -w ${name}=${mended}`,
      },
    ]);
  });
});

it.each([
  ['v18.20.0', false],
  ['v20.18.9', false],
  ['v20.19.0', true],
  ['v20.20.2', true],
  ['v21.7.3', false],
  ['v22.13.1', false],
  ['v22.14.0', true],
  ['v24.0.0', true],
])('nodeVersionCheck(%s) is %s', (version, ok) => {
  expect(nodeVersionCheck(version, '^20.19.0 || >=22.14.0').ok).toBe(ok);
});

it.each([
  ['/flag', {FGIMAGE_CACHE: '/env', XDG_CACHE_HOME: '/xdg', HOME: '/home/a'}, '/flag'],
  [undefined, {FGIMAGE_CACHE: '/env', XDG_CACHE_HOME: '/xdg', HOME: '/home/a'}, '/env'],
  [undefined, {FGIMAGE_CACHE: '', XDG_CACHE_HOME: '/xdg', HOME: '/home/a'}, '/xdg/fgimage'],
  [undefined, {XDG_CACHE_HOME: 'relative', HOME: '/home/a'}, '/home/a/.cache/fgimage'],
  [undefined, {HOME: '/home/a'}, '/home/a/.cache/fgimage'],
])('cacheFolder(%s, %j) is %s', (flag, env, folder) => {
  expect(cacheFolder(flag, env)).toBe(folder);
});

test('spaceCheck() wants room for a build', () => {
  expect(spaceCheck('/cache', 5 * 1024 ** 3)).toMatchObject({ok: true, found: '5.0 GiB free in /cache'});
  expect(spaceCheck('/cache', 300 * 1024 ** 2)).toMatchObject({
    ok: false,
    found: '300 MiB free in /cache, 4.0 GiB are needed',
  });
});

test('existingFolder() goes up to what is there', async () => {
  expect(await existingFolder('/proc/self/absent/deeper')).toBe('/proc/self');
});

const checks: readonly HostCheck[] = [
  {name: 'KVM', ok: false, severity: 'optional', found: 'no, software emulation is used'},
  {name: 'zstd', ok: true, severity: 'needed', found: '/usr/bin/zstd'},
  {
    name: 'newuidmap',
    ok: false,
    severity: 'optional',
    found: 'no newuidmap',
    mend: 'sudo apt-get install uidmap',
    package: 'uidmap',
  },
  {
    name: 'mtools',
    ok: false,
    severity: 'needed',
    found: 'no mformat (fills the EFI system partition)',
    mend: 'sudo apt-get install mtools',
    package: 'mtools',
  },
  {
    name: 'subordinate user ids',
    ok: false,
    severity: 'needed',
    found: 'none for alice',
    mend: 'sudo usermod --add-subuids 1-2 alice',
  },
];

describe('of all checks', () => {
  it('the table shows what is needed first and what to do next', () => {
    expect(formatDoctor(checks, createStyle(false)).join('\n')).toMatchInlineSnapshot(`
      "                  what                  found                                        how to get it
      has               zstd                  /usr/bin/zstd
      LACKS             mtools                no mformat (fills the EFI system partition)  sudo apt-get install mtools
      LACKS             subordinate user ids  none for alice                               sudo usermod --add-subuids 1-2 alice
      lacks (optional)  KVM                   no, software emulation is used
      lacks (optional)  newuidmap             no newuidmap                                 sudo apt-get install uidmap

      This host lacks mtools, subordinate user ids.
      All packages at once: fgimage doctor --install, or
        sudo apt-get install --yes --no-install-recommends mtools"
    `);
  });

  it('the table is short of advice when all is there', () => {
    expect(formatDoctor(checks.slice(0, 2), createStyle(false)).join('\n')).toMatchInlineSnapshot(`
      "                  what  found                           how to get it
      has               zstd  /usr/bin/zstd
      lacks (optional)  KVM   no, software emulation is used

      This host has all that is needed."
    `);
  });

  it('the packages are those of all that lacks, and what is optional does not count', () => {
    expect(missingPackages(checks)).toEqual(['mtools', 'uidmap']);
    expect([isHostReady(checks), isHostReady(checks.slice(0, 3))]).toEqual([false, true]);
  });

  it('the error of a build says all that lacks and all that mends it', () => {
    const error = hostError(checks);
    expect([error?.code, error?.message, error?.hint].join('\n')).toMatchInlineSnapshot(`
      "HOST_TOOL_MISSING
      This host lacks
        mtools: no mformat (fills the EFI system partition)
        subordinate user ids: none for alice
      sudo apt-get install --yes --no-install-recommends mtools
        sudo usermod --add-subuids 1-2 alice"
    `);
    expect(hostError(checks.slice(0, 3))).toBeUndefined();
    expect(hostError(checks.slice(4))).toMatchObject({
      code: 'HOST_USERNS',
      message: 'This host lacks subordinate user ids: none for alice',
    });
  });
});
