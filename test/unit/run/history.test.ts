import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../../src/run/events.ts';
import {RunHistory} from '../../../src/run/history.ts';
import {TemporaryStore} from '../../rig/stored.ts';

const time = 1_700_000_000_000;
const events: readonly RunEvent[] = [
  {type: 'run-started', version: 1, time, runId: 'r', file: 'fgimage.yaml', images: ['web']},
  {type: 'stage-planned', time, stage: 'a', kind: 'archive', title: 'a', dependsOn: []},
  {type: 'stage-cached', time, stage: 'a', key: 'key-a', digest: 'd', savedMs: 4000},
  {type: 'stage-started', time, stage: 'b', key: 'key-b', logPath: '/logs/b'},
  {type: 'stage-log', time, stage: 'b', line: 'text'},
  {type: 'stage-finished', time, stage: 'b', digest: 'd', durationMs: 12},
  {type: 'stage-started', time, stage: 'c', key: 'key-c', logPath: '/logs/c'},
  {
    type: 'stage-failed',
    time,
    stage: 'c',
    durationMs: 34,
    failure: {reason: 'refused', message: 'no', hint: 'yes'},
  },
  {type: 'stage-skipped', time, stage: 'd', because: 'c'},
];

describe('RunHistory', () => {
  it('keeps a run with what became of its stages', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    const history = new RunHistory(database, 'fgimage.yaml');
    for (const event of events) history.note(event);
    expect(database.prepare('SELECT * FROM runs').all()).toEqual([]);
    const stages = {run: 1, cached: 1, failed: 1, skipped: 1};
    history.note({type: 'run-finished', time, outcome: 'failed', durationMs: 50, stages, outputs: []});
    expect(database.prepare('SELECT * FROM runs').all()).toEqual([
      {
        id: history.id,
        file: 'fgimage.yaml',
        pid: process.pid,
        started_at: time,
        duration_ms: 50,
        outcome: 'failed',
      },
    ]);
    expect(
      database
        .prepare(
          'SELECT stage, key, state, duration_ms, log_path FROM run_stages WHERE run = ? ORDER BY stage',
        )
        .all(history.id),
    ).toEqual([
      {stage: 'a', key: 'key-a', state: 'cached', duration_ms: 0, log_path: null},
      {stage: 'b', key: 'key-b', state: 'run', duration_ms: 12, log_path: '/logs/b'},
      {stage: 'c', key: 'key-c', state: 'failed', duration_ms: 34, log_path: '/logs/c'},
      {stage: 'd', key: null, state: 'skipped', duration_ms: 0, log_path: null},
    ]);
  });

  it('keeps runs apart', () => {
    using cache = new TemporaryStore();
    const stages = {run: 0, cached: 0, failed: 0, skipped: 0};
    for (const outcome of ['done', 'cancelled'] as const) {
      const history = new RunHistory(cache.store.database, 'fgimage.yaml');
      history.note({type: 'run-finished', time, outcome, durationMs: 1, stages, outputs: []});
    }
    expect(cache.store.database.prepare('SELECT outcome FROM runs ORDER BY outcome').pluck().all()).toEqual([
      'cancelled',
      'done',
    ]);
  });
});
