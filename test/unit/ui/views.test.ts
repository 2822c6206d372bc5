import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../../src/run/events.ts';
import {at, cached, cachedStory, finished, planned, printed, progress, started, story} from './events.ts';

function log(stage: string, line: string): RunEvent {
  return {type: 'stage-log', time: at(1), stage, line};
}

/** A stage whose log is replayed, and one that runs. */
const replayed: readonly RunEvent[] = [
  planned('base:x', 'base x'),
  planned('customize:web/packages', 'customize web: packages', ['base:x']),
  cached('base:x', 0, 18_000),
  log('base:x', 'I: \u001B[1mretrieving\u001B[0m'),
  log('base:x', ''),
  started('customize:web/packages', 1),
  log('customize:web/packages', 'Unpacking'),
  finished('customize:web/packages', 2, 1000),
];

/** What closes a run of two minutes with this critical path. */
async function footer(path: readonly (readonly [stage: string, seconds: number])[]): Promise<string> {
  const events: readonly RunEvent[] = [
    {
      type: 'run-finished',
      time: at(120),
      outcome: 'done',
      durationMs: 120_000,
      stages: {run: path.length, cached: 0, failed: 0, skipped: 0},
      savedMs: 0,
      criticalPath: path.map(([stage, seconds]) => ({stage, durationMs: seconds * 1000})),
      outputs: [],
    },
  ];
  return printed(events, {});
}

