import {chmodSync, utimesSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {Document, visit} from 'yaml';
import {canonicalDigest, stageKey} from '../../../src/plan/key.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import type {JsonObject, JsonValue} from '../../../src/spec/image.ts';
import {loadSpec} from '../../../src/spec/load.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** What a spec means, each thing in one form. `spellings` writes it down in one of many ways. */
interface Meaning {
  readonly release: 'bookworm' | 'trixie';
  readonly packages: readonly {readonly name: string; readonly version?: string}[];
  readonly remove: readonly string[];
  readonly groups: readonly {
    readonly name: string;
    readonly gid?: number;
    readonly members: readonly string[];
  }[];
  readonly users: readonly UserMeaning[];
  readonly writes: readonly WriteMeaning[];
  /** Whether the folder `site` is copied, and to whom it belongs. */
  readonly copyOwner?: string;
  readonly steps: readonly {readonly file?: string; readonly inline?: string}[];
  readonly services: Readonly<Record<'enable' | 'disable' | 'mask', readonly string[]>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly kernel: Readonly<Record<string, string>>;
  readonly sizeGiB?: number;
  readonly tests: readonly TestMeaning[];
  readonly openstack?: OpenstackMeaning;
  readonly hpc?: {readonly compression: string; readonly level?: number; readonly cmdline?: string};
  /** Project files: text, and whether it is executable. */
  readonly files: Readonly<Record<string, readonly [text: string, executable: boolean]>>;
  readonly salt?: string;
}

interface UserMeaning {
  readonly name: string;
  readonly groups: readonly string[];
  readonly sudo?: string;
  readonly shell?: string;
  readonly uid?: number;
  readonly system: boolean;
}

interface WriteMeaning {
  readonly path: string;
  readonly text: string;
  readonly base64: boolean;
  readonly permissions: string;
  readonly owner: string;
}

interface TestMeaning {
  readonly command: string;
  readonly status: number;
  readonly stdout: readonly string[];
}

interface OpenstackMeaning {
  readonly format: 'qcow2' | 'raw';
  readonly firmware: 'bios' | 'uefi' | 'both';
  readonly memoryGiB?: number;
}

class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** Mulberry32, below `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  chance(): boolean {
    return this.below(2) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new Error('Nothing to pick from');
    return found;
  }

  some<T>(list: readonly T[]): readonly T[] {
    return list.filter(() => this.chance());
  }

  shuffled<T>(list: readonly T[]): readonly T[] {
    return list
      .map((value) => [this.below(2 ** 30), value] as const)
      .sort(([a], [b]) => a - b)
      .map(([, value]) => value);
  }
}

const packageNames = ['curl', 'jq', 'htop', 'nginx', 'g++', 'libc6-dev', 'python3.11'];
const unitNames = ['ssh', 'cron', 'nginx', 'rsync'];
const texts = [
  'hello\n',
  'a: b # c',
  '- x',
  'yes',
  '0644',
  'two\nlines\n',
  '  indented',
  '"quoted"',
  "it's",
  'é ☃',
  '',
];

function meaning(random: Random): Meaning {
  const packages = random
    .some(packageNames)
    .map((name) => (random.chance() ? {name} : {name, version: '1.2-3'}));
  const compression = random.pick(['zstd', 'xz', 'gzip']);
  const users = random.some(['ops', 'eve', 'adam']).map(
    (name): UserMeaning => ({
      name,
      groups: random.some(['adm', 'games']),
      system: random.chance(),
      ...(random.chance() ? {sudo: 'ALL=(ALL) NOPASSWD:ALL'} : {}),
      ...(random.chance() ? {shell: '/bin/bash'} : {}),
    }),
  );
  return {
    release: random.pick(['bookworm', 'trixie'] as const),
    packages,
    remove: random.some(['nano', 'vim-tiny']),
    groups: random.some(['operators', 'www']).map((name) => ({name, members: random.some(['ops', 'eve'])})),
    users,
    writes: random.some(['/etc/motd', '/etc/issue']).map((path) => ({
      path,
      text: random.pick(texts),
      base64: random.chance(),
      permissions: random.pick(['0644', '0600']),
      owner: random.pick(['root:root', 'daemon:adm']),
    })),
    ...(random.chance() ? {copyOwner: random.pick(['root:root', 'daemon:adm'])} : {}),
    steps: random
      .some([{file: 'setup.sh'}, {inline: 'set -eu\ndate\n'}, {inline: 'date --utc'}])
      .concat(random.chance() ? {file: 'tools/more.sh'} : []),
    services: {enable: random.some(unitNames), disable: [], mask: random.some(['a.timer', 'b.socket'])},
    settings: Object.fromEntries(
      random.some(Object.entries({hostname: 'web', locale: 'de_DE.UTF-8', timezone: 'Europe/Berlin'})),
    ),
    kernel: random.chance() ? {cmdline: 'quiet'} : {},
    ...(random.chance() ? {sizeGiB: 8} : {}),
    tests: random.some([
      {command: 'id ops', status: 0, stdout: []},
      {command: 'nginx -t', status: 1, stdout: ['failed']},
    ]),
    openstack: {format: random.pick(['qcow2', 'raw']), firmware: random.pick(['bios', 'uefi', 'both'])},
    ...(random.chance() ? {hpc: {compression}} : {}),
    files: {
      'setup.sh': ['true\n', random.chance()],
      'tools/more.sh': ['date\n', true],
      'site/index.html': ['<p>\n', false],
      'site/a/b.txt': ['b\n', random.chance()],
    },
  };
}

/** Changes of the meaning, each with the stages that it must reach; undefined where it does not apply. */
type Change = (from: Meaning, random: Random) => readonly [Meaning, readonly string[]] | undefined;

const changes: Readonly<Record<string, Change>> = {
  release: (from) => [
    {...from, release: from.release === 'trixie' ? 'bookworm' : 'trixie'},
    ['customize:@/kernel', 'pack:@/openstack'],
  ],
  'a package': (from, random) => {
    const name = random.pick(packageNames);
    const rest = from.packages.filter((one) => one.name !== name);
    const packages = rest.length < from.packages.length ? rest : [...rest, {name}];
    return [{...from, packages}, ['customize:@/packages']];
  },
  'a version': (from) => {
    const [first, ...rest] = from.packages;
    if (first === undefined) return undefined;
    const version = first.version === undefined ? '2.0' : `${first.version}+b1`;
    return [{...from, packages: [{...first, version}, ...rest]}, ['customize:@/packages']];
  },
  'the order of packages': (from) =>
    from.packages.length < 2
      ? undefined
      : [{...from, packages: from.packages.toReversed()}, ['customize:@/packages']],
  'a package to remove': (from) => [
    {...from, remove: from.remove.length === 0 ? ['nano'] : from.remove.slice(1)},
    ['customize:@/packages'],
  ],
  'a group': ({groups, ...from}) => {
    const {length} = groups;
    const more =
      length > 2 ? groups.slice(1) : [...groups, {name: `g${length}`, gid: 2000 + length, members: []}];
    return [{...from, groups: more}, ['customize:@/users']];
  },
  'a user': (from, random) => {
    const [first, ...rest] = from.users;
    const user: UserMeaning = {name: 'ops', groups: [], system: false};
    if (first === undefined) return [{...from, users: [user]}, ['customize:@/users']];
    const changed = random.pick<UserMeaning>([
      {...first, system: !first.system},
      {...first, uid: (first.uid ?? 1500) + 1},
      {...first, groups: [...first.groups, `more${first.groups.length}`]},
      {...first, shell: first.shell === '/bin/sh' ? '/bin/bash' : '/bin/sh'},
      {...first, sudo: first.sudo === 'ALL=(ALL) ALL' ? 'ALL=(root) ALL' : 'ALL=(ALL) ALL'},
    ]);
    return [{...from, users: [changed, ...rest]}, ['customize:@/users']];
  },
  'a written file': (from, random) => {
    const [first, ...rest] = from.writes;
    if (first === undefined) return undefined;
    const changed = random.pick<WriteMeaning>([
      {...first, text: `${first.text}!`},
      {...first, permissions: first.permissions === '0600' ? '0640' : '0600'},
      {...first, owner: first.owner === 'root:root' ? 'root:adm' : 'root:root'},
      {...first, path: `${first.path}.d`},
    ]);
    return [{...from, writes: [changed, ...rest]}, ['customize:@/files']];
  },
  'a copy': (from) => [
    {...from, copyOwner: from.copyOwner === 'root:root' ? 'games:games' : 'root:root'},
    ['customize:@/files'],
  ],
  'a copied file': (from, random) => {
    if (from.copyOwner === undefined) return undefined;
    const [text, executable] = from.files['site/a/b.txt'] ?? ['', false];
    const file = random.pick<Meaning['files']>([
      {'site/a/b.txt': [`${text}b`, executable]},
      {'site/a/b.txt': [text, !executable]},
      {[`site/${random.below(1000)}.txt`]: ['', false]},
    ]);
    return [{...from, files: {...from.files, ...file}}, ['customize:@/files']];
  },
  'a script of the project': (from, random) => {
    const at = from.steps.findIndex((step) => step.file === 'setup.sh');
    const [text, executable] = from.files['setup.sh'] ?? ['', false];
    if (at === -1) return undefined;
    const file = random.chance() ? ([`${text}#\n`, executable] as const) : ([text, !executable] as const);
    return [{...from, files: {...from.files, 'setup.sh': file}}, [`customize:@/provision-${at + 1}`]];
  },
  'a step': (from) => [
    {...from, steps: [...from.steps, {inline: `echo ${from.steps.length}`}]},
    [`customize:@/provision-${from.steps.length + 1}`],
  ],
  'the order of steps': (from) =>
    from.steps.length < 2
      ? undefined
      : [{...from, steps: from.steps.toReversed()}, ['customize:@/provision-1']],
  'a service': (from) => {
    const {enable, disable, mask} = from.services;
    const services =
      enable.length > 2
        ? {enable: [], disable: enable, mask}
        : {enable: [...enable, `u${enable.length}`], disable, mask};
    return [{...from, services}, ['customize:@/services']];
  },
  'a setting': (from, random) => {
    const [name, value] = random.pick<readonly [string, string]>([
      ['hostname', 'db'],
      ['hostname', 'web.example.org'],
      ['locale', 'C.UTF-8'],
      ['timezone', 'Etc/UTC'],
    ]);
    if (from.settings[name] === value) return undefined;
    return [{...from, settings: {...from.settings, [name]: value}}, ['customize:@/settings']];
  },
  'the kernel': (from, random) =>
    random.chance()
      ? [
          {...from, kernel: {...from.kernel, cmdline: `${from.kernel['cmdline'] ?? ''}x`}},
          ['adapt:@/openstack', 'pack:@/openstack'],
        ]
      : [
          {
            ...from,
            kernel: {...from.kernel, package: `linux-image-${from.kernel['package'] ?? ''}x`.slice(0, 60)},
          },
          ['customize:@/kernel'],
        ],
  'the size': (from) => [{...from, sizeGiB: (from.sizeGiB ?? 1) + 1}, ['pack:@/openstack']],
  'a test': (from) => [
    {...from, tests: [...from.tests, {command: 'true', status: from.tests.length, stdout: ['a']}]},
    ['test:@/openstack'],
  ],
  'an option of openstack': (from, random) => {
    const options = from.openstack ?? {format: 'qcow2', firmware: 'both'};
    const firmware = random.pick(
      (['bios', 'uefi', 'both'] as const).filter((one) => one !== options.firmware),
    );
    return random.pick<readonly [Meaning, readonly string[]]>([
      [{...from, openstack: {...options, firmware}}, ['pack:@/openstack']],
      [
        {...from, openstack: {...options, format: options.format === 'raw' ? 'qcow2' : 'raw'}},
        ['pack:@/openstack'],
      ],
      [{...from, openstack: {...options, memoryGiB: (options.memoryGiB ?? 1) + 1}}, ['test:@/openstack']],
    ]);
  },
  'an option of hpc': (from) => {
    if (from.hpc === undefined) return [{...from, hpc: {compression: 'zstd'}}, ['pack:@/hpc']];
    const {compression, level = 0, cmdline = ''} = from.hpc;
    if (compression === 'xz') return [{...from, hpc: {compression: 'gzip'}}, ['pack:@/hpc']];
    if (level < 9) return [{...from, hpc: {compression, level: level + 1, cmdline: 'a'}}, ['pack:@/hpc']];
    return [{...from, hpc: {compression, level, cmdline: `${cmdline}a`}}, ['pack:@/hpc']];
  },
  'the salt': (from) => [{...from, salt: `${from.salt ?? ''}s`}, ['archive:debian-@', 'pack:@/openstack']],
};

