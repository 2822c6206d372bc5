import {describe, expect, it} from 'vitest';
import type {Lock, LockedPackage} from '../../../src/lock/lock.ts';
import {requestOf} from '../../../src/lock/request.ts';
import type {ArchiveUris} from '../../../src/plan/archives.ts';
import {archiveName} from '../../../src/plan/archives.ts';
import {type Plan, type PlanRequest, planImages} from '../../../src/plan/plan.ts';
import type {Image, Os} from '../../../src/spec/image.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {hpc, image, openstack, shellStep} from '../../rig/images.ts';

const here: ArchiveUris = {
  main: 'http://mirror.example.org/debian',
  security: 'http://mirror.example.org/debian-security',
};

function plan(images: readonly Image[], parts: Partial<PlanRequest> = {}): Promise<Plan> {
  return planImages({
    images,
    projectDir: '/nowhere',
    targetOfType,
    archiveOf: () => here,
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {PATH: '/bin'},
    ...parts,
  });
}

/** A lock in which each stage gets one package, named after it. */
async function lockOf(images: readonly Image[]): Promise<Lock> {
  const {nodes} = await plan(images, {toolsImage: true});
  const archives: Record<
    string,
    {os: Os; suites: Lock['archives'][string]['suites']; packages: LockedPackage[]}
  > = {};
  const stages: Record<string, Lock['stages'][string]> = {};
  for (const node of nodes) {
    if (node.kind === 'archive') {
      const sources = node.params['sources'] as unknown as {
        suite: string;
        origin: string;
        components: string[];
      }[];
      archives[archiveName(node.id)] = {
        os: node.notes?.['os'] as unknown as Os,
        suites: sources.map(({suite, origin, components}) => ({
          name: suite,
          origin,
          components,
          date: '2026-07-11T10:16:37Z',
          sha256: 'a'.repeat(64),
        })),
        packages: [],
      };
    }
    const asked = requestOf(node);
    if (asked === undefined) continue;
    const archive = archiveName(node.dependsOn[0] ?? '');
    const name = node.id.replaceAll(/[^a-z0-9]+/g, '-');
    archives[archive]?.packages.push({
      name,
      version: '1.0',
      architecture: 'all',
      origin: 'main',
      path: `pool/${name}.deb`,
      size: 1,
      sha256: 'b'.repeat(64),
    });
    stages[node.id] = {archive, ...asked, packages: [name]};
  }
  return {version: 1, archives, stages, sources: {}};
}

const web = image({packages: [{name: 'jq'}], targets: [openstack(), hpc()]});

