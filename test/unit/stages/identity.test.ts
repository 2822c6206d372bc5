import {describe, expect, it} from 'vitest';
import type {StageNode} from '../../../src/plan/graph.ts';
import {packIdentity} from '../../../src/stages/pack/identity.ts';
import type {StageOutput} from '../../../src/stages/stage.ts';

const node: StageNode = {
  id: 'pack:web/openstack',
  kind: 'pack',
  title: 'pack web',
  dependsOn: ['initramfs', 'base', 'adapt', 'tools'],
  layers: ['base', 'adapt'],
  version: 1,
  params: {plan: {kind: 'disk', format: 'qcow2'}, target_version: 1},
  files: {},
  tools: [],
  toolsFrom: 'tools',
  environment: {},
  origins: [],
};
const digests = {initramfs: 'i', base: 'b', adapt: 'a', tools: 't'};

function identity(changes: Partial<StageNode> = {}, outputs: Readonly<Record<string, string>> = {}): string {
  const inputs = new Map(
    Object.entries({...digests, ...outputs}).map(([id, digest]): [string, StageOutput] => [
      id,
      {digest, path: '/nowhere', result: {}},
    ]),
  );
  return packIdentity({node: {...node, ...changes}, inputs});
}

describe('packIdentity()', () => {
  it.each([
    ['a layer', {}, {base: 'other'}],
    ['the topmost layer', {}, {adapt: 'other'}],
    ['the initial RAM disk', {}, {initramfs: 'other'}],
    ['the way it is packed', {params: {plan: {kind: 'disk', format: 'raw'}, target_version: 1}}, {}],
  ])('is another with another %s', (_, changes, outputs) => {
    expect(identity(changes, outputs)).not.toBe(identity());
  });

  it.each([
    ['other tools', {}, {tools: 'other'}],
    [
      'the tools of the host',
      {dependsOn: ['initramfs', 'base', 'adapt'], toolsFrom: undefined, tools: ['mke2fs']},
      {},
    ],
    ['another environment', {environment: {http_proxy: 'http://proxy.example.org'}}, {}],
    ['another salt', {salt: 'other'}, {}],
    ['another version of the stage', {version: 2}, {}],
  ])('is the same with %s', (_, changes, outputs) => {
    expect(identity(changes as Partial<StageNode>, outputs)).toBe(identity());
  });
});
