import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {checkEmulation} from '../../src/host/emulation.ts';
import {Project} from './real-build.ts';

const folder = '/proc/sys/fs/binfmt_misc';
const registration = '/usr/lib/binfmt.d/qemu-aarch64.conf';
const undo: (() => void)[] = [];

/** A container, or a machine without systemd, has not registered what qemu-user-static brings. */
beforeAll(async () => {
  if ((await checkEmulation()).ok) return;
  if (!existsSync(`${folder}/register`)) {
    execFileSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', folder]);
    undo.push(() => execFileSync('umount', [folder]));
  }
  writeFileSync(`${folder}/register`, readFileSync(registration, 'utf8').trim());
  undo.push(() => writeFileSync(`${folder}/qemu-aarch64`, '-1'));
});

afterAll(() => {
  for (const one of undo.toReversed()) one();
});

it('makes an image of Debian for arm64 on an amd64 host, and boots it', async () => {
  const project = new Project('arm64');
  project.write({
    'fgimage.yaml': `version: 1
name: arm
os: {distribution: debian, release: bookworm, architecture: arm64}
users: [{name: carol, uid: 1601}]
tests:
  - {command: uname -m, stdout: aarch64}
  - {command: id -u carol, stdout: "1601"}
  - {service: ssh, running: true}
targets: {openstack: {}, oci: {}}
`,
  });
  const result = await project.build();
  expect(result.told.trim()).toBe('');
  expect(result.code).toBe(0);
  const checks = result.checks('test:arm/openstack');
  for (const name of ['command: uname -m', 'command: id -u carol', 'systemd reached its target'])
    expect(checks).toContainEqual(expect.objectContaining({name: `uefi: ${name}`, passed: true}));
  const index = project.json('artifacts/arm/oci/index.json') as {
    readonly manifests: readonly {readonly platform: unknown}[];
  };
  expect(index.manifests[0]?.platform).toEqual({architecture: 'arm64', os: 'linux'});
});