describe('plain view', () => {
  it('prints one line a transition, then the summary', async () => {
    expect(await printed(story, {mode: 'plain'})).toMatchInlineSnapshot(`
      "building web of fgimage.yaml
      [base:debian-bookworm] cached (41 s saved)
      warning: customize:web/packages: The mirror is past its Valid-Until
        hint: Set os.snapshot
      warning: base:debian-bookworm: its content dddddddddddd was damaged and does not count any more: usr/bin/jq is not what it was
        hint: It was set aside as /cache/corrupt/dddd-1; look at the disk and the memory of this machine
      [base:debian-bookworm] fetched 91 MiB from s3://images/fgimage in 50 ms
      [customize:web/packages] started: package added: nginx (fgimage.yaml:7:5), and 1 more reason
      [customize:web/packages] Downloading 40 of 80 MB (50 %)
      [customize:web/packages] Setting up nginx
      [customize:web/packages] finished in 20 s
      [pack:web/openstack] waiting for process 4711 on builder, which runs the same since 22:13:30 UTC: fgimage build web --target openstack
      [pack:web/hpc] started
      [pack:web/hpc] failed after 3.2 s: mksquashfs exited with 1
      [test:web/hpc] not run: pack:web/hpc failed
      [pack:web/openstack] started
      [pack:web/openstack] finished in 6.0 s
      [test:web/openstack] started
      [test:web/openstack] booting (UEFI)
      [test:web/openstack] finished in 2m 00s, same content as before, 2 checks passed

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

  it('prints the log too when verbose, without its control sequences', async () => {
    const plain = (await printed(story, {mode: 'plain'})).split('\n');
    const verbose = (await printed(story, {mode: 'plain', verbose: true})).split('\n');
    expect(verbose.filter((line) => !plain.includes(line))).toMatchInlineSnapshot(`
      [
        "[customize:web/packages] | Selecting previously unselected package nginx.",
        "trace: /cache/traces/20231114T221320Z-7d3f0c1e.json",
      ]
    `);
  });

  it('prints little when everything is cached', async () => {
    expect(await printed(cachedStory, {mode: 'plain'})).toMatchInlineSnapshot(`
      "building web of fgimage.yaml
      [base:debian-bookworm] cached (41 s saved)
      [pack:web/openstack] in the remote cache (6.0 s saved)

      image  target     state      size  tested  time  path
      web    openstack  cached  182 MiB  passed     -  artifacts/web/openstack/web.qcow2

      done in 20 ms: 0 stages run, 2 of 2 cached (47 s saved)
      "
    `);
  });

  it('tells a stage that was cached and runs after all as what it became', async () => {
    const events: readonly RunEvent[] = [
      planned('base:x', 'base x'),
      cached('base:x', 0, 18_000),
      {...started('base:x', 1), reasons: [{reason: 'content-missing'}]} as RunEvent,
      finished('base:x', 20, 19_000),
    ];
    expect(await printed(events, {})).toMatchInlineSnapshot(`
      "[base:x] cached (18 s saved)
      [base:x] started: its content is gone from the cache
      [base:x] finished in 19 s
      "
    `);
  });

  it('prints the logs of cached stages when asked to replay them, those that run only when verbose', async () => {
    expect(await printed(replayed, {replay: true})).toMatchInlineSnapshot(`
      "[base:x] cached (18 s saved)
      [base:x] | I: retrieving
      [base:x] |
      [customize:web/packages] started
      [customize:web/packages] finished in 1.0 s
      "
    `);
    expect(await printed(replayed, {})).toMatchInlineSnapshot(`
      "[base:x] cached (18 s saved)
      [customize:web/packages] started
      [customize:web/packages] finished in 1.0 s
      "
    `);
  });

  it('names the longest stages of a long critical path, and the last', async () => {
    const path = [
      ['archive:debian-bookworm', 4],
      ['base:debian-bookworm', 18],
      ['customize:web/kernel', 9],
      ['customize:web/platform', 2],
      ['customize:web/settings', 1],
      ['customize:web/files', 1],
      ['customize:web/provision-1', 8],
      ['adapt:web/hpc', 5],
      ['pack:web/hpc', 3],
    ] as const;
    expect(await footer(path)).toMatchInlineSnapshot(`
      "
      done in 2m 00s: 9 stages run, 0 of 9 cached
      critical path: archive 4.0 s → base 18 s → kernel 9.0 s → … → provision-1 8.0 s → adapt 5.0 s → pack:web/hpc 3.0 s (51 s of 2m 00s)
      "
    `);
    expect(await footer([['pack:web/hpc', 3]])).toMatchInlineSnapshot(`
      "
      done in 2m 00s: 1 stage run, 0 of 1 cached
      critical path: pack:web/hpc 3.0 s (3.0 s of 2m 00s)
      "
    `);
  });

  it('says what a cancelled run left undone', async () => {
    const events: readonly RunEvent[] = [
      planned('base:x', 'base x'),
      started('base:x', 1),
      {type: 'stage-skipped', time: at(2), stage: 'base:x'},
      {
        type: 'run-finished',
        time: at(2),
        outcome: 'cancelled',
        durationMs: 2000,
        stages: {run: 0, cached: 0, failed: 0, skipped: 1},
        savedMs: 0,
        criticalPath: [],
        outputs: [],
      },
    ];
    expect(await printed(events, {mode: 'plain'})).toMatchInlineSnapshot(`
      "[base:x] started
      [base:x] not run: cancelled

      cancelled in 2.0 s: 0 stages run, 0 of 1 cached, 1 not run
      "
    `);
  });

  it('thins out progress to tenths two seconds apart, or one line every ten seconds', async () => {
    const downloading = Array.from({length: 101}, (_, step) =>
      progress('base:x', 1 + step / 20, 'Downloading', step / 100),
    );
    const unpacking = Array.from({length: 25}, (_, step) =>
      progress('base:x', 7 + step, `Unpacking ${step}`),
    );
    const again = [0.05, 0.2, 0.3].map((fraction, step) =>
      progress('base:x', 40 + step * 3, 'Copying', fraction),
    );
    expect(
      await printed(
        [planned('base:x', 'base x'), started('base:x', 1), ...downloading, ...unpacking, ...again],
        {},
      ),
    ).toMatchInlineSnapshot(`
      "[base:x] started
      [base:x] Downloading (40 %)
      [base:x] Downloading (80 %)
      [base:x] Unpacking 8
      [base:x] Unpacking 18
      [base:x] Copying (5 %)
      [base:x] Copying (20 %)
      [base:x] Copying (30 %)
      "
    `);
  });
});

describe('quiet view', () => {
  it('prints warnings, failures and where the outputs are', async () => {
    expect(await printed(story, {mode: 'quiet'})).toMatchInlineSnapshot(`
      "warning: customize:web/packages: The mirror is past its Valid-Until
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
      artifacts/web/openstack/web.qcow2
      "
    `);
  });

  it('prints the paths alone when all is well', async () => {
    expect(await printed(cachedStory, {mode: 'quiet'})).toMatchInlineSnapshot(`
      "artifacts/web/openstack/web.qcow2
      "
    `);
  });
});

describe('json view', () => {
  it('prints each event on a line of its own and nothing else', async () => {
    const lines = (await printed(story, {mode: 'json', color: true, verbose: true})).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      story.map((event, index) => ({seq: index + 1, ...event})),
    );
  });
});
