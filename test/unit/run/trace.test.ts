import {readdirSync, readFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../../src/run/events.ts';
import {TraceRecorder, traceOf} from '../../../src/run/trace.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {at, cachedStory, digest, finished, planned, progress, started, story} from '../ui/events.ts';

/** Slices as `lane: name from-to s`, in the order in which they begin. */
function slices(events: readonly RunEvent[]): readonly string[] {
  return traceOf(events).traceEvents.flatMap((event) =>
    event.ph === 'X'
      ? [`${event.tid}: ${event.cat} ${event.name} ${event.ts / 1e6}-${(event.ts + event.dur) / 1e6}`]
      : [],
  );
}

function recorded(events: readonly RunEvent[]): TraceRecorder {
  const recorder = new TraceRecorder();
  for (const event of events) recorder.handle(event);
  return recorder;
}

/** A run of one stage that starts so many seconds into the story. */
function run(id: string, seconds: number): readonly RunEvent[] {
  return [
    {
      type: 'run-started',
      time: at(seconds),
      version: 2,
      runId: id,
      file: 'fgimage.yaml',
      command: 'fgimage build',
      images: [],
    },
    started('base:x', seconds),
    finished('base:x', seconds + 1, 1000),
  ];
}

describe('the trace of a run', () => {
  it('has a slice for all that took time, in as many lanes as ran side by side', () => {
    expect(slices(story)).toEqual([
      '1: fetch base:debian-bookworm 0.15-0.2',
      '1: stage customize:web/packages 0.2-20.2',
      '1: stage pack:web/hpc 20.3-23.5',
      '2: wait pack:web/openstack 20.3-24',
      '1: stage pack:web/openstack 24-30',
      '1: stage test:web/openstack 30-150',
    ]);
  });

  it('has what the viewers ask of the format', () => {
    const {traceEvents, displayTimeUnit} = traceOf(story);
    expect(displayTimeUnit).toBe('ms');
    const [process, ...others] = traceEvents;
    expect(process).toEqual({
      ph: 'M',
      name: 'process_name',
      pid: 1,
      tid: 0,
      args: {name: 'fgimage build web'},
    });
    expect(others.slice(0, 3).map(({name, tid, args}) => [name, tid, args['name']])).toEqual([
      ['thread_name', 0, 'cache'],
      ['thread_name', 1, 'lane 1'],
      ['thread_name', 2, 'lane 2'],
    ]);
    for (const event of traceEvents) {
      expect(Number.isInteger(event.pid) && Number.isInteger(event.tid)).toBe(true);
      if (event.ph === 'M') continue;
      expect(Number.isInteger(event.ts) && event.ts >= 0).toBe(true);
      if (event.ph === 'X') expect(Number.isInteger(event.dur) && event.dur >= 0).toBe(true);
      else expect(['t', 'p']).toContain(event.s);
    }
  });

  it('says of a stage what became of it, and tells cached stages and warnings as instants', () => {
    const {traceEvents} = traceOf(story);
    const named = (name: string): unknown => traceEvents.find((event) => event.name === name)?.args;
    expect(named('pack:web/hpc')).toMatchObject({
      key: digest('a'),
      state: 'failed',
      reason: 'command-failed',
      log: digest('f'),
    });
    expect(named('test:web/openstack')).toMatchObject({
      state: 'run',
      digest: digest('d'),
      log: digest('e'),
      unchanged: true,
    });
    const instants = traceEvents.flatMap((event) =>
      event.ph === 'i' ? [`${event.cat}: ${event.name}`] : [],
    );
    expect(instants).toEqual([
      'cached: base:debian-bookworm',
      'warning: The mirror\u001B[2J is past its Valid-Until',
      'warning: corrupt: base:debian-bookworm',
    ]);
  });

  it('ends what a cancelled run left open, and what started twice', () => {
    const events: readonly RunEvent[] = [
      ...run('r', 0).slice(0, 1),
      planned('base:x', 'base x'),
      started('base:x', 1),
      started('base:x', 4),
      started('base:y', 5),
      {type: 'stage-skipped', time: at(6), stage: 'base:x'},
      {type: 'warning', time: at(9), message: 'end'},
    ];
    expect(slices(events)).toEqual(['1: stage base:x 1-4', '1: stage base:x 4-6', '2: stage base:y 5-9']);
  });
});

describe('TraceRecorder', () => {
  it('writes the trace of a run to a file named after it, and nothing else', () => {
    using folder = new TemporaryFolder();
    const path = recorded(story).write(folder.join('traces'));
    expect(path).toBe(folder.join('traces/20231114T221320Z-7d3f0c1e.json'));
    expect(readdirSync(folder.join('traces'))).toEqual(['20231114T221320Z-7d3f0c1e.json']);
    const written: unknown = JSON.parse(readFileSync(path ?? '', 'utf8'));
    expect(written).toEqual(JSON.parse(JSON.stringify(traceOf(story))));
  });

  it('writes nothing when nothing ran', () => {
    using folder = new TemporaryFolder();
    expect(recorded(cachedStory).write(folder.path)).toBeUndefined();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('keeps the last 20, and removes what a killed process left half written', () => {
    using folder = new TemporaryFolder({'.20200101T000000Z-dead.json': '{"traceEv'});
    for (let index = 0; index < 25; index += 1) recorded(run(`run${index}`, index)).write(folder.path);
    expect(readdirSync(folder.path).sort()).toEqual(
      Array.from({length: 20}, (_, index) => `20231114T2213${25 + index}Z-run${index + 5}.json`),
    );
  });

  it('gives no path when the folder cannot be written: a build does not fail for it', () => {
    using folder = new TemporaryFolder({file: ''});
    expect(recorded(story).write(folder.join('file'))).toBeUndefined();
    expect(recorded(story).write(folder.join('file/traces'))).toBeUndefined();
  });

  it('records neither logs nor progress', () => {
    const recorder = recorded([
      ...run('r', 0),
      progress('base:x', 0, 'Unpacking'),
      {type: 'stage-log', time: at(0), stage: 'base:x', line: 'text'},
    ]);
    expect(recorder.events).toEqual(run('r', 0));
  });
});
