import {describe, expect, it} from 'vitest';
import {asKeyParts, diffParts} from '../../../src/plan/explain.ts';
import {diffValues} from '../../../src/plan/explain-values.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {type KeyParts, stageKey} from '../../../src/plan/key.ts';
import type {JsonObject, JsonValue} from '../../../src/spec/image.ts';
import type {Path} from '../../../src/spec/tree.ts';

const parts: KeyParts = {
  kind: 'packages',
  version: 1,
  params: {install: ['curl', 'jq=1.6'], remove: [], source_date_epoch: 1},
  inputs: [
    ['archive:debian', 'a1'],
    ['base:debian', 'b1'],
    ['customize:web/kernel', 'c1'],
  ],
  files: {'a.txt': 'a', 'run.sh': 'b+x'},
  tools: {'apt-get': 'apt 2.6.1 sha256:aa'},
  environment: {LC_ALL: 'C'},
};

type ExplainNode = Pick<StageNode, 'id' | 'origins' | 'notes'>;

const node: ExplainNode = {
  id: 'customize:web/packages',
  origins: [
    {param: ['install'], spec: ['packages']},
    {param: ['install', 2], spec: ['locale']},
    {param: ['users'], spec: ['users']},
  ],
};

/** A spec in which every value stands in a line of its own depth, and the whole in the first. */
function locate(path: Path): {file: string; line: number; column: number} {
  return {file: path.join('/'), line: path.length + 1, column: 1};
}

function diff(is: Partial<KeyParts>, was: Partial<KeyParts> = {}, at = node): readonly object[] {
  const [before, after] = [
    {...parts, ...was},
    {...parts, ...is},
  ];
  const reasons = diffParts(before, after, {node: at, locate});
  expect(JSON.parse(JSON.stringify(reasons))).toEqual(reasons);
  expect(reasons.length > 0).toBe(stageKey(before) !== stageKey(after));
  return reasons;
}

function params(more: JsonObject): Partial<KeyParts> {
  return {params: {...parts.params, ...more}};
}

