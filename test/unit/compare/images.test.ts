import {describe, expect, it} from 'vitest';
import {diffImages, type ImageFacts, isSameImage} from '../../../src/compare/images.ts';
import {mergeLayers} from '../../../src/compare/layers.ts';
import {parseManifest} from '../../../src/compare/manifests.ts';
import type {Inventory} from '../../../src/inventory/inventory.ts';
import type {KeyParts} from '../../../src/plan/key.ts';

const root = {name: 'root', uid: 0, gid: 0, home: '/root', shell: '/bin/bash', password: 'locked'} as const;
const hostname = {path: '/etc/hostname', type: 'file', mode: '0644', uid: 0, gid: 0, sha256: 'aa'} as const;

const inventory: Inventory = {
  version: 1,
  os: {id: 'debian', version_id: '12', codename: 'bookworm', name: 'Debian 12', architecture: 'amd64'},
  packages: [],
  kernels: ['6.1.0-1'],
  users: [root],
  groups: [{name: 'sudo', gid: 27, members: []}],
  units: [
    {name: 'cron.service', state: 'enabled'},
    {name: 'ssh.service', state: 'enabled'},
  ],
  setuid: [{path: '/usr/bin/sudo', mode: '4755', uid: 0, gid: 0, owned: true}],
  files: {
    unowned: [hostname],
    changed: [{path: '/etc/ssh/sshd_config', package: 'openssh-server', state: 'changed', sha256: 'bb'}],
  },
  size: {bytes: 100, files: 1, links: 0, folders: 1, packages_kib: 1},
};

const parts: KeyParts = {
  kind: 'packages',
  version: 1,
  params: {install: ['curl'], remove: [], refinement: {packages: ['curl_7.deb aa']}},
  inputs: [['base', '11']],
  files: {},
  tools: {},
  environment: {},
};

const web: ImageFacts = {
  image: 'web',
  target: 'hpc',
  digest: 'd1',
  packages: [{name: 'curl', version: '7.88.1-10', architecture: 'amd64'}],
  kernels: ['6.1.0-1'],
  artifacts: [{path: 'rootfs.squashfs', sizeBytes: 10, sha256: 'aa'}],
  inventory,
  stages: new Map([['packages', parts]]),
};

describe('diffImages()', () => {
  it('finds nothing between an image and itself', () => {
    expect(isSameImage(diffImages(web, structuredClone(web)))).toBe(true);
  });

  it('tells configuration, packages, kernel, accounts, units, files and sizes apart', () => {
    const other: ImageFacts = {
      ...web,
      packages: [{name: 'curl', version: '7.88.1-11', architecture: 'amd64'}],
      kernels: ['6.1.0-2'],
      artifacts: [{path: 'rootfs.squashfs', sizeBytes: 12, sha256: 'bb'}],
      inventory: {
        ...inventory,
        users: [...inventory.users, {...root, name: 'admin', uid: 1000}],
        groups: [{name: 'sudo', gid: 27, members: ['admin']}],
        units: [{name: 'ssh.service', state: 'masked'}],
        setuid: [],
        files: {
          unowned: [{...hostname, mode: '0600', sha256: 'cc'}],
          changed: [],
        },
        size: {...inventory.size, bytes: 120},
      },
      stages: new Map([
        ['packages', {...parts, params: {...parts.params, install: ['curl', 'jq']}}],
        ['provision-1', parts],
      ]),
    };
    expect(diffImages(web, other)).toEqual({
      configuration: [
        {
          stage: 'packages',
          change: 'changed',
          reasons: [{reason: 'package-added', package: 'jq', list: 'install'}],
        },
        {stage: 'provision-1', change: 'added', reasons: []},
      ],
      packages: [
        {change: 'upgraded', name: 'curl', architecture: 'amd64', from: '7.88.1-10', to: '7.88.1-11'},
      ],
      files: [
        {
          change: 'changed',
          name: '/etc/hostname',
          fields: [
            {field: 'content', a: 'aa', b: 'cc'},
            {field: 'mode', a: '0644', b: '0600'},
          ],
        },
        {change: 'removed', name: '/etc/ssh/sshd_config (openssh-server)'},
      ],
      users: [{change: 'added', name: 'admin'}],
      groups: [{change: 'changed', name: 'sudo', fields: [{field: 'members', a: '', b: 'admin'}]}],
      units: [
        {change: 'removed', name: 'cron.service'},
        {change: 'changed', name: 'ssh.service', fields: [{field: 'state', a: 'enabled', b: 'masked'}]},
      ],
      setuid: [{change: 'removed', name: '/usr/bin/sudo'}],
      kernels: [
        {change: 'removed', name: '6.1.0-1'},
        {change: 'added', name: '6.1.0-2'},
      ],
      artifacts: [
        {change: 'changed', name: 'rootfs.squashfs', fields: [{field: 'sha256', a: 'aa', b: 'bb'}]},
      ],
      sizes: [
        {name: 'rootfs.squashfs', a: 10, b: 12},
        {name: 'files in the image', a: 100, b: 120},
      ],
      unknown: [],
    });
  });

  it('takes no account of what the stages below gave, and of how packages resolved', () => {
    const resolved = {...parts, params: {...parts.params, refinement: {packages: []}}, inputs: []};
    const changes = diffImages(web, {...web, stages: new Map([['packages', resolved]])});
    expect(changes.configuration).toEqual([]);
  });

  it('says what could not be compared', () => {
    const {inventory: known, ...bare} = {...web, stages: new Map<string, KeyParts>()};
    expect(known).toBe(inventory);
    expect(diffImages(web, bare).unknown).toEqual([
      'configuration: this cache does not know how web/hpc was made',
      'files, users, groups and units: there is no inventory of web/hpc',
    ]);
  });

  it('compares every path where the trees are given', () => {
    const before = parseManifest('f 0644 0 0 0 aa - etc/one\nf 0644 0 0 0 aa - etc/two\n');
    const after = parseManifest('f 0644 0 0 0 bb - etc/one\nf 0644 0 0 0 aa - etc/two\n');
    const changes = diffImages({...web, tree: before}, {...web, tree: after});
    expect(changes.tree).toEqual([
      {change: 'changed', path: 'etc/one', fields: [{field: 'content', a: 'aa', b: 'bb'}]},
    ]);
    expect([changes.files, isSameImage(changes)]).toEqual([[], false]);
  });
});

describe('mergeLayers()', () => {
  const base = parseManifest(
    [
      'd 0755 0 0 0 - - etc',
      'f 0644 0 0 0 aa - etc/one',
      'd 0755 0 0 0 - - opt',
      'd 0755 0 0 0 - - opt/app',
      'f 0644 0 0 0 aa - opt/app/file',
      'd 0755 0 0 0 - - srv',
      'f 0644 0 0 0 aa - srv/file',
    ].join('\n'),
  );

  it('stacks layers as overlayfs does', () => {
    const upper = parseManifest(
      [
        'd 0700 0 0 0 - - etc',
        'c 0000 0 0 0 0 - etc/one',
        'f 0644 0 0 0 bb - etc/two',
        'd 0755 0 0 0 - trusted.overlay.opaque=79 opt',
        'f 0644 0 0 0 bb - srv',
      ].join('\n'),
    );
    const merged = mergeLayers([base, upper]);
    expect([...merged.keys()].sort()).toEqual(['etc', 'etc/two', 'opt', 'srv']);
    expect([merged.get('etc')?.mode, merged.get('srv')?.type]).toEqual(['0700', 'f']);
  });
});
