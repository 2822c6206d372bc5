import {createHash} from 'node:crypto';
import {copyFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {loadSpec} from '../../../src/spec/load.ts';
import {shellStep} from '../../rig/images.ts';
import {complaints, head, image, load, ProjectFolder, repository} from './helpers.ts';

test('the example loads without a warning, for both targets', async () => {
  using project = new ProjectFolder({});
  copyFileSync(join(repository, 'fgimage.yaml.example'), join(project.dir, 'fgimage.yaml'));

  const result = await loadSpec({file: join(project.dir, 'fgimage.yaml')});

  if (!result.ok) throw new Error(result.error.map(({message}) => message).join('\n'));
  expect(result.value.warnings).toEqual([]);
  expect(image(result.value, 'example').targets).toEqual([
    {name: 'openstack', type: 'openstack', options: {format: 'qcow2', firmware: 'both'}},
    {name: 'hpc', type: 'hpc', options: {compression: 'zstd'}},
  ]);
  expect(new Set(image(result.value, 'example').tests.map(({kind}) => kind))).toEqual(
    new Set(['command', 'service', 'port', 'file']),
  );
});

test('the smallest spec has every list and every default', async () => {
  const spec = await load(
    'version: 1\nname: web\nos: {distribution: debian, release: "12", architecture: x86_64}\n',
  );

  expect(spec.name).toBe('web');
  expect(spec.images).toEqual([
    {
      name: 'web',
      tags: [],
      os: {distribution: 'debian', release: 'bookworm', architecture: 'amd64'},
      repositories: [],
      packages: [],
      remove_packages: [],
      groups: [],
      users: [],
      write_files: [],
      copy: [],
      provision: [],
      services: {enable: [], disable: [], mask: []},
      kernel: {},
      storage: {},
      tests: [],
      targets: [],
    },
  ]);
});

test('every key is normalised', async () => {
  const spec = await load({
    'fgimage.yaml': `version: 1
name: web
description: A web server
tags: [a, b]
os: {distribution: debian, release: trixie, mirror: "http://mirror.example.org/debian", snapshot: "2026-08-01T00:00:00Z", snapshots: "https://old.example.org/debian/@SNAPSHOTID@"}
repositories: [{name: tools, uri: "https://deb.example.org/", suites: [stable], components: [main], signed_by: ./keys//tools.asc}]
packages: [curl, {name: jq, version: "1.6-2"}]
remove_packages: [nano]
groups: [a, b: [root], {name: c, gid: 900, system: true}, d: root]
users:
  - {name: ops, groups: "a, b", sudo: "ALL=(ALL) ALL", lock_passwd: false, hashed_passwd: "$y$j9T$abcdefgh$ijklmnop"}
  - {name: dev, sudo: false, system: true}
write_files:
  - {path: /etc/a, content: "aGk=\\n", encoding: b64, owner: "0:0", permissions: "755", append: true}
  - {path: /etc/b, source: ./keys/tools.asc}
copy: [{source: keys/, path: /opt/}, {source: ["keys/*"], path: /srv, permissions: "0640", exclude: ["*.bak"]}]
provision: [shell: setup.sh, shell: setup, shell: "true", shell: {file: setup}, shell: {inline: a/b}, shell: "a\\nb/c.sh"]
services: {enable: [ssh, ssh.service, a.timer], disable: [b], mask: [c@1]}
hostname: web1.example.org
locale: de_DE.UTF-8
timezone: Europe/Berlin
kernel: {package: linux-image-cloud-amd64, cmdline: quiet}
storage: {size: 4G}
tests:
  - {command: "true", stdout: a}
  - {command: "false", exit_status: 1, stdout: [a, b]}
  - {service: ssh}
  - {service: ssh.socket, enabled: false}
  - {port: 53, protocol: udp, listening: false}
  - {file: /etc/a, contains: hi, permissions: "755", owner: "root:root"}
`,
    'keys/tools.asc': 'key',
    'setup.sh': 'true',
    setup: 'true',
  });

  const web = image(spec, 'web');
  expect(web).toMatchObject({
    description: 'A web server',
    tags: ['a', 'b'],
    os: {
      release: 'trixie',
      mirror: 'http://mirror.example.org/debian',
      snapshot: '20260801T000000Z',
      snapshots: 'https://old.example.org/debian/@SNAPSHOTID@',
    },
    packages: [{name: 'curl'}, {name: 'jq', version: '1.6-2'}],
    remove_packages: ['nano'],
    services: {enable: ['ssh.service', 'a.timer'], disable: ['b.service'], mask: ['c@1.service']},
    hostname: 'web1.example.org',
    locale: 'de_DE.UTF-8',
    timezone: 'Europe/Berlin',
    kernel: {package: 'linux-image-cloud-amd64', cmdline: 'quiet'},
    storage: {size_bytes: 4 * 2 ** 30},
  });
  expect(web.repositories[0]?.signed_by).toBe('keys/tools.asc');
  expect(web.groups).toEqual([
    {name: 'a', members: []},
    {name: 'b', members: ['root']},
    {name: 'c', gid: 900, system: true, members: []},
    {name: 'd', members: ['root']},
  ]);
  expect(web.users).toEqual([
    {
      name: 'ops',
      groups: ['a', 'b'],
      sudo: ['ALL=(ALL) ALL'],
      ssh_authorized_keys: [],
      hashed_passwd: '$y$j9T$abcdefgh$ijklmnop',
      lock_passwd: false,
      system: false,
    },
    {name: 'dev', groups: [], sudo: [], ssh_authorized_keys: [], lock_passwd: true, system: true},
  ]);
  expect(web.write_files).toEqual([
    {path: '/etc/a', content_base64: 'aGk=', owner: '0:0', permissions: '0755', append: true},
    {path: '/etc/b', source: 'keys/tools.asc', owner: 'root:root', permissions: '0644', append: false},
  ]);
  expect(web.copy).toEqual([
    {source: ['keys'], path: '/opt/', owner: 'root:root', exclude: []},
    {source: ['keys/*'], path: '/srv', owner: 'root:root', permissions: '0640', exclude: ['*.bak']},
  ]);
  expect(web.provision).toEqual([
    shellStep({file: 'setup.sh'}),
    shellStep({file: 'setup'}),
    shellStep({inline: 'true'}),
    shellStep({file: 'setup'}),
    shellStep({inline: 'a/b'}),
    shellStep({inline: 'a\nb/c.sh'}),
  ]);
  expect(web.tests).toEqual([
    {kind: 'command', command: 'true', exit_status: 0, stdout: ['a']},
    {kind: 'command', command: 'false', exit_status: 1, stdout: ['a', 'b']},
    {kind: 'service', service: 'ssh.service', running: true},
    {kind: 'service', service: 'ssh.socket', enabled: false},
    {kind: 'port', port: 53, protocol: 'udp', listening: false},
    {kind: 'file', file: '/etc/a', exists: true, contains: ['hi'], owner: 'root:root', permissions: '0755'},
  ]);
});

test('targets may be bare, typed, or a list', async () => {
  const bare = await load(`${head}targets: {openstack: , hpc: {compression: xz}}\n`);
  const typed = await load(
    `${head}targets: {site-a: {type: openstack, format: raw}, site-b: {type: openstack}}\n`,
  );
  const list = await load(`${head}targets: [hpc]\n`);

  expect(image(bare, 'web').targets.map(({name, options}) => [name, options])).toEqual([
    ['openstack', {format: 'qcow2', firmware: 'both'}],
    ['hpc', {compression: 'xz'}],
  ]);
  expect(image(typed, 'web').targets).toEqual([
    {name: 'site-a', type: 'openstack', options: {format: 'raw', firmware: 'both'}},
    {name: 'site-b', type: 'openstack', options: {format: 'qcow2', firmware: 'both'}},
  ]);
  expect(image(list, 'web').targets).toEqual([{name: 'hpc', type: 'hpc', options: {compression: 'zstd'}}]);
});

test('anchors and x- keys are allowed', async () => {
  const spec = await load(`${head}x-tools: &tools [curl, jq]\npackages: *tools\nremove_packages: []\n`);

  expect(image(spec, 'web').packages).toEqual([{name: 'curl'}, {name: 'jq'}]);
});

test('files holds the digest of every file that was read, the main one first', async () => {
  const files = {'fgimage.yaml': `${head}extends: base.yaml\n`, 'base.yaml': 'version: 1\n'};

  const spec = await load(files);

  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
  expect(spec.files).toEqual([
    {kind: 'spec', path: join(spec.projectDir, 'fgimage.yaml'), sha256: digest(files['fgimage.yaml'])},
    {kind: 'extends', path: join(spec.projectDir, 'base.yaml'), sha256: digest(files['base.yaml'])},
  ]);
});

test('a spec that is not there is an FgError', async () => {
  using project = new ProjectFolder({'dir/x': ''});

  await expect(loadSpec({file: 'fgimage.yaml', cwd: project.dir})).rejects.toMatchObject({
    code: 'SPEC_NOT_FOUND',
  });
  await expect(loadSpec({file: 'dir', cwd: project.dir})).rejects.toMatchObject({code: 'SPEC_NOT_FOUND'});
});

test('an unknown time zone is a warning', async () => {
  const spec = await load(`${head}timezone: Europe/Nowhere\n`);

  expect(spec.warnings).toMatchObject([{severity: 'warning', line: 4, column: 11}]);
});

test.each([
  ['brackets', `${head}x-a: ${'['.repeat(900_000)}`],
  ['braces', `${head}x-a: ${'{a: '.repeat(200_000)}`],
  ['dashes', `${head}x-a:\n  ${'- '.repeat(400_000)}a\n`],
  [
    'indentation',
    `${head}x-a:\n${Array.from({length: 1300}, (_, level) => `${' '.repeat(level + 1)}a:`).join('\n')}\n`,
  ],
  ['two megabytes', `${head}${'#'.repeat(2 * 1024 * 1024)}\n`],
  [
    'long values',
    `${head}hostname: ${'a'.repeat(400_000)}!\nwrite_files: [{path: "/${'a/'.repeat(100_000)}.."}]\n`,
  ],
])('hostile %s are refused within a second', async (_name, text) => {
  const start = performance.now();

  const found = await complaints(text);

  expect(performance.now() - start).toBeLessThan(1000);
  expect(found).not.toEqual([]);
});

test('brackets and dashes in text are no nesting', async () => {
  const spec = await load(
    `${head}description: "${'[{'.repeat(40)}"\nwrite_files:\n  - path: /etc/a\n    content: |\n      ${'- '.repeat(40)}${'[ '.repeat(40)}\n`,
  );

  expect(image(spec, 'web').description).toHaveLength(80);
});

test('a byte order mark and CRLF line ends are read over', async () => {
  const spec = await load(`\uFEFF${head}packages:\n  - curl\n`.replaceAll('\n', '\r\n'));

  expect(spec.locate('web', ['packages', 0])).toMatchObject({
    line: 5,
    column: 5,
    length: 4,
    excerpt: '  - curl',
  });
});
