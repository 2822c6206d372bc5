import {describe, expect, it} from 'vitest';
import type {StageKind, StageNode} from '../../../src/plan/graph.ts';
import {namedTree} from '../../../src/plan/named-tree.ts';

function node(id: string, kind: StageKind, {image, layers = []}: Partial<StageNode> = {}): StageNode {
  return {
    id,
    kind,
    title: id,
    ...(image === undefined ? {} : {image}),
    dependsOn: layers,
    layers,
    version: 1,
    params: {},
    files: {},
    tools: [],
    environment: {},
    origins: [],
  };
}

const base = 'base:debian-bookworm-amd64';
const kernel = 'customize:common/kernel';
const packages = 'customize:web/packages';
/** `web` is built on `common`, which has no target; `plain` adds nothing to it. */
const nodes = [
  node('archive:debian-bookworm', 'archive'),
  node(base, 'base'),
  node(kernel, 'packages', {image: 'common', layers: [base]}),
  node(packages, 'packages', {image: 'web', layers: [base, kernel]}),
  node('initramfs:web/openstack', 'initramfs', {image: 'web', layers: [base, kernel, packages]}),
  node('adapt:web/openstack', 'adapt', {image: 'web', layers: [base, kernel, packages]}),
  node('pack:web/openstack', 'pack', {
    image: 'web',
    layers: [base, kernel, packages, 'adapt:web/openstack'],
  }),
  node('adapt:plain/hpc', 'adapt', {image: 'plain', layers: [base, kernel]}),
];

function tree(name: string): unknown {
  const {image, layers} = namedTree(nodes, name);
  return [image, ...layers.map(({id}) => id)];
}

describe('namedTree()', () => {
  it.each([
    ['web', ['web', base, kernel, packages]],
    ['plain', ['plain', base, kernel]],
    ['common', ['common', base, kernel]],
    ['web:packages', ['web', base, kernel, packages]],
    ['web:customize/packages', ['web', base, kernel, packages]],
    ['web:kernel', ['web', base, kernel]],
    ['web:base', ['web', base]],
    ['web:adapt/openstack', ['web', base, kernel, packages, 'adapt:web/openstack']],
    [packages, ['web', base, kernel, packages]],
    [base, ['', base]],
  ])('finds the layers of %s', (name, expected) => {
    expect(tree(name)).toEqual(expected);
  });

  it.each([
    ['wbe', 'There is no image wbe that is built', 'Those that are built: common, web, plain'],
    [
      'web:provision-1',
      'web has no stage provision-1 with a tree',
      'It has base, kernel, packages, adapt/openstack',
    ],
    [
      'pack:web/openstack',
      'The stage pack:web/openstack makes no tree of an image',
      'Name a base, customize or adapt stage, or just an image',
    ],
  ])('says what there is instead of %s', (name, message, hint) => {
    expect(() => tree(name)).toThrow(expect.objectContaining({code: 'USAGE', message, hint}));
  });
});
