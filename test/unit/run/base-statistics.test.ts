import {expect, it} from 'vitest';
import type {Store} from '../../../cache/store.ts';
import {baseStatistics} from '../../../src/run/base-statistics.ts';
import {TemporaryStore} from '../../rig/stored.ts';

interface Use {
  readonly run: string;
  readonly key: string | null;
  readonly state: 'run' | 'cached' | 'failed';
  readonly at: number;
}

const base = 'base:debian-bookworm-amd64';

function use({database}: Store, {run, key, state, at}: Use): void {
  database
    .prepare(`INSERT INTO runs VALUES (?, '/p/fgimage.yaml', '', 1, ?, 1, 'done', 0, ?, '')`)
    .run(run, at, run);
  database
    .prepare('INSERT INTO run_stages VALUES (?, ?, ?, ?, 1, ?, NULL, NULL)')
    .run(run, base, key, state, at);
}

function know({database}: Store, key: string, os: object, params: object = {}): void {
  const parts = {kind: 'base', version: 1, params, files: {}, environment: {}, inputs: [], tools: {}};
  const text = JSON.stringify({...parts, notes: {os}});
  database.prepare('INSERT INTO keys VALUES (?, ?)').run(key, text);
}

it('tells bases of one name apart by what they are made from', () => {
  using cache = new TemporaryStore();
  const {store} = cache;
  const os = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'};
  const mirrored = {...os, mirror: 'http://mirror.example.org/debian'};
  know(store, 'a1', os);
  know(store, 'a2', os);
  know(store, 'b', mirrored);
  know(store, 'z', os, {refinement: 'locked'});
  use(store, {run: '1', key: 'a1', state: 'run', at: 10});
  use(store, {run: '2', key: 'a2', state: 'cached', at: 20});
  use(store, {run: '3', key: 'b', state: 'run', at: 30});
  use(store, {run: '4', key: 'b', state: 'failed', at: 40});
  use(store, {run: '5', key: 'z', state: 'run', at: 50});
  use(store, {run: '6', key: null, state: 'failed', at: 60});

  expect(baseStatistics(store.database).bases).toEqual([
    {base, hits: 1, misses: 2, lastMissAt: 60, os},
    {base, hits: 0, misses: 2, lastMissAt: 40, os: mirrored},
    {base, hits: 0, misses: 1, lastMissAt: 50},
  ]);
});