describe('diffParts()', () => {
  it('tells everything at once, what tells most first', () => {
    const reasons = diff({
      kind: 'provision',
      version: 2,
      params: {install: ['curl', 'htop'], remove: [], source_date_epoch: 2},
      inputs: [
        ['archive:debian', 'a2'],
        ['customize:web/users', 'd1'],
        ['customize:web/files', 'e1'],
        ['customize:web/kernel', 'c1'],
      ],
      files: {'a.txt': 'A', 'new.txt': 'n'},
      tools: {'apt-get': 'apt 2.6.2 sha256:bb', mmdebstrap: 'mmdebstrap 1.3 sha256:cc'},
      environment: {TZ: 'UTC'},
      salt: 'x',
    });
    expect(reasons).toEqual([
      {
        reason: 'package-added',
        package: 'htop',
        list: 'install',
        position: {file: 'packages/1', line: 3, column: 1},
      },
      {
        reason: 'package-removed',
        package: 'jq=1.6',
        list: 'install',
        position: {file: 'packages', line: 2, column: 1},
      },
      {reason: 'option-changed', option: 'source_date_epoch', was: 1, is: 2},
      {reason: 'file-changed', path: 'a.txt', was: 'a', is: 'A'},
      {reason: 'file-added', path: 'new.txt', is: 'n'},
      {reason: 'file-removed', path: 'run.sh', was: 'b+x'},
      {reason: 'tool-changed', tool: 'apt-get', was: 'apt 2.6.1 sha256:aa', is: 'apt 2.6.2 sha256:bb'},
      {reason: 'tool-added', tool: 'mmdebstrap', is: 'mmdebstrap 1.3 sha256:cc'},
      {reason: 'environment-changed', name: 'LC_ALL', was: 'C'},
      {reason: 'environment-changed', name: 'TZ', is: 'UTC'},
      {reason: 'salt', is: 'x'},
      {reason: 'implementation', of: 'stage', was: 1, is: 2},
      {reason: 'kind', was: 'packages', is: 'provision'},
      {reason: 'upstream-changed', stage: 'archive:debian', was: 'a1', is: 'a2'},
      {reason: 'upstream-added', stage: 'customize:web/users', is: 'd1'},
      {reason: 'upstream-added', stage: 'customize:web/files', is: 'e1'},
      {reason: 'upstream-removed', stage: 'base:debian', was: 'b1'},
    ]);
  });

  it('tells nothing of equal parts, whatever the order of their keys', () => {
    expect(diff({})).toEqual([]);
    expect(diff({files: {'run.sh': 'b+x', 'a.txt': 'a'}, notes: {'targets.x': {a: 1}}})).toEqual([]);
  });

  it.each<readonly [string, readonly string[], readonly string[]]>([
    ['order', ['a', 'b'], ['b', 'a']],
    ['a repeated package', ['a'], ['a', 'a']],
    ['a repeated package in another version', ['a=1', 'a'], ['a=2', 'a']],
  ])('tells the lists where no package came or went: %s', (_, was, is) => {
    expect(diff(params({install: is}), params({install: was}))).toEqual([
      {
        reason: 'option-changed',
        option: 'packages',
        was,
        is,
        position: {file: 'packages', line: 2, column: 1},
      },
    ]);
  });

  it('tells a package by the option that implies it', () => {
    expect(diff(params({install: ['curl', 'jq=1.6', 'locales']}))).toEqual([
      {
        reason: 'package-added',
        package: 'locales',
        list: 'install',
        position: {file: 'locale', line: 2, column: 1},
      },
    ]);
  });

  it('tells a list of packages that came as a whole, and one that is none, as options', () => {
    expect(diff(params({packages: ['a']}))).toEqual([
      {reason: 'option-added', option: 'packages', is: ['a']},
    ]);
    expect(diff(params({packages: [1]}), params({packages: ['a']}))).toEqual([
      {reason: 'option-changed', option: 'packages[0]', was: 'a', is: 1},
    ]);
  });

  it('gives no place where the nearest is the whole spec', () => {
    const reasons = diffParts(
      parts,
      {...parts, params: {...parts.params, install: ['curl']}},
      {
        node,
        locate: () => ({file: 'fgimage.yaml', line: 1, column: 1}),
      },
    );
    expect(reasons).toEqual([{reason: 'package-removed', package: 'jq=1.6', list: 'install'}]);
  });

  it('pairs stages by id, then by output, then by place', () => {
    const inputs = (...pairs: readonly (readonly [string, string])[]): Partial<KeyParts> => ({inputs: pairs});
    expect(diff(inputs(['x:1', 'd1'], ['y:1', 'd2']), inputs(['a:1', 'd1'], ['b:1', 'd2']))).toEqual([]);
    expect(diff(inputs(['x:1', 'd1'], ['y:1', 'd3']), inputs(['a:1', 'd1'], ['b:1', 'd2']))).toEqual([
      {reason: 'upstream-changed', stage: 'y:1', was: 'd2', is: 'd3'},
    ]);
    expect(diff(inputs(['b:1', 'd1'], ['a:1', 'd2']), inputs(['a:1', 'd1'], ['b:1', 'd2']))).toEqual([]);
    expect(diff(inputs(['b:1', 'd2'], ['a:1', 'd1']), inputs(['a:1', 'd1'], ['b:1', 'd2']))).toEqual([
      {reason: 'upstream-order', was: ['a:1', 'b:1'], is: ['b:1', 'a:1']},
    ]);
    expect(diff(inputs(['a:1', 'd1']), inputs(['a:1', 'd1'], ['b:1', 'd1']))).toEqual([
      {reason: 'upstream-removed', stage: 'b:1', was: 'd1'},
    ]);
  });

  it('throws where the keys differ and nothing was found', () => {
    let reads = 0;
    const moving = Object.defineProperty({}, 'value', {
      enumerable: true,
      get: () => (reads += 1),
    }) as JsonObject;
    expect(() =>
      diffParts({...parts, params: {value: 1}}, {...parts, params: moving}, {node, locate}),
    ).toThrow('The keys of customize:web/packages differ, and nothing that they are made of does');
  });
});

