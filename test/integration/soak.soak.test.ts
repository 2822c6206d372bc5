import {expect, it} from 'vitest';
import {Caches} from './chaos.ts';
import {collectBesideBuilds} from './chaos-gc.ts';

it('lets gc take nothing that a build needs, for ten minutes', async () => {
  await using caches = await Caches.make('soak');
  const collected = await collectBesideBuilds(caches, {name: 'soak-gc', durationMs: 600_000});
  console.log('gc beside builds:', JSON.stringify(collected));
  expect(collected.compared).toBeGreaterThan(0);
  expect(collected.freeing).toBeGreaterThan(0);
});