describe('a plan with a lock', () => {
  it('asks no archive, and gives each stage what it installs by digest', async () => {
    const {nodes, lockProblems} = await plan([web], {lock: await lockOf([web])});
    expect(lockProblems).toEqual([]);
    expect(nodes.filter(({kind}) => kind === 'archive')).toEqual([]);
    const packages = nodes.find(({id}) => id === 'customize:web/packages');
    expect(packages?.locked?.packages.map(({name}) => name)).toEqual(['customize-web-packages']);
    expect(packages?.params['refinement']).toEqual({
      packages: [`customize-web-packages_1.0_all.deb ${'b'.repeat(64)}`],
    });
    expect(packages?.locked?.roots['main']).toBe(here.main);
    expect(nodes.some(({dependsOn}) => dependsOn.some((id) => id.startsWith('archive:')))).toBe(false);
  });

  it('holds nothing of the mirror in what keys are made of', async () => {
    const lock = await lockOf([web]);
    const {nodes} = await plan([web], {lock, toolsImage: true});
    const elsewhere = await plan([web], {
      lock,
      toolsImage: true,
      archiveOf: () => ({main: 'https://other.example.org/debian'}),
    });
    expect(elsewhere.nodes.map(({params}) => params)).toEqual(nodes.map(({params}) => params));
    expect(elsewhere.lockProblems).toEqual([]);
  });

  it('takes the programs that shape bytes from the tools image, or from the host', async () => {
    const lock = await lockOf([web]);
    const {nodes} = await plan([web], {lock, toolsImage: true});
    const shaping = nodes.filter(({kind}) => kind === 'pack' || kind === 'base');
    for (const {id, tools, toolsFrom, dependsOn} of shaping) {
      if (id === 'tools') {
        expect(tools).toEqual(['mmdebstrap', 'apt-get']);
        continue;
      }
      expect([id, toolsFrom, tools]).toEqual([id, 'tools', []]);
      expect(dependsOn).toContain('tools');
    }
    const host = await plan([web], {lock});
    expect(host.nodes.some(({id}) => id === 'tools')).toBe(false);
    expect(host.nodes.find(({id}) => id === 'pack:web/hpc')?.tools).toEqual(['mksquashfs']);
  });

  it.each<[what: string, changed: Image, problem: string]>([
    ['a package more', {...web, packages: [{name: 'jq'}, {name: 'tree'}]}, 'customize:web/packages: + tree'],
    ['a package less', {...web, packages: []}, ''],
    ['another package', {...web, packages: [{name: 'tree'}]}, 'customize:web/packages: - jq'],
    [
      'a version',
      {...web, packages: [{name: 'jq', version: '1.7'}]},
      'customize:web/packages: jq any -> 1.7',
    ],
    ['a package to remove', {...web, remove_packages: ['nano']}, 'customize:web/packages: + remove nano'],
    [
      'a target more',
      {...web, targets: [...web.targets, {...openstack(), name: 'other'}]},
      'adapt:web/other: not in the lock',
    ],
    [
      'another kernel',
      {...web, kernel: {package: 'linux-image-rt-amd64'}},
      'customize:web/kernel: + linux-image-rt-amd64',
    ],
    ['a release', {...web, os: {...web.os, release: 'trixie'}}, 'base:debian-trixie-amd64: not in the lock'],
  ])('names what the spec has moved on by: %s', async (_, changed, problem) => {
    const lock = await lockOf([web]);
    const {lockProblems} = await plan([changed], {lock, toolsImage: true});
    if (problem === '') expect(lockProblems).toEqual([]);
    else expect(lockProblems).toContain(problem);
  });

  it('tells an OS from two mirrors apart', async () => {
    const other = image({name: 'db', os: {...web.os, mirror: 'http://other.example.org/debian'}});
    const lock = await lockOf([web, other]);
    expect(Object.keys(lock.archives).filter((name) => name.startsWith('debian-bookworm'))).toHaveLength(2);
    const {nodes, lockProblems} = await plan([web, other], {lock, toolsImage: true});
    expect(lockProblems).toEqual([]);
    expect(nodes.filter(({id}) => id.startsWith('base:debian-bookworm'))).toHaveLength(2);
  });

  it('sees a provisioner whose script is another one', async () => {
    const lock = await lockOf([web]);
    const scripted = image({...web, provision: [shellStep({file: 'package.json'})]});
    const known = await plan([scripted], {lock, projectDir: process.cwd()});
    expect(known.lockProblems).toEqual(['provision-1 of web: package.json is not in the lock']);
    const stale = {...lock, sources: {web: {'package.json': 'c'.repeat(64)}}};
    const changed = await plan([scripted], {lock: stale, projectDir: process.cwd()});
    expect(changed.lockProblems).toEqual(['provision-1 of web: package.json has changed']);
  });

  it('sees suites that came or went, but not that a host knows no security archive', async () => {
    const lock = await lockOf([web]);
    const archive = lock.archives['debian-bookworm'];
    if (archive === undefined) throw new Error('no archive');
    const suites = [
      ...archive.suites.filter(({name}) => name !== 'bookworm-updates'),
      {name: 'bookworm-backports', origin: 'main', components: ['main'], date: '', sha256: 'a'.repeat(64)},
    ];
    const other: Lock = {...lock, archives: {...lock.archives, 'debian-bookworm': {...archive, suites}}};
    const {lockProblems} = await plan([web], {lock: other, archiveOf: () => ({main: here.main})});
    expect(lockProblems).toEqual([
      'debian-bookworm: + main bookworm-updates main',
      'debian-bookworm: - main bookworm-backports main',
    ]);
  });
});
