import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../../src/run/events.ts';
import {formatCounts, formatStage, visibleStages} from '../../../src/ui/frame.ts';
import {startLiveList} from '../../../src/ui/live-list.ts';
import {RunModel} from '../../../src/ui/model.ts';
import {createStyle} from '../../../src/ui/style.ts';
import {at, cached, cachedStory, finished, planned, printed, progress, started, story} from './events.ts';

function modelOf(events: readonly RunEvent[]): RunModel {
  const model = new RunModel();
  for (const event of events) model.apply(event);
  return model;
}

function frame(
  events: readonly RunEvent[],
  {columns = 80, rows = 24, seconds = 60, verbose = false} = {},
): string {
  const model = modelOf(events);
  const now = at(seconds);
  const stages = visibleStages(model, {columns, rows}).map((stage) =>
    formatStage(stage, {columns, now, verbose}),
  );
  return [...stages, formatCounts(model, {columns, now})].join('\n');
}

function until(type: RunEvent['type'], stage: string): readonly RunEvent[] {
  return story.slice(
    0,
    story.findIndex((event) => event.type === type && 'stage' in event && event.stage === stage),
  );
}

describe('a frame of the live list', () => {
  it('shows what runs, for how long and what it does', () => {
    expect(frame(until('stage-log', 'customize:web/packages'), {seconds: 5})).toMatchInlineSnapshot(`
      "base debian bookworm  cached, 41 s saved
      customize web: packages  4 s  75 %  Downloading 60 of 80 MB
      1 running, 1 cached, 4 to come  5 s"
    `);
  });

  it('drops the per cent of the download once something else is done, and shows the log when verbose', () => {
    const events = until('stage-finished', 'customize:web/packages');
    expect(frame(events, {seconds: 15})).toMatchInlineSnapshot(`
      "base debian bookworm  cached, 41 s saved
      customize web: packages  14 s  Setting up nginx
      1 running, 1 cached, 4 to come  15 s"
    `);
    expect(frame(events, {seconds: 15, verbose: true})).toMatchInlineSnapshot(`
      "base debian bookworm  cached, 41 s saved
      customize web: packages  14 s  Selecting previously unselected package nginx.
      1 running, 1 cached, 4 to come  15 s"
    `);
  });

  it('shows a stage that was cached and runs after all as running, and then as what it gave', () => {
    const base = 'base:debian-bookworm';
    const events = [...until('content-corrupt', base), started(base, 1), progress(base, 2, 'Unpacking', 0.5)];
    expect(frame(events, {seconds: 4})).toMatchInlineSnapshot(`
      "base debian bookworm  3 s  50 %  Unpacking
      1 running, 5 to come  4 s"
    `);
    const done = {...finished(base, 20, 19_000), unchanged: true} as RunEvent;
    expect(frame([...events, done], {seconds: 20})).toMatchInlineSnapshot(`
      "base debian bookworm  19 s, same content as before
      1 done, 5 to come  20 s"
    `);
  });

  it('leaves a stage that ran as done when it is found in the cache afterwards', () => {
    const events = [planned('base:x', 'base x'), started('base:x', 0), finished('base:x', 9, 9000)];
    expect(frame([...events, cached('base:x', 10, 9000)], {seconds: 10})).toBe('base x  9.0 s\n1 done  0 s');
  });

  it('tells which cache knew a stage', () => {
    expect(frame(cachedStory, {seconds: 1})).toMatchInlineSnapshot(`
      "base debian bookworm  cached, 41 s saved
      pack web for openstack  in the remote cache, 6.0 s saved
      2 cached  1 s"
    `);
  });

  it('marks failed stages, those not run because of them, and waiting for another process', () => {
    expect(frame(until('stage-started', 'pack:web/openstack'), {seconds: 24})).toMatchInlineSnapshot(`
      "base debian bookworm  cached, 41 s saved
      customize web: packages  20 s
      pack web for openstack  3 s  waiting for process 4711 on builder, which runs…
      pack web for hpc  failed after 3.2 s: mksquashfs exited with 1
      test web on hpc  not run: pack:web/hpc failed
      1 waiting for another process, 1 done, 1 cached, 1 failed, 1 not run, 1 to c…"
    `);
  });

  it('is neither wider nor taller than the terminal: work first, then failures, then the latest of the rest', () => {
    const many = Array.from({length: 50}, (_, index) => `pack:i${index}/openstack`);
    const failed = story.filter(({type}) => type === 'stage-failed');
    const events = [
      ...many.map((stage) => planned(stage, `pack ${stage}`)),
      ...many.slice(0, 40).map((stage) => started(stage, 1)),
      ...many.slice(0, 38).map((stage, index) => finished(stage, 2 + index, 1000)),
      ...failed.map((event) => ({...event, stage: 'pack:i3/openstack'})),
    ];
    expect(frame(events, {columns: 40, rows: 8})).toMatchInlineSnapshot(`
      "pack pack:i3/openstack  failed after…
      pack pack:i35/openstack  1.0 s
      pack pack:i36/openstack  1.0 s
      pack pack:i37/openstack  1.0 s
      pack pack:i38/openstack  59 s
      pack pack:i39/openstack  59 s
      2 running, 37 done, 1 failed, 10 to …"
    `);
  });
});

