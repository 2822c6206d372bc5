import {describe, expect, it} from 'vitest';
import type {StageNode} from '../../../src/plan/graph.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {nearestInput, shortestPath} from '../../../src/plan/why.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {copyOf, image, shellStep} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

async function nodes(): Promise<readonly StageNode[]> {
  using project = new TemporaryFolder({'setup.sh': 'true', 'site/index.html': '<p>'});
  const {nodes: planned} = await planImages({
    images: [
      image({
        packages: [{name: 'curl'}, {name: 'jq', version: '1.6-2.1'}],
        remove_packages: ['nano'],
        hostname: 'web',
        users: [
          {
            name: 'ops',
            shell: '/bin/bash',
            groups: [],
            sudo: [],
            ssh_authorized_keys: [],
            lock_passwd: true,
            system: false,
          },
        ],
        copy: [copyOf('site', '/srv')],
        provision: [shellStep({file: 'setup.sh'})],
        services: {enable: ['ssh.service'], disable: [], mask: []},
      }),
      image({name: 'db', from: 'web', packages: [{name: 'postgresql'}]}),
    ],
    projectDir: project.path,
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {LC_ALL: 'C.UTF-8'},
  });
  return planned;
}

describe('shortestPath()', () => {
  it.each<readonly [input: string, stages: readonly string[], held: object]>([
    ['pack:web/hpc', ['pack:web/hpc'], {kind: 'stage', stage: 'pack:web/hpc'}],
    [
      'archive:debian-bookworm',
      ['pack:web/hpc', 'base:debian-bookworm-amd64', 'archive:debian-bookworm'],
      {kind: 'stage', stage: 'archive:debian-bookworm'},
    ],
    ['curl', ['pack:web/hpc', 'customize:web/packages'], {kind: 'package', package: 'curl', list: 'install'}],
    [
      'jq',
      ['pack:web/hpc', 'customize:web/packages'],
      {kind: 'package', package: 'jq=1.6-2.1', list: 'install'},
    ],
    [
      'jq=1.6-2.1',
      ['pack:web/hpc', 'customize:web/packages'],
      {kind: 'package', package: 'jq=1.6-2.1', list: 'install'},
    ],
    ['nano', ['pack:web/hpc', 'customize:web/packages'], {kind: 'package', package: 'nano', list: 'remove'}],
    [
      'live-boot',
      ['pack:web/hpc', 'initramfs:web/hpc'],
      {kind: 'package', package: 'live-boot', list: 'install'},
    ],
    ['mksquashfs', ['pack:web/hpc'], {kind: 'tool', tool: 'mksquashfs'}],
    ['mmdebstrap', ['pack:web/hpc', 'base:debian-bookworm-amd64'], {kind: 'tool', tool: 'mmdebstrap'}],
    ['LC_ALL', ['pack:web/hpc'], {kind: 'environment', name: 'LC_ALL'}],
    ['hostname', ['pack:web/hpc'], {kind: 'option', option: 'hostname'}],
    ['users[0].shell', ['pack:web/hpc', 'customize:web/users'], {kind: 'option', option: 'users[0].shell'}],
    ['users', ['pack:web/hpc', 'customize:web/users'], {kind: 'option', option: 'users'}],
    ['provision', ['pack:web/hpc', 'customize:web/provision-1'], {kind: 'option', option: 'provision'}],
    [
      'services.enable[0]',
      ['pack:web/hpc', 'customize:web/services'],
      {kind: 'option', option: 'services.enable[0]'},
    ],
    ['targets.hpc.compression', ['pack:web/hpc'], {kind: 'option', option: 'targets.hpc.compression'}],
  ])('leads from an artifact to %s', async (input, stages, held) => {
    expect(shortestPath(await nodes(), ['pack:web/hpc'], input)).toEqual({stages, input: held});
  });

  it('leads to a file with its digest', async () => {
    const planned = await nodes();
    for (const [path, stage] of [
      ['setup.sh', 'customize:web/provision-1'],
      ['site/index.html', 'customize:web/files'],
    ] as const) {
      expect(shortestPath(planned, ['test:db/openstack'], path)).toEqual({
        stages: ['test:db/openstack', 'pack:db/openstack', stage],
        input: {kind: 'file', path, digest: planned.find(({id}) => id === stage)?.files[path]},
      });
    }
  });

  it('begins at the stage of an artifact that is nearest', async () => {
    const found = shortestPath(await nodes(), ['test:web/hpc', 'pack:web/hpc'], 'curl');
    expect(found?.stages).toEqual(['pack:web/hpc', 'customize:web/packages']);
  });

  it.each([
    'postgresql',
    'users[1].shell',
    'users[0].uid',
    'targets.openstack.format',
    'test:web/hpc',
    'plan.kind',
    'constructor',
    '',
  ])('finds no %j below an artifact that does not have it', async (input) => {
    expect(shortestPath(await nodes(), ['pack:web/hpc'], input)).toBeUndefined();
  });

  it('finds nothing from a stage that is not planned', async () => {
    expect(shortestPath(await nodes(), ['pack:gone/hpc'], 'curl')).toBeUndefined();
  });
});

describe('nearestInput()', () => {
  it.each([
    ['crul', 'curl'],
    ['setup.hs', 'setup.sh'],
    ['targets.hpc.compresion', 'targets.hpc.compression'],
    ['pack:web/hcp', 'pack:web/hpc'],
    ['mksqashfs', 'mksquashfs'],
    ['LCALL', 'LC_ALL'],
  ])('suggests for %s', async (input, expected) => {
    expect(nearestInput(await nodes(), input)).toBe(expected);
  });

  it('suggests nothing that is far off', async () => {
    expect(nearestInput(await nodes(), 'something-else-altogether')).toBeUndefined();
  });
});
