import {mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, expect, it} from 'vitest';
import {StepLayer} from '../../../src/stages/provision/step-layer.ts';
import type {StageContext} from '../../../src/stages/stage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-step-layer-'));
});
afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), {recursive: true});
  writeFileSync(join(folder, path), text);
}

/** A step over two layers. */
function layer(): StepLayer {
  const inputs = ['lower', 'upper'].map(
    (id) => [id, {digest: id, path: join(folder, id), result: {}}] as const,
  );
  const node = {id: 'step', layers: ['lower', 'upper'], params: {source_date_epoch: 1}};
  const context = {node, inputs: new Map(inputs), work: join(folder, 'work'), output: join(folder, 'output')};
  return new StepLayer(context as unknown as StageContext);
}

it('has the topmost file at a path', () => {
  write('lower/etc/a', 'lower');
  write('lower/etc/b', 'lower');
  write('upper/etc/a', 'upper');
  expect([layer().textBelow('etc/a'), layer().textBelow('etc/b'), layer().textBelow('etc/c')]).toEqual([
    'upper',
    'lower',
    '',
  ]);
});

it('follows no link, which could lead to a file of the host, and leaves merged folders merged', () => {
  write('lower/usr/bin/service', 'lower');
  symlinkSync('bin', join(folder, 'lower/usr/sbin'));
  symlinkSync('/etc', join(folder, 'lower/etc'));
  expect(layer().below('usr/sbin/service')).toBeUndefined();
  expect(layer().below('etc/passwd')).toBeUndefined();
  expect(layer().below('etc')?.entry.isSymbolicLink()).toBe(true);
});

it('does not see a folder behind the file that took its place', () => {
  write('lower/etc/apt/apt.conf', 'lower');
  write('upper/etc/apt', 'a file');
  expect(layer().below('etc/apt/apt.conf')).toBeUndefined();
});
