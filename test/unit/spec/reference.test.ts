import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {specJsonSchema} from '../../../src/spec/json-schema.ts';
import {load, repository} from './helpers.ts';

const text = readFileSync(join(repository, 'docs/reference/spec.md'), 'utf8');
const examples = [...text.matchAll(/```yaml\n(?<yaml>[\s\S]*?)```/g)].map(
  (found) => found.groups?.['yaml'] ?? '',
);

const files = [
  ...['keys/mirror.asc', 'keys/tools.asc', 'files/logo.png', 'scripts/setup.sh', 'site/a', 'index.html'],
  ...['cookbooks/motd/recipes/banner.rb', 'roles/web.json', 'clients/chef_18.4.12-1_amd64.deb'],
  'images/root.tar.zst',
  ...['ansible/site.yml', 'ansible/roles/web', 'puppet/site.pp', 'puppet/modules/web'],
];

test.each(examples)('the reference gives an example that loads: %s', async (example) => {
  const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIAwI4o4AqCGqSR6ISBgPpzZ15kuFI1cSt4qJralB5MGf';
  const yaml = example.replace('AAAA…', key).replace('$y$j9T$…', '$y$j9T$abcdefgh$ijkl');
  const whole = yaml.includes('version: 1') ? yaml : `version: 1\nname: example\n${yaml}`;
  const os = /^os:/m.test(whole) ? '' : 'os: {distribution: debian, release: bookworm}\n';

  const spec = await load({
    ...Object.fromEntries(files.map((file) => [file, 'text'])),
    'fgimage.yaml': `${os}${whole}`,
  });

  expect(spec.images.length).toBeGreaterThan(0);
});

/** The names that mappings may have in what a JSON Schema describes. */
function keysOf(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  if (Array.isArray(schema)) return schema.flatMap(keysOf);
  const {properties = {}, ...rest} = schema as Readonly<Record<string, unknown>>;
  const named = Object.entries(properties as object).flatMap(([name, value]) => [name, ...keysOf(value)]);
  return [...named, ...Object.values(rest).flatMap(keysOf)];
}

/** Those that a text does not name. */
function unnamed(keys: readonly string[], where: string): readonly string[] {
  return [...new Set(keys)].filter((key) => !new RegExp(`\\b${key}\\b`).test(where));
}

test('the reference names every key of a spec and every type of target', async () => {
  const {$defs: definitions, ...schema} = await specJsonSchema();
  const keys = keysOf(schema);
  expect(new Set(keys).size).toBeGreaterThan(60);
  expect(unnamed(keys, text)).toEqual([]);
  expect(Object.keys(definitions as object).length).toBeGreaterThan(10);
});

test('the README of each target names its options; those of all stand in the guide to registering', async () => {
  const {$defs: definitions} = await specJsonSchema();
  const shared = ['docs/guide/registering.md', 'targets/shared/README.md', 'docs/reference/spec.md'];
  const common = shared.map((path) => readFileSync(join(repository, path), 'utf8')).join('\n');
  const missing = Object.entries(definitions as object).map(([name, schema]) => {
    const type = name.replace('target-', '');
    const readme = readFileSync(join(repository, 'targets', type, 'README.md'), 'utf8');
    return [type, unnamed(keysOf(schema), readme + common)];
  });
  expect(missing.filter(([, keys]) => keys?.length !== 0)).toEqual([]);
});
