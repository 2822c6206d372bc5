import {expect, it} from 'vitest';
import {provenanceOf} from '../../../src/cli/provenance.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {image, openstack, shellStep} from '../../rig/images.ts';

it('tells of each stage whether a step had a network there', async () => {
  const step = shellStep({inline: 'true'});
  const web = image({provision: [step, {...step, network: true}], targets: [openstack()]});
  const {nodes, deliveries} = await planImages({
    images: [web],
    projectDir: '/nonexistent',
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: false,
    onlyImages: [],
    onlyTargets: [],
    environment: {},
  });
  const [delivery] = deliveries;
  if (delivery === undefined) throw new Error('Nothing is handed out');
  const output = {digest: 'd', result: {}};
  const states = new Map(nodes.map(({id}) => [id, {state: 'run', key: id, output}]));
  const action = {key: 'k', digest: 'd', startedAt: 0, durationMs: 1};
  const session = {
    spec: {digest: 's', files: [], projectDir: '/nonexistent'},
    store: {find: () => ({state: 'known', action})},
    tools: {find: () => undefined},
  };
  const run = {session, states} as unknown as Parameters<typeof provenanceOf>[1];

  const text = provenanceOf(delivery, run, nodes).text({files: [], documents: []});

  const {predicate} = JSON.parse(text) as {
    predicate: {
      buildDefinition: {internalParameters: {stages: readonly {stage: string; network?: boolean}[]}};
    };
  };
  const {stages} = predicate.buildDefinition.internalParameters;
  expect(stages.length).toBe(nodes.length);
  expect(stages.filter(({network}) => network === true).map(({stage}) => stage)).toEqual([
    'customize:web/provision-2',
  ]);
});
