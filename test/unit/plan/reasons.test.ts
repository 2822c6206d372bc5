import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {asKeyParts, diffParts} from '../../../src/plan/explain.ts';
import {reasonFields} from '../../../src/plan/explain-reason.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {canonicalDigest, type KeyParts, stageKey} from '../../../src/plan/key.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import {type LoadedSpec, loadSpec} from '../../../src/spec/load.ts';
import {formatReason} from '../../../src/ui/reasons.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

describe('docs/reference/reasons.md', () => {
  it('lists every reason with its fields, and no other', () => {
    const text = readFileSync(join(packageRoot, 'docs/reference/reasons.md'), 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z-]+)` +\|[^|]+\|[^|]+\|(.*)\|$/gm)];
    const listed = rows.map(([, code = '', fields = '']) => [
      code,
      [...fields.matchAll(/`(\w+)`/g)].map(([, field]) => field),
    ]);
    const known = Object.entries(reasonFields).map(([code, fields]) => [code, Object.keys(fields)]);
    expect(listed).toEqual(known);
  });
});

const files = {
  'setup.sh': 'true\n',
  'motd.txt': 'hello\n',
  'site/index.html': '<p>\n',
  'key.asc': 'key\n',
  'fgimage.yaml': `version: 1
name: web
os: {distribution: debian, release: bookworm}
repositories:
  - {name: extra, uri: http://extra.example.org/debian, suites: [bookworm], components: [main], signed_by: key.asc}
packages:
  - curl
  - name: jq
    version: "1.6-2.1"
remove_packages: [nano]
hostname: web
groups: [operators]
users:
  - name: ops
    shell: /bin/bash
    hashed_passwd: "$y$j9T$abcdefgh"
  - name: eve
    shell: /bin/bash
write_files:
  - {path: /etc/motd, source: motd.txt}
  - {path: /etc/issue, content: "hello", permissions: "0644"}
copy:
  - source: site
    path: /srv
    owner: root:root
provision:
  - shell: setup.sh
  - shell: {inline: /usr/bin/true}
services: {enable: [ssh]}
tests:
  - {command: id ops}
targets:
  openstack:
    format: qcow2
  hpc:
    compression: zstd
    test: {memory: 1GiB}
`,
} as const;

interface World {
  readonly files?: Readonly<Record<string, string>>;
  readonly tools?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly salt?: string;
  readonly edit?: (parts: KeyParts) => KeyParts;
}

interface Planned {
  readonly spec: LoadedSpec;
  readonly nodes: readonly StageNode[];
  readonly parts: ReadonlyMap<string, KeyParts>;
}

/** Plans a project and gives what each key is made of; a stage's output is a digest that follows from its key. */
async function planned(world: World = {}): Promise<Planned> {
  using project = new TemporaryFolder({...files, ...world.files});
  const loaded = await loadSpec({file: 'fgimage.yaml', cwd: project.path});
  if (!loaded.ok) throw new Error(formatDiagnostics(loaded.error));
  const {images, projectDir} = loaded.value;
  const {nodes} = await planImages({
    images,
    projectDir,
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: world.environment ?? {LC_ALL: 'C.UTF-8'},
    ...(world.salt === undefined ? {} : {salt: world.salt}),
  });
  const parts = new Map<string, KeyParts>();
  const digests = new Map<string, string>();
  for (const node of nodes) {
    const {kind, version, params, environment, salt, notes} = node;
    const made: KeyParts = {
      kind,
      version,
      params,
      inputs: node.dependsOn.map((id) => [id, digests.get(id) ?? ''] as const),
      files: node.files,
      tools: Object.fromEntries(
        node.tools.map((tool) => [tool, world.tools?.[tool] ?? `${tool} 1 sha256:0`]),
      ),
      environment,
      ...(salt === undefined ? {} : {salt}),
      ...(notes === undefined ? {} : {notes}),
    };
    const edited = world.edit?.(made) ?? made;
    parts.set(node.id, edited);
    digests.set(node.id, canonicalDigest({key: stageKey(edited)}));
  }
  return {spec: loaded.value, nodes, parts};
}

/** The reasons of every stage that differs for something other than the stages below it. */
async function told(world: World): Promise<readonly string[]> {
  const before = await planned();
  const after = await planned(world);
  return after.nodes.flatMap((node) => {
    const was = before.parts.get(node.id);
    const is = after.parts.get(node.id);
    if (was === undefined || is === undefined) return [`${node.id}: new`];
    const stored = asKeyParts(JSON.parse(JSON.stringify(was)));
    if (stored === undefined) throw new Error(`${node.id} has no parts`);
    const reasons = diffParts(stored, is, {node, locate: (path) => after.spec.locate('web', path)});
    expect(reasons.length > 0).toBe(stageKey(was) !== stageKey(is));
    return reasons
      .filter(({reason}) => !reason.startsWith('upstream-'))
      .map((reason) => `${node.id}: ${formatReason(reason)}`);
  });
}

function spec(from: string, to: string): World {
  const text: string = files['fgimage.yaml'];
  if (!text.includes(from)) throw new Error(`The spec has no ${from}`);
  return {files: {'fgimage.yaml': text.replace(from, to)}};
}

describe('a change of one input', () => {
  it('is told as nothing where nothing changed', async () => {
    expect(await told({})).toEqual([]);
    expect(await told(spec('packages:\n', 'packages: # what is needed\n'))).toEqual([]);
  });

  it.each<readonly [string, World, readonly string[]]>([
    [
      'a package added',
      spec('  - curl\n', '  - curl\n  - htop\n'),
      ['customize:web/packages: package added: htop (fgimage.yaml:8:5)'],
    ],
    [
      'a package removed',
      spec('  - curl\n', ''),
      ['customize:web/packages: package removed: curl (fgimage.yaml:7:3)'],
    ],
    [
      'the version of a package',
      spec('1.6-2.1', '1.7.1-3'),
      ['customize:web/packages: package changed: jq 1.6-2.1 → 1.7.1-3 (fgimage.yaml:8:5)'],
    ],
    [
      'a package to remove',
      spec('[nano]', '[nano, vim-tiny]'),
      ['customize:web/packages: package to remove added: vim-tiny (fgimage.yaml:10:25)'],
    ],
    [
      'the order of packages',
      spec(
        '  - curl\n  - name: jq\n    version: "1.6-2.1"\n',
        '  - {name: jq, version: "1.6-2.1"}\n  - curl\n',
      ),
      ['customize:web/packages: packages: ["curl","jq=1.6-2.1"] → ["jq=1.6-2.1","curl"] (fgimage.yaml:7:3)'],
    ],
    [
      'an option changed',
      spec('hostname: web', 'hostname: db'),
      ['customize:web/settings: hostname: web → db (fgimage.yaml:11:11)'],
    ],
    [
      'an option added',
      spec('  - name: eve\n', '  - name: eve\n    uid: 1501\n'),
      ['customize:web/users: users[1].uid: added 1501 (fgimage.yaml:18:10)'],
    ],
    [
      'an option removed',
      spec('    shell: /bin/bash\n    hashed', '    hashed'),
      ['customize:web/users: users[0].shell: removed /bin/bash (fgimage.yaml:14:5)'],
    ],
    [
      'an entry in front of others',
      spec('users:\n', 'users:\n  - name: adam\n'),
      [
        'customize:web/users: users[0]: added {"name":"adam","groups":[],"sudo":[],"ssh_autho… (fgimage.yaml:14:5)',
      ],
    ],
    [
      'a secret',
      spec('abcdefgh', 'ijklmnop'),
      ['customize:web/users: users[0].hashed_passwd: (changed) (fgimage.yaml:16:20)'],
    ],
    [
      'the text of a script',
      spec('/usr/bin/true', '/usr/bin/false'),
      [
        'customize:web/provision-2: provision[1].shell.inline: /usr/bin/true → /usr/bin/false (fgimage.yaml:28:21)',
      ],
    ],
    [
      'a unit',
      spec('[ssh]', '[ssh, cron]'),
      ['customize:web/services: services.enable[1]: added cron.service (fgimage.yaml:29:26)'],
    ],
    [
      'a file changed',
      {files: {'setup.sh': 'false\n'}},
      ['customize:web/provision-1: file changed: setup.sh (a17fcf0a… → 2ed27c14…)'],
    ],
    [
      'a file added to a folder',
      {files: {'site/a.html': 'a'}},
      ['customize:web/files: file added: site/a.html (ca978112…)'],
    ],
    [
      'the owner of a copy',
      spec('owner: root:root', 'owner: www-data:www-data'),
      [
        'customize:web/files: copy["/srv/index.html"].owner: root:root → www-data:www-data (fgimage.yaml:23:3)',
      ],
    ],
    [
      'an option of a target',
      spec('qcow2', 'raw'),
      [
        'pack:web/openstack: targets.openstack.format: qcow2 → raw (fgimage.yaml:34:13)',
        'test:web/openstack: targets.openstack.format: qcow2 → raw (fgimage.yaml:34:13)',
      ],
    ],
    [
      'an option that a target had by default',
      spec('    format: qcow2\n', '    format: qcow2\n    firmware: uefi\n'),
      [
        'pack:web/openstack: targets.openstack.firmware: both → uefi (fgimage.yaml:35:15)',
        'test:web/openstack: targets.openstack.firmware: both → uefi (fgimage.yaml:35:15)',
      ],
    ],
    [
      'the memory of a test',
      spec('1GiB', '2GiB'),
      ['test:web/hpc: targets.hpc.test.memory: 1GiB → 2GiB (fgimage.yaml:37:20)'],
    ],
    [
      'a check',
      spec('id ops', 'id eve'),
      [
        'test:web/openstack: tests[0].command: "id ops" → "id eve" (fgimage.yaml:31:15)',
        'test:web/hpc: tests[0].command: "id ops" → "id eve" (fgimage.yaml:31:15)',
      ],
    ],
    [
      'a tool',
      {tools: {mksquashfs: 'mksquashfs version 4.5.1 sha256:1'}},
      ['pack:web/hpc: tool changed: mksquashfs (mksquashfs 1 sha256:0 → mksquashfs version 4.5.1 sha256:1)'],
    ],
  ])('is told as what it is: %s', async (_, world, expected) => {
    expect(await told(world)).toEqual(expected);
  });

  it.each<readonly [string, World, string]>([
    ['a variable changed', {environment: {LC_ALL: 'C'}}, 'environment LC_ALL: C.UTF-8 → C'],
    ['a variable added', {environment: {LC_ALL: 'C.UTF-8', TZ: 'UTC'}}, 'environment TZ: added UTC'],
    ['a variable removed', {environment: {}}, 'environment LC_ALL: removed C.UTF-8'],
    ['the salt', {salt: 'after the incident'}, 'cache.salt: added "after the incident"'],
    [
      'the version of the code',
      {edit: (parts) => ({...parts, version: parts.version + 1})},
      "version of the stage's code: ",
    ],
    ['the kind', {edit: (parts) => ({...parts, kind: `new-${parts.kind}`})}, 'kind of stage: '],
  ])('is told of every stage: %s', async (_, world, expected) => {
    const lines = await told(world);
    expect(lines).toHaveLength((await planned()).nodes.length);
    for (const line of lines) expect(line).toContain(`: ${expected}`);
  });

  it('is told of the version of a target', async () => {
    const edit = (parts: KeyParts): KeyParts => {
      const {target_version: version, ...rest} = parts.params;
      return version === undefined
        ? parts
        : {...parts, params: {...rest, target_version: Number(version) + 1}};
    };
    expect(await told({edit})).toEqual(
      ['initramfs', 'adapt', 'pack']
        .flatMap((kind) => [`${kind}:web/openstack`, `${kind}:web/hpc`])
        .sort((a, b) => Number(a.endsWith('hpc')) - Number(b.endsWith('hpc')))
        .map((id) => {
          const {version} = targetOfType(id.replace(/^.*\//, ''));
          return `${id}: version of the target's code: ${String(version)} → ${String(version + 1)}`;
        }),
    );
  });

  it('is told below as the stages that changed, in order', async () => {
    const [before, after] = [await planned(), await planned(spec('hostname: web', 'hostname: db'))];
    const node = after.nodes.find(({id}) => id === 'customize:web/files');
    const [was, is] = [before.parts.get('customize:web/files'), after.parts.get('customize:web/files')];
    if (node === undefined || was === undefined || is === undefined) throw new Error('No such stage');
    const reasons = diffParts(was, is, {node, locate: () => undefined});
    expect(reasons.map((reason) => ('stage' in reason ? [reason.reason, reason.stage] : reason))).toEqual([
      ['upstream-changed', 'customize:web/settings'],
      ['upstream-changed', 'customize:web/users'],
    ]);
  });

  it('is told as another schema where the parts are of one', async () => {
    const [parts] = (await planned()).parts.values();
    const older = Object.fromEntries(Object.entries({...parts}).filter(([name]) => name !== 'environment'));
    expect(asKeyParts(JSON.parse(JSON.stringify(parts)))).toEqual(parts);
    expect(asKeyParts(older)).toBeUndefined();
    expect(asKeyParts({...parts, more: 1})).toBeUndefined();
  });
});
