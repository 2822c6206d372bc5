import {describe, expect, it} from 'vitest';
import type {StageNode} from '../../../src/plan/graph.ts';
import {planImages} from '../../../src/plan/plan.ts';
import type {Expected} from '../../../src/plan/vet-node.ts';
import type {Image, User} from '../../../src/spec/image.ts';
import {targetFinder} from '../../../targets/registry.ts';
import {hpc, image, openstack, shellStep} from '../../rig/images.ts';

const user = (name: string, parts: Partial<User> = {}): User => ({
  ...{name, groups: [], sudo: [], ssh_authorized_keys: [], lock_passwd: true, system: false},
  ...parts,
});

async function plan(images: readonly Image[], vet = true) {
  return planImages({
    images,
    projectDir: '/nowhere',
    targetOfType: await targetFinder('/nowhere', ['openstack', 'hpc']),
    archiveOf: () => ({
      main: 'http://mirror.example.org/debian',
      security: 'http://mirror.example.org/security',
    }),
    test: false,
    vet,
    onlyImages: [],
    onlyTargets: [],
    environment: {},
  });
}

function expectedOf(nodes: readonly StageNode[], id: string): Expected {
  const node = nodes.find((one) => one.id === id);
  if (node === undefined) throw new Error(`There is no ${id}`);
  return node.params['expected'] as unknown as Expected;
}

describe('the vet stage', () => {
  it('is in a plan only where it is asked for', async () => {
    const without = await plan([image()], false);

    expect(without.nodes.filter(({kind}) => kind === 'vet')).toEqual([]);
    expect(without.deliveries.map(({vet, boots}) => ({vet, boots}))).toEqual([
      {vet: undefined, boots: true},
      {vet: undefined, boots: true},
    ]);
  });

  it('reads all layers that are packed, and hangs on no other stage of the target but sbom', async () => {
    const {nodes, deliveries} = await plan([
      image({targets: [openstack(), hpc()], packages: [{name: 'curl'}]}),
    ]);
    const vet = nodes.find(({id}) => id === 'vet:web/openstack');
    const pack = nodes.find(({id}) => id === 'pack:web/openstack');

    expect(deliveries.map((one) => one.vet)).toEqual(['vet:web/openstack', 'vet:web/hpc']);
    expect(vet?.layers).toEqual(pack?.layers);
    expect(vet?.dependsOn).toEqual(['sbom:web/openstack', ...(pack?.layers ?? [])]);
  });

  it('changes no key of another stage', async () => {
    const keyed = async (vet: boolean) =>
      (await plan([image()], vet)).nodes.filter(({kind}) => kind !== 'vet');

    expect(await keyed(true)).toEqual(await keyed(false));
  });

  it('knows which layers packages alone made', async () => {
    const {nodes} = await plan([
      image({
        packages: [{name: 'curl'}],
        hostname: 'web',
        users: [user('alice')],
        provision: [shellStep({inline: 'true'})],
        services: {enable: ['x.service'], disable: [], mask: []},
        targets: [hpc()],
      }),
    ]);
    const layers = nodes.find(({id}) => id === 'vet:web/hpc')?.layers ?? [];
    const {packaged} = expectedOf(nodes, 'vet:web/hpc');
    const mixed = layers.filter((_, index) => packaged[index] === false);

    expect(packaged).toHaveLength(layers.length);
    expect(mixed).toEqual([
      'customize:web/settings',
      'customize:web/users',
      expect.stringMatching(/^customize:web\/provision/),
      'customize:web/services',
    ]);
  });

  it('expects the users and repositories of the image and of those that it is built on', async () => {
    const key = (word: string): string => `ssh-ed25519 ${word}`;
    const base = image({
      name: 'base',
      targets: [],
      users: [
        user('alice', {ssh_authorized_keys: [key('a')], hashed_passwd: '$y$a', lock_passwd: false}),
        user('bob', {hashed_passwd: '$y$b'}),
      ],
    });
    const child = image({
      name: 'web',
      from: 'base',
      targets: [hpc()],
      users: [user('alice', {ssh_authorized_keys: [key('b')]})],
    });
    const {users, archive, repositories} = expectedOf((await plan([base, child])).nodes, 'vet:web/hpc');

    expect(users).toEqual([
      // The later image locks the password.
      {name: 'alice', keys: [key('a'), key('b')], password: '!$y$a'},
      {name: 'bob', keys: [], password: '!$y$b'},
    ]);
    expect(repositories).toEqual([]);
    // Where the host has its mirror is no part of an image.
    expect(archive).toEqual({
      suites: ['bookworm', 'bookworm-updates'],
      security_suite: 'bookworm-security',
    });
  });

  it("expects the spec's own mirror", async () => {
    const os = {...image().os, mirror: 'http://mirror.example.org/debian'};
    const {nodes} = await plan([image({os, targets: [hpc()]})]);

    expect(expectedOf(nodes, 'vet:web/hpc').archive).toMatchObject({
      main: 'http://mirror.example.org/debian',
      security: 'http://mirror.example.org/security',
    });
  });
});
