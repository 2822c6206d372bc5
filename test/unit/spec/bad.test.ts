import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import {loadSpec} from '../../../src/spec/load.ts';
import {repository} from './helpers.ts';

const root = join(repository, 'test/fixtures/bad');
const fixtures = readdirSync(root).sort();

test('there are at least thirty bad specs', () => {
  expect(fixtures.length).toBeGreaterThanOrEqual(30);
});

test.each(fixtures)('%s is refused with exactly the expected messages', async (name) => {
  const cwd = join(root, name);

  const result = await loadSpec({file: 'fgimage.yaml', cwd});

  if (result.ok) throw new Error('The spec was accepted');
  await expect(`${formatDiagnostics(result.error)}\n`).toMatchFileSnapshot(join(cwd, 'expected.txt'));
  expect(result.error.filter(({severity}) => severity === 'error')).not.toEqual([]);
});