type Keys = ReadonlyMap<string, string>;

/** One way to write a meaning down: a spec in YAML, perhaps with a base that it extends, and the name of its image. */
interface Spelling {
  readonly image: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Writes a meaning in one of its many forms: spellings that mean the same, orders of keys, styles of YAML. */
function spell(from: Meaning, random: Random): Spelling {
  const image = random.pick(['web', 'shop', 'n0']);
  const body: Record<string, JsonValue> = {
    os: keys(random, {
      distribution: 'debian',
      release: random.pick([from.release, from.release === 'trixie' ? '13' : '12']),
      ...random.pick([{}, {architecture: 'amd64'}, {architecture: 'x86_64'}]),
    }),
    targets: spellTargets(from, random),
    ...present(
      'packages',
      from.packages.map((one) => spellPackage(one, random)),
    ),
    ...present('remove_packages', from.remove),
    ...present(
      'groups',
      from.groups.map((one) => spellGroup(one, random)),
    ),
    ...present(
      'users',
      from.users.map((one) => spellUser(one, random)),
    ),
    ...present(
      'write_files',
      from.writes.map((one) => spellWrite(one, random)),
    ),
    ...present('copy', from.copyOwner === undefined ? [] : [spellCopy(from.copyOwner, random)]),
    ...present(
      'provision',
      from.steps.map((one) => spellStep(one, random)),
    ),
    services: keys(random, {
      enable: from.services.enable.map((one) => spellUnit(one, random)),
      disable: from.services.disable.map((one) => spellUnit(one, random)),
      ...present('mask', from.services.mask),
    }),
    ...from.settings,
    ...(Object.keys(from.kernel).length > 0 ? {kernel: keys(random, from.kernel)} : {}),
    ...(from.sizeGiB === undefined ? {} : {storage: {size: `${from.sizeGiB}${random.pick(['G', 'GiB'])}`}}),
    ...present(
      'tests',
      from.tests.map((one) => spellTest(one, random)),
    ),
    ...random.pick([{}, {description: 'Made by chance'}, {tags: ['a', 'b']}]),
  };
  // A package that is named twice counts once.
  const [first] = from.packages;
  if (
    first !== undefined &&
    first.version === undefined &&
    typeof (body['packages'] as JsonValue[])[0] === 'string'
  )
    body['packages'] = [...(body['packages'] as JsonValue[]), ...(random.chance() ? [first.name] : [])];
  return {image, files: arrange(image, body, random)};
}

/** Puts the keys of an image at the top level, into a base that is extended, or into `images`. */
function arrange(image: string, body: JsonObject, random: Random): Readonly<Record<string, string>> {
  const [own, base] = [{} as Record<string, JsonValue>, {} as Record<string, JsonValue>];
  const divided = random.chance();
  for (const [key, value] of Object.entries(body)) {
    // Lists are joined, the base's entries first.
    const cut = divided && Array.isArray(value) && key !== 'packages' ? random.below(value.length + 1) : 0;
    if (Array.isArray(value) && cut > 0 && cut < value.length) {
      base[key] = value.slice(0, cut) as JsonValue;
      own[key] = value.slice(cut) as JsonValue;
    } else (divided && random.chance() ? base : own)[key] = value;
  }
  const head = {version: 1, name: image};
  if (!divided) return {'fgimage.yaml': yaml(keys(random, {...head, ...own}), random)};
  if (random.chance())
    return {
      'fgimage.yaml': yaml(keys(random, {...head, ...base, images: {[image]: keys(random, own)}}), random),
    };
  return {
    'fgimage.yaml': yaml(keys(random, {...head, extends: 'base.yaml', ...own}), random),
    'base.yaml': yaml(keys(random, {version: 1, ...base}), random),
  };
}

function spellTargets({openstack, hpc}: Meaning, random: Random): JsonValue {
  const {format = 'qcow2', firmware = 'both', memoryGiB} = openstack ?? {};
  const memory = memoryGiB === undefined ? {} : {test: {memory: `${memoryGiB}${random.pick(['G', 'GiB'])}`}};
  const first = keys(random, {
    ...(random.chance() ? {type: 'openstack'} : {}),
    ...unless(format === 'qcow2', random, {format}),
    ...unless(firmware === 'both', random, {firmware}),
    ...memory,
  });
  const second =
    hpc === undefined
      ? undefined
      : keys(random, {
          ...unless(hpc.compression === 'zstd', random, {compression: hpc.compression}),
          ...(hpc.level === undefined ? {} : {compression_level: hpc.level}),
          ...(hpc.cmdline === undefined ? {} : {cmdline: hpc.cmdline}),
        });
  const bare = [first, second].every((one) => one === undefined || Object.keys(one).length === 0);
  if (bare && random.chance()) return second === undefined ? ['openstack'] : ['openstack', 'hpc'];
  const value = (options: JsonObject): JsonValue =>
    Object.keys(options).length === 0 && random.chance() ? null : options;
  return keys(random, {openstack: value(first), ...(second === undefined ? {} : {hpc: value(second)})});
}

function spellPackage({name, version}: Meaning['packages'][number], random: Random): JsonValue {
  if (version !== undefined) return keys(random, {name, version});
  return random.chance() ? name : {name};
}

function spellGroup({name, gid, members}: Meaning['groups'][number], random: Random): JsonValue {
  if (gid !== undefined) return keys(random, {name, gid, ...unless(members.length === 0, random, {members})});
  const plain: readonly JsonValue[] = members.length === 0 ? [name, {name}] : [];
  const one: readonly JsonValue[] = members.length === 1 ? [{[name]: members[0] ?? ''}] : [];
  return random.pick([...plain, ...one, {[name]: members}, {name, members}]);
}

function spellUser({name, groups, sudo, shell, uid, system}: UserMeaning, random: Random): JsonValue {
  return keys(random, {
    name,
    ...unless(groups.length === 0, random, {groups: random.pick([groups, groups.join(', ') || []])}),
    ...(sudo === undefined ? random.pick([{}, {sudo: false}]) : {sudo: random.pick([sudo, [sudo]])}),
    ...(shell === undefined ? {} : {shell}),
    ...(uid === undefined ? {} : {uid}),
    ...unless(!system, random, {system}),
    ...random.pick([{}, {lock_passwd: true}]),
  });
}

function spellWrite({path, text, base64, permissions, owner}: WriteMeaning, random: Random): JsonValue {
  return keys(random, {
    path,
    content: base64 ? Buffer.from(text).toString('base64') : text,
    ...(base64 ? {encoding: random.pick(['b64', 'base64'])} : random.pick([{}, {encoding: 'text/plain'}])),
    ...unless(permissions === '0644', random, {
      permissions: random.pick([permissions, permissions.slice(1)]),
    }),
    ...unless(owner === 'root:root', random, {owner}),
    ...random.pick([{}, {append: false}]),
  });
}

function spellCopy(owner: string, random: Random): JsonValue {
  const source = random.pick(['site', './site', 'site/', 'site//', 'site/**']);
  return keys(random, {
    source: random.pick([source, [source]]),
    path: '/srv',
    ...unless(owner === 'root:root', random, {owner}),
    ...random.pick([{}, {exclude: ['**/*.bak']}, {exclude: []}]),
  });
}

function spellStep({file, inline = ''}: Meaning['steps'][number], random: Random): JsonValue {
  if (file === undefined) return {shell: random.pick([inline, {inline}])};
  const path = random.pick([file, `./${file}`]);
  return {shell: random.pick<JsonValue>([path, {file: path}])};
}

function spellUnit(name: string, random: Random): string {
  return random.pick([name, `${name}.service`]);
}

function spellTest({command, status, stdout}: TestMeaning, random: Random): JsonValue {
  const [only] = stdout;
  const text: JsonValue = only !== undefined && random.chance() ? only : stdout;
  return keys(random, {
    command,
    ...unless(status === 0, random, {exit_status: status}),
    ...unless(stdout.length === 0, random, {stdout: text}),
  });
}

/** A value that is the default may be left out. */
function unless(isDefault: boolean, random: Random, value: JsonObject): JsonObject {
  return isDefault && random.chance() ? {} : value;
}

/** An empty list may be left out, which it always is here. */
function present(name: string, list: readonly JsonValue[]): JsonObject {
  return list.length === 0 ? {} : {[name]: list};
}

/** The same mapping in another order. */
function keys(random: Random, map: JsonObject): JsonObject {
  return Object.fromEntries(random.shuffled(Object.entries(map)));
}

/** YAML in mixed styles: block and flow, three kinds of quotes, comments, blank lines. */
function yaml(value: JsonObject, random: Random): string {
  const document = new Document(value, {aliasDuplicateObjects: false});
  const quotes = ['PLAIN', 'QUOTE_SINGLE', 'QUOTE_DOUBLE'] as const;
  visit(document, {
    Scalar(key, node) {
      const isKey = key === 'key';
      if (typeof node.value === 'string')
        node.type = random.pick(isKey ? quotes : [...quotes, 'BLOCK_LITERAL']);
      if (!isKey && random.below(8) === 0) node.comment = ' said so';
      if (isKey && random.below(8) === 0) node.commentBefore = ' what follows';
    },
    Collection(_, node) {
      if (node !== document.contents) node.flow = random.below(3) === 0;
    },
  });
  return document.toString({
    indent: random.pick([2, 4]),
    lineWidth: random.pick([0, 40]),
  });
}

/** Keys of all stages, by their ids without the name of the image; outputs are digests that follow from the keys. */
async function keysOf(from: Meaning, random: Random): Promise<Keys> {
  const {image, files} = spell(from, random);
  using project = new TemporaryFolder({
    ...files,
    ...Object.fromEntries(Object.entries(from.files).map(([path, [text]]) => [path, text])),
    ...(random.chance() ? {'README.md': 'read by nobody'} : {}),
  });
  for (const [path, [, executable]] of Object.entries(from.files)) {
    chmodSync(project.join(path), random.pick(executable ? [0o755, 0o700, 0o775] : [0o644, 0o600, 0o664]));
    utimesSync(project.join(path), random.below(2e9), random.below(2e9));
  }
  const loaded = await loadSpec({file: 'fgimage.yaml', cwd: project.path});
  if (!loaded.ok)
    throw new Error(`${formatDiagnostics(loaded.error)}\n${Object.values(files).join('\n---\n')}`);
  const {nodes} = await planImages({
    images: loaded.value.images,
    projectDir: loaded.value.projectDir,
    targetOfType,
    archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {LC_ALL: 'C.UTF-8'},
    ...(from.salt === undefined ? {} : {salt: from.salt}),
  });
  const found = new Map<string, string>();
  const digests = new Map<string, string>();
  for (const {id, dependsOn, tools, ...node} of nodes) {
    const key = stageKey({
      ...node,
      inputs: dependsOn.map((below) => [below, digests.get(below) ?? '']),
      tools: Object.fromEntries(tools.map((tool) => [tool, `${tool} 1`])),
    });
    digests.set(id, canonicalDigest({key}));
    found.set(id.replace(`:${image}/`, ':@/').replace(/bookworm|trixie/, '@'), key);
  }
  return found;
}

function differing(before: Keys, after: Keys): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((id) => before.get(id) !== after.get(id));
}

