import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {parse} from 'yaml';
import {z} from 'zod';
import {specJsonSchema} from '../../../src/spec/json-schema.ts';
import {specSchemas} from '../../../src/spec/schema.ts';
import {targetSchemas} from '../../../targets/schemas.ts';
import {repository} from './helpers.ts';
import {matches} from './json-schema-check.ts';

type Node = Record<string, unknown>;

/** Every key of every mapping that a zod schema knows, as `users[].name`. */
function zodKeys(schema: unknown, at = ''): string[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, value]) => [
      `${at}.${key}`,
      ...zodKeys(value, `${at}.${key}`),
    ]);
  }
  if (schema instanceof z.ZodArray) return zodKeys(schema.element, `${at}[]`);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((one) => zodKeys(one, at));
  if (schema instanceof z.ZodRecord) return zodKeys(schema.valueType, `${at}.*`);
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodDefault)
    return zodKeys(schema.unwrap(), at);
  return [];
}

/** The same of a JSON Schema. */
function jsonKeys(schema: Node, at = ''): string[] {
  const keys = Object.entries((schema['properties'] ?? {}) as Node).flatMap(([key, value]) => [
    `${at}.${key}`,
    ...jsonKeys(value as Node, `${at}.${key}`),
  ]);
  const additional = schema['additionalProperties'];
  if (typeof additional === 'object' && additional !== null)
    keys.push(...jsonKeys(additional as Node, `${at}.*`));
  if (schema['items'] !== undefined) keys.push(...jsonKeys(schema['items'] as Node, `${at}[]`));
  for (const one of (schema['anyOf'] ?? []) as Node[]) keys.push(...jsonKeys(one, at));
  return keys;
}

function sorted(keys: readonly string[]): string[] {
  return [...new Set(keys)].filter((key) => !/\.targets\./.test(key)).sort();
}

function eachNode(schema: unknown, visit: (node: Node, at: string) => void, at = '#'): void {
  if (typeof schema !== 'object' || schema === null) return;
  if (!Array.isArray(schema)) visit(schema as Node, at);
  for (const [key, value] of Object.entries(schema)) eachNode(value, visit, `${at}/${key}`);
}

test('the JSON Schema and the schema in use know the same keys', async () => {
  const {file} = await specSchemas();
  const json = await specJsonSchema();

  expect(sorted(jsonKeys(json))).toEqual(sorted(zodKeys(file)));
  expect(json['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
});

test('it knows the options of every target type, and only those', async () => {
  const definitions = (await specJsonSchema())['$defs'] as Record<string, Node>;

  expect(Object.keys(definitions)).toEqual(Object.keys(targetSchemas).map((type) => `target-${type}`));
  for (const [type, load] of Object.entries(targetSchemas)) {
    expect(sorted(jsonKeys(definitions[`target-${type}`] ?? {}))).toEqual(
      sorted(['.type', ...zodKeys(await load())]),
    );
  }
});

test('every mapping is closed and every key described', async () => {
  const json = await specJsonSchema();

  eachNode(json, (node, at) => {
    if (node['type'] !== 'object' || at.endsWith('/properties')) return;
    expect(node['additionalProperties'], at).toBeDefined();
    if (at.includes('targets/')) return;
    for (const [key, value] of Object.entries((node['properties'] ?? {}) as Record<string, Node>)) {
      expect(value['description'], `${at}/${key}`).toEqual(expect.stringMatching(/\.$/));
    }
  });
});

test('it accepts the example', async () => {
  const value: unknown = parse(readFileSync(join(repository, 'fgimage.yaml.example'), 'utf8'));

  expect(matches(await specJsonSchema(), value)).toBe(true);
});

test('it refuses what the schema in use refuses, and nothing else', async () => {
  const json = await specJsonSchema();
  const {file} = await specSchemas();
  const root = join(repository, 'test/fixtures/bad');
  let compared = 0;
  for (const name of readdirSync(root)) {
    const value = readable(join(root, name, 'fgimage.yaml'));
    if (value === undefined || hasCheckedValues(name)) continue;
    expect(matches(json, value), name).toBe(file.safeParse(value).success);
    compared += 1;
  }
  expect(compared).toBeGreaterThan(20);
});

/** Of these fixtures a value is refused by code that JSON Schema has no words for, or by a target's own schema. */
function hasCheckedValues(name: string): boolean {
  return /targets|sizes|ssh-keys|plain-passwords|circle|provision/.test(name);
}

function readable(path: string): unknown {
  try {
    const value: unknown = parse(readFileSync(path, 'utf8'), {logLevel: 'silent'});
    const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
    return plain
      ? Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('x-')))
      : undefined;
  } catch {
    return undefined;
  }
}
