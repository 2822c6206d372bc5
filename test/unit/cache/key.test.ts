import {describe, expect, it} from 'vitest';
import {canonicalDigest, derivedUuid, type KeyParts, stageKey} from '../../../src/plan/key.ts';
import type {JsonObject, JsonValue} from '../../../src/spec/image.ts';

const parts: KeyParts = {
  kind: 'packages',
  version: 1,
  params: {
    install: ['curl', 'jq=1.6-2.1'],
    remove: [],
    source_date_epoch: 1686355200,
    nested: {a: null, b: true},
  },
  inputs: [
    ['archive:debian-bookworm', 'a'.repeat(64)],
    ['base:debian-bookworm-amd64', 'b'.repeat(64)],
  ],
  files: {'files/motd': 'c'.repeat(64), 'run.sh': `${'d'.repeat(64)}+x`},
  tools: {'apt-get': 'e'.repeat(64), mmdebstrap: 'f'.repeat(64)},
  environment: {LC_ALL: 'C.UTF-8', TZ: 'UTC'},
};

describe('stageKey()', () => {
  it('gives the same key as ever for the same parts', () => {
    // A change here makes every cache of every user cold: raise keySchemaVersion on purpose, not by accident.
    expect(stageKey(parts)).toBe('9531d4eb41353e66b38fdff3b22148b897f436453302589c843489d0918cf07c');
  });

  it('does not depend on the order of keys', () => {
    for (const seed of [1, 2, 3, 4, 5]) expect(stageKey(shuffled(parts, seed))).toBe(stageKey(parts));
  });

  it('is the same for objects without a prototype', () => {
    expect(stageKey(withoutPrototypes(parts) as KeyParts)).toBe(stageKey(parts));
  });

  it('is the same for parts that went through JSON', () => {
    expect(stageKey(JSON.parse(JSON.stringify(parts)) as KeyParts)).toBe(stageKey(parts));
  });

  it('does not depend on the ids of the stages below', () => {
    const renamed = parts.inputs.map(([, digest], index) => [`other:${index}`, digest] as const);
    expect(stageKey({...parts, inputs: renamed})).toBe(stageKey(parts));
  });

  it.each<[string, Partial<KeyParts>]>([
    ['the kind', {kind: 'settings'}],
    ['the version', {version: 2}],
    ['the order of a list', {params: {...parts.params, install: ['jq=1.6-2.1', 'curl']}}],
    ['a text that looks like a number', {params: {...parts.params, source_date_epoch: '1686355200'}}],
    ['a list with one element instead of the element', {params: {...parts.params, install: 'curl'}}],
    ['null instead of false', {params: {...parts.params, nested: {a: false, b: true}}}],
    ['a member more', {params: {...parts.params, extra: ''}}],
    [
      'an input digest',
      {
        inputs: [
          ['archive:debian-bookworm', 'a'.repeat(64)],
          ['base:debian-bookworm-amd64', '0'.repeat(64)],
        ],
      },
    ],
    ['the order of the inputs', {inputs: parts.inputs.toReversed()}],
    ['an input less', {inputs: parts.inputs.slice(1)}],
    ['the digest of a file', {files: {...parts.files, 'run.sh': 'd'.repeat(64)}}],
    ['the path of a file', {files: {'files/issue': 'c'.repeat(64), 'run.sh': `${'d'.repeat(64)}+x`}}],
    ['the identity of a tool', {tools: {...parts.tools, mmdebstrap: '0'.repeat(64)}}],
  ])('changes with %s', (_, change) => {
    expect(stageKey({...parts, ...change})).not.toBe(stageKey(parts));
  });

  it('gives distinct keys for distinct parameters', () => {
    const random = randomNumbers(7);
    const seen = new Map<string, string>();
    for (let count = 0; count < 300; count += 1) {
      const params = {value: randomJson(random, 3)};
      const key = stageKey({...parts, params});
      expect(seen.get(key) ?? canonicalText(params)).toBe(canonicalText(params));
      expect(stageKey({...parts, params: shuffled(params, count)})).toBe(key);
      seen.set(key, canonicalText(params));
    }
  });
});

describe('canonicalDigest()', () => {
  it('does not tell a value that is there twice from two equal ones', () => {
    const value = {name: 'x'};
    expect(canonicalDigest({a: value, b: value})).toBe(canonicalDigest({a: {name: 'x'}, b: {name: 'x'}}));
  });
});

describe('derivedUuid()', () => {
  it('gives the same UUID as ever', () => {
    expect(derivedUuid(stageKey(parts), 'root')).toBe('48e7541e-ebfe-5224-824e-fcfc571e2a6d');
  });

  it('gives a UUID of version 5 with the variant of RFC 9562', () => {
    const uuids = Array.from({length: 64}, (_, index) => derivedUuid(stageKey(parts), `role ${index}`));
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(uuids).size).toBe(uuids.length);
  });

  it('differs from key to key', () => {
    const other = stageKey({...parts, version: 2});
    expect(derivedUuid(other, 'root')).not.toBe(derivedUuid(stageKey(parts), 'root'));
  });
});

/** The same value with the keys of every object in another order. */
function shuffled<T>(value: T, seed: number): T {
  const random = randomNumbers(seed);
  const visit = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(visit);
    if (one === null || typeof one !== 'object') return one;
    const entries = Object.entries(one).map(([key, member]) => [key, visit(member)] as const);
    return Object.fromEntries(
      entries
        .map((entry) => ({entry, at: random()}))
        .sort((a, b) => a.at - b.at)
        .map(({entry}) => entry),
    );
  };
  return visit(value) as T;
}

function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (value === null || typeof value !== 'object') return value;
  const bare = Object.create(null) as Record<string, unknown>;
  for (const [key, member] of Object.entries(value)) bare[key] = withoutPrototypes(member);
  return bare;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed + 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomJson(random: () => number, depth: number): JsonValue {
  const choice = Math.floor(random() * (depth === 0 ? 4 : 6));
  const count = Math.floor(random() * 4);
  switch (choice) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return Math.floor(random() * 10) - 5;
    case 3:
      return ['', 'a', ':', 'a:1', 'key', '1', 'null', 'é'][Math.floor(random() * 8)] ?? '';
    case 4:
      return Array.from({length: count}, () => randomJson(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({length: count}, () => [`k${Math.floor(random() * 4)}`, randomJson(random, depth - 1)]),
      );
  }
}

function canonicalText(value: JsonObject): string {
  return JSON.stringify(value, (_, one: unknown) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );
}
