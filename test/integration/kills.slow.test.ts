import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {Caches} from './chaos.ts';
import {killBuilds} from './kills.ts';

let caches: Caches;

beforeAll(async () => {
  caches = await Caches.make('many-kills');
});

afterAll(async () => {
  await caches[Symbol.asyncDispose]();
});

describe('fgimage build, killed at any moment', () => {
  it('leaves nothing behind 200 times, a sound cache and in the end the same artifacts', async () => {
    const project = caches.copy('chaos-killed-often');
    expect(await killBuilds(project, {caches, kills: 200, verifyEvery: 20})).toBe(200);
  });
});
