import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {specJsonSchema} from '../../../src/spec/json-schema.ts';
import {load, repository} from './helpers.ts';

const text = readFileSync(join(repository, 'docs/reference/spec.md'), 'utf8');
const examples = [...text.matchAll(/```yaml\n(?<yaml>[\s\S]*?)```/g)].map(
  (found) => found.groups?.['yaml'] ?? '',
);

const files = ['keys/tools.asc', 'files/logo.png', 'scripts/setup.sh', 'site/a', 'index.html'];

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

test('the reference names every key and every option', async () => {
  const schema = await specJsonSchema();
  const keys = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, value] of Object.entries(node)) {
      if (name === 'properties') for (const key of Object.keys(value as object)) keys.add(key);
      visit(value);
    }
  };
  visit(schema);

  expect(keys.size).toBeGreaterThan(60);
  expect([...keys].filter((key) => !new RegExp(`\\b${key}\\b`).test(text))).toEqual([]);
});
