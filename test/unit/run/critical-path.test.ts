import {describe, expect, it} from 'vitest';
import {criticalPath} from '../../../src/run/critical-path.ts';
import type {RunEvent} from '../../../src/run/events.ts';
import {at, cached, cachedStory, finished, planned, started, story} from '../ui/events.ts';

function path(events: readonly RunEvent[]): readonly string[] {
  return criticalPath(events).map(({stage, durationMs}) => `${stage} ${durationMs / 1000}`);
}

function ran(stage: string, from: number, to: number): readonly RunEvent[] {
  return [started(stage, from), finished(stage, to, (to - from) * 1000)];
}

function waiting(stage: string, seconds: number): RunEvent {
  const owner = {pid: 1, host: 'h', command: 'fgimage build', since: at(0)};
  return {type: 'stage-waiting', time: at(seconds), stage, owner};
}

describe('criticalPath()', () => {
  it('goes back from what ended last to what it waited for longest', () => {
    const events = [
      planned('archive', 'archive'),
      planned('base', 'base'),
      planned('slow', 'slow', ['archive', 'base']),
      planned('quick', 'quick', ['archive', 'base']),
      planned('pack', 'pack', ['base', 'quick', 'slow']),
      ...ran('archive', 0, 4),
      ...ran('base', 0, 18),
      ...ran('quick', 18, 20),
      ...ran('slow', 18, 30),
      ...ran('pack', 31, 40),
    ];
    expect(path(events)).toEqual(['base 18', 'slow 12', 'pack 9']);
  });

  it('is that of the story, the fetched base included and the failed target not', () => {
    expect(path(story)).toEqual([
      'base:debian-bookworm 0.05',
      'customize:web/packages 20',
      'pack:web/openstack 9.7',
      'test:web/openstack 120',
    ]);
  });

  it('passes through cached stages to what ran below them', () => {
    const events = [
      planned('base', 'base'),
      planned('layer', 'layer', ['base']),
      planned('other', 'other'),
      planned('pack', 'pack', ['other', 'layer']),
      cached('other', 0, 1000),
      ...ran('base', 0, 18),
      cached('layer', 18, 5000),
      ...ran('pack', 18, 20),
    ];
    expect(path(events)).toEqual(['base 18', 'pack 2']);
  });

  it('counts the time for which another process was waited for, with what ran after it', () => {
    const plan = [planned('base', 'base'), planned('pack', 'pack', ['base'])];
    expect(path([...plan, waiting('base', 1), cached('base', 9, 100), ...ran('pack', 9, 10)])).toEqual([
      'base 8',
      'pack 1',
    ]);
    expect(path([...plan, waiting('base', 1), ...ran('base', 3, 9), ...ran('pack', 9, 10)])).toEqual([
      'base 8',
      'pack 1',
    ]);
  });

  it('counts a cached stage that had to run after all from when it started', () => {
    const events = [
      planned('base', 'base'),
      planned('pack', 'pack', ['base']),
      cached('base', 0, 18_000),
      ...ran('base', 5, 20),
      ...ran('pack', 20, 21),
    ];
    expect(path(events)).toEqual(['base 15', 'pack 1']);
  });

  it('keeps what a stage took that is found in the cache when the graph is gone through once more', () => {
    const plan = [planned('base', 'base'), planned('pack', 'pack', ['base'])];
    const first = [...ran('base', 0, 18), ...ran('pack', 18, 27)];
    expect(path([...plan, ...first, cached('base', 28, 18_000), ...ran('pack', 28, 37)])).toEqual([
      'base 18',
      'pack 9',
    ]);
  });

  it('ends with what failed last; what was cancelled is not on it', () => {
    const plan = [planned('base', 'base'), planned('pack', 'pack', ['base']), planned('x', 'x')];
    const failed: RunEvent = {
      type: 'stage-failed',
      time: at(25),
      stage: 'pack',
      durationMs: 5000,
      failure: {reason: 'refused', message: 'no', hint: ''},
    };
    const cancelled: readonly RunEvent[] = [
      started('x', 0),
      {type: 'stage-skipped', time: at(26), stage: 'x'},
    ];
    expect(path([...plan, ...ran('base', 0, 20), started('pack', 20), failed, ...cancelled])).toEqual([
      'base 20',
      'pack 5',
    ]);
  });

  it('is empty when nothing ran', () => {
    expect(path(cachedStory)).toEqual([]);
    expect(path([])).toEqual([]);
  });

  it('takes a chain of ten thousand stages', () => {
    const ids = Array.from({length: 10_000}, (_, index) => `s${index}`);
    const events = ids.flatMap((id, index) => [
      planned(id, id, index === 0 ? [] : [`s${index - 1}`]),
      ...ran(id, index, index + 1),
    ]);
    expect(path(events)).toHaveLength(10_000);
  });
});
