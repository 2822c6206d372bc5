import {describe, expect, it} from 'vitest';
import type {ArchiveUris} from '../../../src/plan/archives.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {type Plan, type PlanRequest, planImages} from '../../../src/plan/plan.ts';
import type {Image, Os, Repository} from '../../../src/spec/image.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {copyOf, hpc, image, openstack, shellStep} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const archive: ArchiveUris = {
  main: 'http://mirror.example.org/debian',
  security: 'http://mirror.example.org/debian-security',
};

function plan(images: readonly Image[], request: Partial<PlanRequest> = {}): Promise<Plan> {
  return planImages({
    images,
    projectDir: '/nonexistent',
    targetOfType,
    archiveOf: (os: Os) => (os.mirror === undefined ? archive : {main: os.mirror}),
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {LC_ALL: 'C.UTF-8'},
    ...request,
  });
}

function node({nodes}: Plan, id: string): StageNode {
  const found = nodes.find((one) => one.id === id);
  if (found === undefined) throw new Error(`No stage ${id} among ${nodes.map((one) => one.id).join(', ')}`);
  return found;
}

/** The ids of the stages that differ in what their keys hold beside the inputs. */
function changed(before: Plan, after: Plan): readonly string[] {
  const own = ({kind, version, params, files, tools}: StageNode): string =>
    JSON.stringify({kind, version, params, files, tools});
  return after.nodes
    .filter((one) => {
      const old = before.nodes.find(({id}) => id === one.id);
      return old === undefined || own(old) !== own(one);
    })
    .map(({id}) => id);
}

const full = image({
  packages: [{name: 'curl'}, {name: 'jq', version: '1.6-2.1'}],
  remove_packages: ['nano'],
  hostname: 'web',
  groups: [{name: 'operators', members: []}],
  write_files: [
    {path: '/etc/motd', content: 'hello', owner: 'root:root', permissions: '0644', append: false},
  ],
  provision: [shellStep({inline: 'true'}), shellStep({inline: 'false'})],
  services: {enable: ['ssh'], disable: [], mask: []},
});

