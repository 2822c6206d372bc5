import {describe, expect, it} from 'vitest';
import {FgError} from '../../../src/errors.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {type PlanRequest, planImages} from '../../../src/plan/plan.ts';
import {isOnline} from '../../../src/plan/provision-parts.ts';
import type {Image} from '../../../src/spec/image.ts';
import {archiveOf} from '../../../src/stages/rpm-tree.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {image, shellStep} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const tarball = [{name: 'tarball', type: 'tarball', options: {compression: 'zstd'}}];
const oneDigest = '1'.repeat(64);

async function plan(one: Image, request: Partial<PlanRequest> = {}): Promise<readonly StageNode[]> {
  using project = new TemporaryFolder({
    'root.tar': 'an archive',
    'layout/index.json': '{}',
    'layout/oci-layout': '{}',
    'layout/blob': 'x',
    'saved/index.json': '{}',
    'saved/a-layer.tar': 'x',
    'saved/manifest.json': '[]',
  });
  const {nodes} = await planImages({
    images: [one],
    projectDir: project.path,
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: false,
    onlyImages: [],
    onlyTargets: [],
    environment: {},
    ...request,
  });
  return nodes;
}

const ids = (nodes: readonly StageNode[]): readonly string[] => nodes.map(({id}) => id);

describe('an imported base', () => {
  it('takes the place of the root, and gets what makes a machine of it with the kernel', async () => {
    const nodes = await plan(image({targets: tarball, base: {import: 'root.tar'}}));
    expect(ids(nodes).slice(0, 3)).toEqual([
      'archive:debian-bookworm',
      'base:import-root.tar',
      'customize:web/kernel',
    ]);
    expect(nodes[1]).toMatchObject({kind: 'base', dependsOn: [], params: {import: {source: 'root.tar'}}});
    expect(Object.keys(nodes[1]?.files ?? {})).toEqual(['root.tar']);
    expect(nodes[2]?.params['install']).toEqual(
      expect.arrayContaining(['linux-image-amd64', 'systemd-sysv']),
    );
  });

  it('gets no kernel where none is wanted', async () => {
    const nodes = await plan(
      image({targets: tarball, base: {import: 'root.tar'}, kernel: {package: 'none'}}),
    );
    expect(ids(nodes)).not.toContain('customize:web/kernel');
  });

  it('counts a layout by its index, and what is in a registry by its digest', async () => {
    const [, layout] = await plan(image({targets: tarball, base: {import: 'layout'}}));
    expect(Object.keys(layout?.files ?? {})).toEqual(['layout/index.json']);
    const [, saved] = await plan(image({targets: tarball, base: {import: 'saved'}}));
    expect(Object.keys(saved?.files ?? {}).sort()).toEqual([
      'saved/a-layer.tar',
      'saved/index.json',
      'saved/manifest.json',
    ]);
    await expect(plan(image({targets: tarball, base: {import: 'saved', sha256: oneDigest}}))).rejects.toThrow(
      'saved is no OCI layout, and no digest of one file tells what is in it',
    );
    const reference = 'oci:registry.example.org/team/root:v1';
    const [, pulled] = await plan(image({targets: tarball, base: {import: reference, sha256: oneDigest}}));
    expect(pulled).toMatchObject({
      id: 'base:import-root-v1',
      files: {},
      params: {import: {source: reference, sha256: oneDigest}},
    });
  });

  it('is refused where its file is another than the spec says', async () => {
    const base = {import: 'root.tar', sha256: oneDigest};
    await expect(plan(image({targets: tarball, base}))).rejects.toThrow(
      /^root\.tar is not what base\.sha256 says: it is [0-9a-f]{64}$/,
    );
  });

  it('is refused with a lock', async () => {
    const lock = {version: 1, archives: {}, stages: {}, sources: {}} as never;
    const refused = plan(image({targets: tarball, base: {import: 'root.tar'}}), {lock});
    await expect(refused).rejects.toThrow(FgError);
    await expect(refused).rejects.toThrow('An image that is built on root.tar cannot be locked');
  });
});

describe('an imported base of a distribution that fgimage makes no root of', () => {
  const other = {distribution: 'other', release: '', architecture: 'amd64'} as const;
  const alpine = {distribution: 'alpine', release: '3.22', architecture: 'arm64'} as const;
  const base = {import: 'root.tar'};

  it('has neither package lists nor a kernel, and its stages know that', async () => {
    const files = [{path: '/etc/motd', content: 'x', owner: 'root:root', permissions: '0644', append: false}];
    const step = {...shellStep({inline: 'true'}), network: true};
    const nodes = await plan(
      image({targets: tarball, os: other, base, write_files: files, provision: [step]}),
    );
    expect(ids(nodes)).toEqual([
      'base:import-root.tar',
      'customize:web/files',
      'customize:web/provision-1',
      'adapt:web/tarball',
      'pack:web/tarball',
      'sbom:web/tarball',
    ]);
    for (const {params} of nodes.filter(({kind}) => kind !== 'pack'))
      expect(params['imported']).toEqual({machine: 'x86_64', package_manager: 'none'});
    expect(nodes[2]).toMatchObject({dependsOn: ['base:import-root.tar', 'customize:web/files']});
    expect(nodes.filter(isOnline).map(({id}) => id)).toEqual(['customize:web/provision-1']);
    expect(archiveOf(nodes[3] ?? {dependsOn: ['archive:none']})).toBe('');
  });

  it('has packages from the apk of the image, by a stage that has a network', async () => {
    const named = {...alpine, mirror: 'https://mirror.example.org/alpine/'};
    const nodes = await plan(image({targets: tarball, os: named, base, packages: [{name: 'tree'}]}));
    const packages = nodes.find(({id}) => id === 'customize:web/packages');
    expect(packages).toMatchObject({
      dependsOn: ['base:import-root.tar'],
      params: {
        install: ['tree'],
        network: true,
        repositories: [
          'https://mirror.example.org/alpine/v3.22/main',
          'https://mirror.example.org/alpine/v3.22/community',
        ],
        imported: {machine: 'aarch64', package_manager: 'apk'},
      },
    });
    expect(nodes.filter(isOnline)).toEqual([packages]);
  });

  it('refuses a step that needs packages where nobody installs any', async () => {
    const step = shellStep({inline: 'true', packages: ['make']} as never);
    await expect(plan(image({targets: tarball, os: other, base, provision: [step]}))).rejects.toThrow(
      'fgimage installs no packages of other distributions, and make is wanted',
    );
  });
});

describe('clones of a plan', () => {
  it('are stages below the packages that are installed on them', async () => {
    const one = image({targets: tarball, packages: [{name: 'a'}, {name: 'b'}, {name: 'c'}]});
    const clone = {layers: [['a'], ['a', 'b']], from: 'customize:other/packages'};
    const nodes = await plan(one, {clones: new Map([['customize:web/packages', clone]])});
    const install = (id: string): unknown => nodes.find((node) => node.id === id)?.params['install'];
    expect(['shared', 'shared-2', 'packages'].map((name) => install(`customize:web/${name}`))).toEqual([
      ['a'],
      ['a', 'b'],
      ['a', 'b', 'c'],
    ]);
    const packages = nodes.find(({id}) => id === 'customize:web/packages');
    expect(packages?.layers.slice(-2)).toEqual(['customize:web/shared', 'customize:web/shared-2']);
    const adapt = nodes.find(({id}) => id === 'adapt:web/tarball');
    expect(adapt?.layers).toEqual([...(packages?.layers ?? []), 'customize:web/packages']);
  });
});