const steps = 6;

describe('keys', () => {
  it.each(Array.from({length: 20}, (_, seed) => seed))(
    'follow the meaning of a spec alone (seed %i)',
    async (seed) => {
      const random = new Random(seed + 1);
      const history: (readonly [meaning: string, keys: Keys])[] = [];
      let from = meaning(random);
      let before = await keysOf(from, random);
      for (let step = 0; step < steps; step += 1) {
        const other = await keysOf(from, random);
        expect(differing(before, other), 'the same in other words').toEqual([]);

        const [name, change] = random.pick(Object.entries(changes));
        const changed = change(from, random);
        if (changed === undefined) continue;
        const [to, reached] = changed;
        const after = await keysOf(to, random);
        const stages = differing(other, after);
        expect(
          reached.filter((id) => !stages.includes(id)),
          `what ${name} must reach`,
        ).toEqual([]);
        for (const [text, keys_] of history)
          expect(differing(keys_, after).length === 0).toBe(text === canonicalDigest(plain(to)));
        history.push([canonicalDigest(plain(to)), after]);
        [from, before] = [to, after];
      }
    },
  );

  it.each(Object.entries(changes))('tell a change apart: %s', async (_, change) => {
    const random = new Random(7);
    for (let tries = 0, done = 0; done < 2; tries += 1) {
      if (tries > 100) throw new Error('The change never applies');
      const from = meaning(random);
      const changed = change(from, random);
      if (changed === undefined) continue;
      const stages = differing(await keysOf(from, random), await keysOf(changed[0], random));
      expect(changed[1].filter((id) => !stages.includes(id))).toEqual([]);
      done += 1;
    }
  });
});

/** What no stage reads does not count: files that are neither copied nor run. */
function plain(from: Meaning): JsonValue {
  const read = Object.entries(from.files).filter(
    ([path]) =>
      (from.copyOwner !== undefined && path.startsWith('site/')) ||
      from.steps.some(({file}) => file === path),
  );
  return JSON.parse(JSON.stringify({...from, files: Object.fromEntries(read)})) as JsonValue;
}
