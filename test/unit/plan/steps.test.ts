import {expect, it} from 'vitest';
import type {StageNode} from '../../../src/plan/graph.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {isOnline} from '../../../src/plan/provision-parts.ts';
import type {Provisioner} from '../../../src/spec/image.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {hpc, image, openstack, shellStep} from '../../rig/images.ts';

async function stages(...provision: readonly Provisioner[]): Promise<readonly StageNode[]> {
  const services = {enable: ['ssh'], disable: [], mask: []};
  const {nodes} = await planImages({
    images: [image({provision, services, targets: [openstack(), hpc()]})],
    projectDir: '/nonexistent',
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: false,
    onlyImages: [],
    onlyTargets: [],
    environment: {},
  });
  return nodes.filter(({id}) => /customize:.*(?:provision|services)/.test(id));
}

const all = shellStep({inline: 'true'});

it('gives targets stages of their own from the first step on that is not for all', async () => {
  const forked = await stages(all, {...all, when: {target: ['hpc']}}, all);
  expect(forked.map(({id}) => id.replace(/^.*\//, '')).sort()).toEqual([
    'provision-1',
    'provision-2@hpc',
    'provision-3@hpc',
    'provision-3@openstack',
    'services@hpc',
    'services@openstack',
  ]);
  const shared = await stages(all, {...all, when: {target: ['hpc', 'openstack']}});
  expect(shared.filter(({id}) => id.includes('provision-2'))).toHaveLength(1);
});

it('keeps out of the key where secrets come from, caches and time limits, but not versions of secrets', async () => {
  const secret = {name: 'token', file: '~/token', version: '1'};
  const step = {...all, secrets: [secret], caches: ['/var/cache/a'], timeout_seconds: 5};
  const params = async (one: Provisioner): Promise<unknown> => (await stages(one))[0]?.params;
  const other = {...step, caches: [], secrets: [{name: 'token', env: 'TOKEN', version: '1'}]};
  expect(await params(other)).toEqual(await params(step));
  expect(await params({...step, secrets: [{...secret, version: '2'}]})).not.toEqual(await params(step));
});

it('has the lists of the build and the archives of the host for a step with a network', async () => {
  const [online, offline] = await stages({...all, network: true}, all);
  expect([online, offline].map((node) => node !== undefined && isOnline(node))).toEqual([true, false]);
  expect(online?.dependsOn[0]).toBe(online?.step?.lists);
  expect(online?.step?.aptSources?.[0]).toMatch(
    /^deb \[signed-by=.*\] http:\/\/mirror\.example\.org\/debian bookworm main$/,
  );
  expect(offline?.step?.aptSources).toBeUndefined();
});