describe('options of targets', () => {
  const pack: ExplainNode = {
    id: 'pack:web/site.b',
    origins: [
      {param: ['tests'], spec: ['tests']},
      {param: [], spec: ['targets', 'site.b']},
    ],
    notes: {},
  };
  const made = (plan: JsonValue, notes: JsonObject, more: JsonObject = {}): Partial<KeyParts> => ({
    params: {plan, target_version: 1, source_date_epoch: 1, ...more},
    notes,
  });

  it('tells what the parameters were made from', () => {
    const was = made({format: 'qcow2', fileName: 'disk.qcow2'}, {'targets.site.b': {format: 'qcow2'}});
    const is = made({format: 'raw', fileName: 'disk.raw'}, {'targets.site.b': {format: 'raw'}});
    expect(diff(is, was, pack)).toEqual([
      {
        reason: 'option-changed',
        option: 'targets["site.b"].format',
        was: 'qcow2',
        is: 'raw',
        position: {file: 'targets/site.b/format', line: 4, column: 1},
      },
    ]);
  });

  it('tells what came and went in the notes', () => {
    const was = made({cmdline: 'a'}, {'targets.site.b': {cmdline: 'a'}});
    const is = made({cmdline: 'quiet'}, {'targets.site.b': {}, 'kernel.cmdline': 'quiet'});
    expect(diff(is, was, pack)).toEqual([
      {
        reason: 'option-removed',
        option: 'targets["site.b"].cmdline',
        was: 'a',
        position: {file: 'targets/site.b', line: 3, column: 1},
      },
      {
        reason: 'option-added',
        option: 'kernel.cmdline',
        is: 'quiet',
        position: {file: 'kernel/cmdline', line: 3, column: 1},
      },
    ]);
  });

  it('tells the parameters where no note differs', () => {
    expect(diff(made({fileName: 'b'}, {}), made({fileName: 'a'}, {}), pack)).toEqual([
      {reason: 'option-changed', option: 'plan.fileName', was: 'a', is: 'b'},
    ]);
    expect(diff(made({packages: ['a', 'b']}, {}), made({packages: ['a']}, {}), pack)).toEqual([
      {reason: 'package-added', package: 'b', list: 'install'},
    ]);
  });

  it('does not tell a note that explains nothing', () => {
    const was = made({}, {'targets.site.b': {format: 'qcow2'}}, {tests: [{command: 'a'}]});
    const is = made(
      {},
      {'targets.site.b': {format: 'raw'}},
      {
        tests: [{command: 'b'}],
        target_version: 2,
        source_date_epoch: 2,
      },
    );
    expect(diff(is, was, pack)).toEqual([
      {
        reason: 'option-changed',
        option: 'tests[0].command',
        was: 'a',
        is: 'b',
        position: {file: 'tests/0/command', line: 4, column: 1},
      },
      {reason: 'option-changed', option: 'source_date_epoch', was: 1, is: 2},
      {reason: 'implementation', of: 'target', was: 1, is: 2},
    ]);
  });
});

describe('secrets', () => {
  it('are never in a reason', () => {
    const was = params({
      users: [{name: 'a', hashed_passwd: '$y$j9T$oldoldold', lock_passwd: true}],
      text: 'TOKEN=old',
      mirror: 'http://me:old@mirror.example.org',
    });
    const is = params({
      users: [
        {name: 'a', hashed_passwd: '$y$j9T$newnewnew', lock_passwd: false},
        {name: 'b', hashed_passwd: '$y$j9T$newnewnew'},
      ],
      text: 'TOKEN=new',
      mirror: 'http://me:new@other.example.org',
    });
    const environment = {LC_ALL: 'C', API_TOKEN: 'new', PROXY: 'http://me:new@proxy.example.org'};
    const reasons = diff({...is, environment}, was);
    expect(JSON.stringify(reasons)).not.toMatch(/old|new/);
    expect(reasons).toEqual([
      {
        reason: 'option-changed',
        option: 'users[0].hashed_passwd',
        position: {file: 'users/0/hashed_passwd', line: 4, column: 1},
      },
      {
        reason: 'option-changed',
        option: 'users[0].lock_passwd',
        was: true,
        is: false,
        position: {file: 'users/0/lock_passwd', line: 4, column: 1},
      },
      {
        reason: 'option-added',
        option: 'users[1]',
        is: {name: 'b', hashed_passwd: '(secret)'},
        position: {file: 'users/1', line: 3, column: 1},
      },
      {reason: 'option-changed', option: 'text'},
      {
        reason: 'option-changed',
        option: 'mirror',
        was: 'http://(secret)@mirror.example.org',
        is: 'http://(secret)@other.example.org',
      },
      {reason: 'environment-changed', name: 'API_TOKEN'},
      {reason: 'environment-changed', name: 'PROXY', is: 'http://(secret)@proxy.example.org'},
    ]);
  });
});