describe('planImages()', () => {
  it('makes no initial RAM disk for what nothing boots, and does not test it', async () => {
    const targets = [
      {name: 'oci', type: 'oci', options: {compression: 'gzip'}},
      {name: 'tarball', type: 'tarball', options: {compression: 'zstd'}},
    ];
    const {nodes, deliveries} = await plan([image({targets})]);
    const kinds = new Set(nodes.map(({kind}) => kind));
    expect([kinds.has('initramfs'), kinds.has('test'), kinds.has('pack')]).toEqual([false, false, true]);
    expect(nodes.find(({id}) => id === 'pack:web/oci')?.tools).toEqual(['tar', 'gzip']);
    expect(deliveries.map(({test}) => test)).toEqual([undefined, undefined]);
  });

  it('gives the stages of an image with two targets, each after what it needs', async () => {
    const {nodes, deliveries} = await plan([full]);
    expect(
      nodes.map(({id, dependsOn}) => `${id} <- ${dependsOn.join(' ') || 'nothing'}`),
    ).toMatchInlineSnapshot(`
      [
        "archive:debian-bookworm <- nothing",
        "base:debian-bookworm-amd64 <- archive:debian-bookworm",
        "customize:web/kernel <- archive:debian-bookworm base:debian-bookworm-amd64",
        "customize:web/platform <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel",
        "customize:web/packages <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform",
        "customize:web/settings <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages",
        "customize:web/users <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings",
        "customize:web/files <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users",
        "customize:web/provision-1 <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files",
        "customize:web/provision-2 <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1",
        "customize:web/services <- base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2",
        "initramfs:web/openstack <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services",
        "adapt:web/openstack <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services",
        "pack:web/openstack <- initramfs:web/openstack base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services adapt:web/openstack",
        "sbom:web/openstack <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services adapt:web/openstack",
        "test:web/openstack <- pack:web/openstack",
        "initramfs:web/hpc <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services",
        "adapt:web/hpc <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services",
        "pack:web/hpc <- initramfs:web/hpc base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services adapt:web/hpc",
        "sbom:web/hpc <- archive:debian-bookworm base:debian-bookworm-amd64 customize:web/kernel customize:web/platform customize:web/packages customize:web/settings customize:web/users customize:web/files customize:web/provision-1 customize:web/provision-2 customize:web/services adapt:web/hpc",
        "test:web/hpc <- pack:web/hpc",
      ]
    `);
    expect(deliveries.map(({target, pack, test}) => ({target, pack, test}))).toEqual([
      {target: 'openstack', pack: 'pack:web/openstack', test: 'test:web/openstack'},
      {target: 'hpc', pack: 'pack:web/hpc', test: 'test:web/hpc'},
    ]);
  });

  it('lists every stage after those that it depends on, and every id once', async () => {
    const {nodes} = await plan([full, image({name: 'db', from: 'web', packages: [{name: 'postgresql'}]})]);
    const seen = new Set<string>();
    for (const {id, dependsOn, layers} of nodes) {
      expect(dependsOn.filter((below) => !seen.has(below))).toEqual([]);
      expect(layers.filter((layer) => !dependsOn.includes(layer))).toEqual([]);
      expect(seen.has(id)).toBe(false);
      seen.add(id);
    }
  });

  it('stacks the layers of customize in order, the same for both targets', async () => {
    const planned = await plan([full]);
    const layers = [
      'base:debian-bookworm-amd64',
      'customize:web/kernel',
      'customize:web/platform',
      'customize:web/packages',
      'customize:web/settings',
      'customize:web/users',
      'customize:web/files',
      'customize:web/provision-1',
      'customize:web/provision-2',
      'customize:web/services',
    ];
    for (const target of ['openstack', 'hpc']) {
      expect(node(planned, `adapt:web/${target}`).layers).toEqual(layers);
      expect(node(planned, `initramfs:web/${target}`).layers).toEqual(layers);
      expect(node(planned, `pack:web/${target}`).layers).toEqual([...layers, `adapt:web/${target}`]);
    }
    expect(node(planned, 'customize:web/settings').layers).toEqual(layers.slice(0, 4));
  });

  it('leaves out the parts that an image does not have', async () => {
    const {nodes} = await plan([image({targets: [hpc()]})]);
    expect(nodes.map(({id}) => id)).toEqual([
      'archive:debian-bookworm',
      'base:debian-bookworm-amd64',
      'customize:web/kernel',
      'customize:web/platform',
      'initramfs:web/hpc',
      'adapt:web/hpc',
      'pack:web/hpc',
      'sbom:web/hpc',
      'test:web/hpc',
    ]);
  });

  it('shares archive and base between images of one OS, and nothing between releases', async () => {
    const {nodes} = await plan([
      image({targets: [openstack()]}),
      image({name: 'db', targets: [openstack()]}),
      image({
        name: 'next',
        os: {distribution: 'debian', release: 'trixie', architecture: 'amd64'},
        targets: [openstack()],
      }),
    ]);
    expect(nodes.filter(({kind}) => kind === 'archive' || kind === 'base').map(({id}) => id)).toEqual([
      'archive:debian-bookworm',
      'base:debian-bookworm-amd64',
      'archive:debian-trixie',
      'base:debian-trixie-amd64',
    ]);
  });

  it('keeps images with other snapshots apart', async () => {
    const os = (snapshot: string): Os => ({
      distribution: 'debian',
      release: 'bookworm',
      architecture: 'amd64',
      mirror: `http://mirror.example.org/${snapshot}`,
      snapshot,
    });
    const {nodes} = await plan([
      image({os: os('20250101T000000Z'), targets: [hpc()]}),
      image({name: 'db', os: os('20260101T000000Z'), targets: [hpc()]}),
    ]);
    expect(nodes.filter(({kind}) => kind === 'base')).toHaveLength(2);
    expect(nodes.filter(({kind}) => kind === 'archive')).toHaveLength(2);
  });

  // The ids of archive and base do not hold the mirror, so that the second image silently takes the first one's.
  it('keeps images with other mirrors apart', async () => {
    const os = (mirror: string): Os => ({
      distribution: 'debian',
      release: 'bookworm',
      architecture: 'amd64',
      mirror,
    });
    const {nodes} = await plan([
      image({os: os('http://one.example.org/debian'), targets: [hpc()]}),
      image({name: 'db', os: os('http://two.example.org/debian'), targets: [hpc()]}),
    ]);
    expect(nodes.filter(({kind}) => kind === 'archive')).toHaveLength(2);
  });

  it('starts an image that is built on another from its layers, without a kernel of its own', async () => {
    const planned = await plan([
      image({packages: [{name: 'curl'}], targets: []}),
      image({name: 'db', from: 'web', packages: [{name: 'postgresql'}], targets: [openstack()]}),
    ]);
    expect(planned.nodes.map(({id}) => id)).not.toContain('customize:db/kernel');
    expect(node(planned, 'customize:db/packages').layers).toEqual([
      'base:debian-bookworm-amd64',
      'customize:web/kernel',
      'customize:web/packages',
    ]);
    expect(node(planned, 'adapt:db/openstack').layers.at(-1)).toBe('customize:db/packages');
  });

  it('builds what an image is built on, even when only that image is asked for', async () => {
    const {nodes, deliveries} = await plan(
      [image({packages: [{name: 'curl'}]}), image({name: 'db', from: 'web', targets: [hpc()]})],
      {onlyImages: ['db']},
    );
    expect(deliveries.map(({pack}) => pack)).toEqual(['pack:db/hpc']);
    expect(nodes.map(({id}) => id)).toContain('customize:web/packages');
    expect(nodes.map(({id}) => id)).not.toContain('adapt:web/hpc');
  });

  it('plans only the targets that are asked for', async () => {
    const {nodes, deliveries} = await plan([full], {onlyTargets: ['hpc']});
    expect(deliveries.map(({target}) => target)).toEqual(['hpc']);
    expect(nodes.filter(({target}) => target === 'openstack')).toEqual([]);
  });

  it('plans no boots without tests', async () => {
    const {nodes, deliveries} = await plan([full], {test: false});
    expect(nodes.filter(({kind}) => kind === 'test')).toEqual([]);
    expect(deliveries.every(({test}) => test === undefined)).toBe(true);
  });

  it('gives an image with repositories package lists of its own, and the shared base', async () => {
    using project = new TemporaryFolder({'key.asc': 'key'});
    const repository: Repository = {
      name: 'extra',
      uri: 'http://extra.example.org',
      suites: ['stable', 'testing'],
      components: ['main'],
      signed_by: 'key.asc',
    };
    const planned = await plan(
      [
        image({repositories: [repository], packages: [{name: 'extra'}], targets: [hpc()]}),
        image({name: 'db', targets: [hpc()]}),
      ],
      {projectDir: project.path},
    );
    const own = node(planned, 'archive:debian-bookworm/web');
    expect((own.params['sources'] as readonly {suite: string}[]).map(({suite}) => suite)).toEqual([
      'bookworm',
      'bookworm-updates',
      'bookworm-security',
      'stable',
      'testing',
    ]);
    expect(Object.keys(own.files)).toEqual(['key.asc']);
    expect(node(planned, 'base:debian-bookworm-amd64').dependsOn).toEqual(['archive:debian-bookworm']);
    expect(node(planned, 'customize:web/packages').dependsOn[0]).toBe('archive:debian-bookworm/web');
    expect(node(planned, 'customize:db/kernel').dependsOn[0]).toBe('archive:debian-bookworm');
    expect(node(planned, 'adapt:web/hpc').dependsOn[0]).toBe('archive:debian-bookworm/web');
  });

  it('keeps the repositories of the image below in the lists of an image with more of them', async () => {
    using project = new TemporaryFolder({'key.asc': 'key'});
    const repository = (name: string): Repository => ({
      name,
      uri: `http://${name}.example.org`,
      suites: [name],
      components: ['main'],
      signed_by: 'key.asc',
    });
    const planned = await plan(
      [
        image({repositories: [repository('one')], targets: []}),
        image({name: 'db', from: 'web', repositories: [repository('two')], targets: [hpc()]}),
      ],
      {projectDir: project.path},
    );
    const sources = node(planned, 'archive:debian-bookworm/db').params['sources'] as readonly {
      suite: string;
    }[];
    expect(sources.map(({suite}) => suite)).toEqual(expect.arrayContaining(['one', 'two']));
  });

  it('leaves out the security suite where the archive has none', async () => {
    const planned = await plan([full], {archiveOf: () => ({main: 'http://mirror.example.org/private'})});
    const sources = node(planned, 'archive:debian-bookworm').params['sources'] as readonly {suite: string}[];
    expect(sources.map(({suite}) => suite)).toEqual(['bookworm', 'bookworm-updates']);
  });

  it('accepts a snapshot that is past its time', async () => {
    const snapshot = '20250101T000000Z';
    const planned = await plan([
      image({os: {...full.os, mirror: 'http://mirror.example.org/debian', snapshot}}),
    ]);
    const sources = node(planned, `archive:debian-bookworm-${snapshot}`).params['sources'] as readonly {
      expired_ok: boolean;
    }[];
    expect(sources.every((source) => source.expired_ok)).toBe(true);
  });

  it('installs what other keys of the spec need', async () => {
    const user = {
      name: 'alice',
      groups: [],
      sudo: ['ALL=(ALL) ALL'],
      ssh_authorized_keys: [],
      lock_passwd: true,
      system: false,
    };
    const planned = await plan([image({locale: 'de_DE.UTF-8', users: [user], packages: [{name: 'sudo'}]})]);
    expect(node(planned, 'customize:web/packages').params['install']).toEqual(['sudo', 'locales']);
    const plain = await plan([image({locale: 'C.UTF-8', users: [{...user, sudo: []}]})]);
    expect(plain.nodes.map(({id}) => id)).not.toContain('customize:web/packages');
  });

  it('writes a package with its version in words of apt', async () => {
    const planned = await plan([full]);
    expect(node(planned, 'customize:web/packages').params).toMatchObject({
      install: ['curl', 'jq=1.6-2.1'],
      remove: ['nano'],
    });
  });

  it('holds the digests of the files that a stage reads', async () => {
    using project = new TemporaryFolder({'run.sh': 'true', 'motd.txt': 'hello', 'tree/a': 'a'});
    const planned = await plan(
      [
        image({
          provision: [shellStep({file: 'run.sh'})],
          copy: [copyOf('tree', '/srv')],
          write_files: [
            {path: '/etc/motd', source: 'motd.txt', owner: 'root:root', permissions: '0644', append: false},
          ],
        }),
      ],
      {projectDir: project.path},
    );
    expect(Object.keys(node(planned, 'customize:web/provision-1').files)).toEqual(['run.sh']);
    expect(Object.keys(node(planned, 'customize:web/files').files).sort()).toEqual(['motd.txt', 'tree/a']);
  });

  it('throws when a file that the spec names has gone', async () => {
    await expect(plan([image({provision: [shellStep({file: 'gone.sh'})]})])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      message: 'Cannot read gone.sh, which the spec names',
    });
  });
});