describe('tty view', () => {
  it('leaves what ran, warnings and the summary', async () => {
    const text = await printed(cachedStory, {mode: 'tty', columns: 80, rows: 24});
    expect(text).toMatchInlineSnapshot(`
      "
      image  target     state      size  tested  time  path
      web    openstack  cached  182 MiB  passed     -  artifacts/web/openstack/web.qcow2

      done in 20 ms: 0 stages run, 2 of 2 cached (47 s saved)
      "
    `);
  });

  it('draws with listr2, removes the list and shows the cursor again', async () => {
    const text = await printed(story, {mode: 'tty', columns: 100, rows: 24});
    const hide = text.indexOf('\u001B[?25l');
    const show = text.lastIndexOf('\u001B[?25h');
    expect(hide).toBe(0);
    expect(show).toBeGreaterThan(hide);
    expect(text.slice(show + '\u001B[?25h'.length)).toMatchInlineSnapshot(`
      "✔ customize web: packages  20 s
      ✔ pack web for openstack  6.0 s
      ✖ pack web for hpc  failed after 3.2 s: mksquashfs exited with 1
      ✔ test web on openstack  2m 00s, same content as before
      ↓ test web on hpc  not run: pack:web/hpc failed
      warning: customize:web/packages: The mirror is past its Valid-Until
        hint: Set os.snapshot
      warning: base:debian-bookworm: its content dddddddddddd was damaged and does not count any more: usr/bin/jq is not what it was
        hint: It was set aside as /cache/corrupt/dddd-1; look at the disk and the memory of this machine

      pack:web/hpc failed after 3.2 s: mksquashfs exited with 1
        command: mksquashfs /tmp/tree root.squashfs -comp zstd
        last lines of the log:
          | Parallel mksquashfs: Using 2 processors
          | FATAL ERROR: write failed
        log: /cache/logs/pack-web-hpc.log
        hint: See what fills the disk: du -sh /cache
        its work is kept; to run its last command again: /cache/kept/pack_web_hpc-aaaaaaaaaaaa/rerun.sh
        not run because of it: test:web/hpc

      image  target     state      size  tested        time  path
      web    openstack  built   182 MiB  passed      2m 06s  artifacts/web/openstack/web.qcow2
      web    hpc        failed        -  not tested   3.2 s  -

      failed in 2m 30s: 3 stages run, 1 of 6 cached (41 s saved), 1 failed, 1 not run
      critical path: base 50 ms → packages 20 s → pack 9.7 s → test:web/openstack 2m 00s (2m 30s of 2m 30s)
      remote: read-only, 1 of 6 hit, 91 MiB fetched
      "
    `);
  });

  it('prints replayed logs at once while nothing runs, and after the list when something does', async () => {
    const events: readonly RunEvent[] = [
      planned('base:x', 'base x'),
      planned('base:y', 'base y'),
      cached('base:x', 0, 1000),
      {type: 'stage-log', time: at(0), stage: 'base:x', line: 'one\u001B[2J'},
    ];
    expect(await printed(events, {mode: 'tty', replay: true})).toBe('[base:x] | one\n');
    expect(await printed(events, {mode: 'tty'})).toBe('');
    const text = await printed(
      [...events.slice(0, 3), started('base:y', 1), ...events.slice(3), finished('base:y', 2, 1000)],
      {mode: 'tty', replay: true, columns: 80, rows: 24},
    );
    expect(text.slice(text.lastIndexOf('\u001B[?25h') + '\u001B[?25h'.length)).toMatchInlineSnapshot(`
      "[base:x] | one
      ✔ base y  1.0 s
      "
    `);
  });

  it('may be closed twice and before anything began', async () => {
    expect(await printed([], {mode: 'tty'})).toBe('');
  });
});

describe('live list', () => {
  it('never writes more lines than the terminal has, though every stage runs', async () => {
    const many = Array.from({length: 30}, (_, index) => `base:i${index}`);
    const model = modelOf([
      ...many.map((stage) => planned(stage, stage)),
      ...many.map((stage) => started(stage, 1)),
    ]);
    const frames: string[] = [];
    const stream = {write: (text: string) => frames.push(text)};
    const list = startLiveList({
      model,
      stream,
      style: createStyle(false),
      verbose: false,
      size: () => ({columns: 60, rows: 10}),
    });
    await list.stop();
    const heights = frames.map((text) => text.split('\n').length);
    expect(Math.max(...heights)).toBe(10);
    expect(frames.join('')).toContain('30 running');
  });
});