describe('diffValues()', () => {
  it.each<readonly [string, JsonValue, JsonValue, readonly string[]]>([
    ['equal values', {a: [1, {b: null}]}, {a: [1, {b: null}]}, []],
    ['the order of keys', {a: 1, b: 2}, {b: 2, a: 1}, []],
    ['numbers and texts', {a: 1}, {a: '1'}, ['changed a']],
    ['lists and mappings', {a: []}, {a: {}}, ['changed a']],
    ['null and absence', {a: null}, {}, ['removed a']],
    [
      'keys of every object',
      {a: 1},
      JSON.parse('{"a": 1, "__proto__": 2, "toString": 3}') as JsonValue,
      ['added __proto__', 'added toString'],
    ],
    ['an entry put in front', ['b', 'c'], ['a', 'b', 'c'], ['added 0']],
    ['an entry taken out of the middle', [1, 2, 3], [1, 3], ['removed 1']],
    ['entries without names', [1, 2, 3], [1, 5, 6, 3], ['changed 1', 'added 2']],
    ['a named entry that moved', [{name: 'a'}, {name: 'b'}], [{name: 'b'}, {name: 'a'}], ['changed ']],
    [
      'named entries that moved and changed',
      [{path: '/a', x: 1}, {path: '/b', x: 1}, {path: '/c'}],
      [{path: '/b', x: 2}, {path: '/d'}, {path: '/a', x: 1}],
      ['changed 0.x', 'added 1', 'removed 2', 'changed '],
    ],
    [
      'entries of one name',
      [
        {name: 'a', x: 1},
        {name: 'a', x: 2},
      ],
      [
        {name: 'a', x: 2},
        {name: 'a', x: 1},
      ],
      ['changed 0.x', 'changed 1.x'],
    ],
  ])('finds %s', (_, was, is, expected) => {
    expect(diffValues(was, is).map(({change, path}) => `${change} ${path.join('.')}`)).toEqual(expected);
  });
});

describe('asKeyParts()', () => {
  it('takes back what was written', () => {
    const whole: KeyParts = {...parts, salt: 's', notes: {'targets.x': {a: [1, null]}}};
    for (const one of [parts, whole]) expect(asKeyParts(JSON.parse(JSON.stringify(one)))).toEqual(one);
  });

  it.each<readonly [string, unknown]>([
    ['nothing', undefined],
    ['a text', 'packages'],
    ['a list', [parts]],
    ['parts without an environment', {...parts, environment: undefined}],
    ['parts with a member more', {...parts, platform: 'linux'}],
    ['a version that is no number', {...parts, version: '1'}],
    ['inputs without ids', {...parts, inputs: ['a1']}],
    ['inputs of three', {...parts, inputs: [['a', 'b', 'c']]}],
    ['files that are no text', {...parts, files: {a: 1}}],
    ['tools as a list', {...parts, tools: ['apt-get']}],
    ['a salt that is no text', {...parts, salt: 1}],
    ['notes that are none', {...parts, notes: 'format'}],
    ['parameters that are no JSON', {...parts, params: {a: undefined}}],
  ])('refuses %s', (_, value) => {
    expect(asKeyParts(value)).toBeUndefined();
  });
});
