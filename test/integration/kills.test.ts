import {execFileSync} from 'node:child_process';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {Caches, copyCacheFor} from './chaos.ts';
import {killBuilds} from './kills.ts';
import {Project} from './real-build.ts';

const asRoot = process.getuid?.() === 0;
let caches: Caches;

beforeAll(async () => {
  caches = await Caches.make('kills');
});

afterAll(async () => {
  await caches[Symbol.asyncDispose]();
});

describe('fgimage build, killed at any moment', () => {
  it('leaves nothing behind 200 times, a sound cache and in the end the same artifacts', async () => {
    const project = caches.copy('chaos-killed');
    expect(await killBuilds(project, {caches, kills: 200, verifyEvery: 20})).toBe(200);
  });

  it.runIf(asRoot)('does so as an ordinary user too', async () => {
    const name = `fgimage-chaos-${String(process.pid)}`;
    execFileSync('useradd', ['--create-home', name]);
    try {
      const as = Number(execFileSync('id', ['-u', name], {encoding: 'utf8'}));
      const project = new Project('chaos-killed-user');
      copyCacheFor(as, {from: caches.warm, to: project});
      expect(await killBuilds(project, {caches, kills: 20, verifyEvery: 20, as})).toBe(20);
    } finally {
      execFileSync('userdel', ['--remove', name], {stdio: 'ignore'});
    }
  });
});
