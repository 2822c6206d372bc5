import {expect, it} from 'vitest';
import type {StageKind, StageNode} from '../../../src/plan/graph.ts';
import {sbomInputs} from '../../../src/plan/sbom-node.ts';

const common = {
  title: '',
  layers: [],
  version: 1,
  params: {},
  files: {},
  tools: [],
  environment: {},
  origins: [],
};

function node(id: string, kind: StageKind, parts: Partial<StageNode> = {}): StageNode {
  return {...common, id, kind, dependsOn: [], ...parts};
}

function locked(...debs: readonly (readonly [name: string, sha256: string])[]): Pick<StageNode, 'locked'> {
  const packages = debs.map(([name, sha256]) => ({
    name,
    version: '1',
    architecture: 'amd64',
    origin: 'main',
    path: `pool/${name}.deb`,
    size: 1,
    sha256,
  }));
  const os = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'} as const;
  return {locked: {packages, required: [], roots: {}, os, suites: []}};
}

function inputs(...nodes: readonly StageNode[]): ReturnType<typeof sbomInputs> {
  const byId = new Map(nodes.map((one) => [one.id, one]));
  const layers = nodes.filter(({kind}) => kind !== 'archive').map(({id}) => id);
  return sbomInputs(layers, (id) => byId.get(id));
}

it('sbomInputs() names the archives that the layers asked, each once', () => {
  expect(
    inputs(
      node('archive:debian', 'archive'),
      node('archive:debian/web', 'archive'),
      node('base', 'base', {dependsOn: ['archive:debian']}),
      node('packages', 'packages', {dependsOn: ['archive:debian/web', 'base']}),
      node('files', 'files', {dependsOn: ['base', 'packages']}),
      node('adapt', 'adapt', {dependsOn: ['archive:debian/web', 'base', 'packages', 'files']}),
    ),
  ).toEqual({
    dependsOn: ['archive:debian', 'archive:debian/web', 'base', 'packages', 'files', 'adapt'],
    params: {},
  });
});

it('sbomInputs() takes the .debs of a lock, sorted, each once, and then no archive', () => {
  const {dependsOn, params} = inputs(
    node('base', 'base', locked(['libc6', 'aa'], ['bash', 'bb'])),
    node('adapt', 'adapt', {dependsOn: ['base'], ...locked(['less', 'cc'], ['bash', 'bb'])}),
  );
  expect(dependsOn).toEqual(['base', 'adapt']);
  expect(params).toEqual({
    debs: [
      {name: 'bash', version: '1', architecture: 'amd64', path: 'pool/bash.deb', sha256: 'bb'},
      {name: 'less', version: '1', architecture: 'amd64', path: 'pool/less.deb', sha256: 'cc'},
      {name: 'libc6', version: '1', architecture: 'amd64', path: 'pool/libc6.deb', sha256: 'aa'},
    ],
  });
});