describe('what a change of the spec reaches', () => {
  it.each<[string, Image, readonly string[]]>([
    ['nothing: the description and the tags', {...full, description: 'other', tags: ['a']}, []],
    ['packages alone', {...full, packages: [{name: 'wget'}]}, ['customize:web/packages']],
    ['the kernel', {...full, kernel: {package: 'linux-image-cloud-amd64'}}, ['customize:web/kernel']],
    [
      'a script',
      {
        ...full,
        provision: [shellStep({inline: 'date'}), shellStep({inline: 'false'})],
      },
      ['customize:web/provision-1'],
    ],
    ['services', {...full, services: {enable: [], disable: ['ssh'], mask: []}}, ['customize:web/services']],
    [
      'the disk of one target',
      {...full, targets: [openstack({size: '8GiB'}), hpc()]},
      ['pack:web/openstack', 'test:web/openstack'],
    ],
    [
      'the firmware of one target',
      {...full, targets: [openstack({firmware: 'uefi'}), hpc()]},
      ['pack:web/openstack', 'test:web/openstack'],
    ],
    [
      'the memory of one test',
      {...full, targets: [openstack({test: {memory: '2GiB'}}), hpc()]},
      ['test:web/openstack'],
    ],
    [
      'the compression of the other',
      {...full, targets: [openstack(), hpc({compression: 'xz'})]},
      ['pack:web/hpc', 'test:web/hpc'],
    ],
    [
      'the kernel command line, that every target writes',
      {...full, kernel: {cmdline: 'quiet'}},
      ['adapt:web/openstack', 'pack:web/openstack', 'test:web/openstack', 'pack:web/hpc', 'test:web/hpc'],
    ],
    [
      'the tests',
      {...full, tests: [{kind: 'port', port: 22, protocol: 'tcp', listening: true}]},
      ['test:web/openstack', 'test:web/hpc'],
    ],
  ])('is %s', async (_, after, expected) => {
    expect(changed(await plan([full]), await plan([after]))).toEqual(expected);
  });

  it('is nothing of the contents when an image gets another name', async () => {
    const contents = ({nodes}: Plan): readonly unknown[] =>
      nodes.map(({kind, version, params, files, tools}) => ({kind, version, params, files, tools}));
    expect(contents(await plan([{...full, name: 'other'}]))).toEqual(contents(await plan([full])));
  });
});
