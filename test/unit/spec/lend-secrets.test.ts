import {existsSync, lstatSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {lendSecrets} from '../../../src/cli/lend-secrets.ts';
import {head, load, ProjectFolder} from './helpers.ts';

test('a project that is laid out anew finds the secrets of the old one, and no others', async () => {
  using old = new ProjectFolder({'keys/token': 'secret', there: 'old', outside: 'x'});
  using fresh = new ProjectFolder({'project/there': 'its own'});
  const spec = await load(`${head}provision:
  - shell: {inline: "true"}
    secrets:
      - {name: a, file: keys/token}
      - {name: b, file: there}
      - {name: c, file: gone}
      - {name: d, file: ../outside}
      - {name: e, env: TOKEN}
      - {name: f, file: ~/token}
`);
  const project = join(fresh.dir, 'project');

  lendSecrets(spec.images, {project, from: old.dir});

  expect(readFileSync(join(project, 'keys/token'), 'utf8')).toBe('secret');
  expect(lstatSync(join(project, 'keys/token')).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(project, 'there'), 'utf8')).toBe('its own');
  const absent = ['gone', '../outside', '~', 'fgimage.yaml'];
  expect(absent.filter((path) => existsSync(join(project, path)))).toEqual([]);
});
