import {expect, inject, it} from 'vitest';
import {OnePeer} from './one-peer.ts';
import {OneProject, servedInChild} from './opennebula-project.ts';

it('serves a disk of 4 GiB in little memory', async () => {
  await using peer = await OnePeer.start();
  const project = new OneProject(inject('testRoot'), peer.url);
  const {sizeMiB, memoryMiB} = await servedInChild(project, peer, 4 * 2 ** 30);
  expect(sizeMiB).toBe(4096);
  expect(memoryMiB).toBeLessThan(300);
});
