import {mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {linkedFoldersBelow} from '../../../src/cli/remember.ts';

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'fgimage-remember-'));
});
afterEach(() => {
  rmSync(project, {recursive: true, force: true});
});

it('watches what a link in a folder of a step leads to, inside the project and once', () => {
  mkdirSync(join(project, 'cookbooks/base'), {recursive: true});
  mkdirSync(join(project, 'vendor/web/recipes'), {recursive: true});
  symlinkSync('../vendor/web', join(project, 'cookbooks/web'));
  symlinkSync('..', join(project, 'vendor/web/around'));
  symlinkSync('/usr', join(project, 'cookbooks/elsewhere'));
  symlinkSync('/nowhere', join(project, 'cookbooks/gone'));

  const found = linkedFoldersBelow(project, join(project, 'cookbooks')).map((path) =>
    relative(project, path),
  );

  expect(found.sort()).toEqual([
    'cookbooks',
    'cookbooks/base',
    'cookbooks/elsewhere',
    'cookbooks/web',
    'cookbooks/web/around',
    'cookbooks/web/around/web',
    'cookbooks/web/recipes',
  ]);
});
