import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../../src/run/events.ts';
import {at, cachedStory, planned, printed, progress, started, story} from './events.ts';

describe('plain view', () => {
  it('prints one line a transition, then the summary', async () => {
    expect(await printed(story, {mode: 'plain'})).toMatchInlineSnapshot(`
      "building web of fgimage.yaml
      [base:debian-bookworm] cached (41 s saved)
      warning: customize:web/packages: The mirror is past its Valid-Until
        hint: Set os.snapshot
      [customize:web/packages] started
      [customize:web/packages] Downloading 40 of 80 MB (50 %)
      [customize:web/packages] Setting up nginx
      [customize:web/packages] finished in 20 s
      [pack:web/openstack] waiting for process 4711 on builder, which runs the same
      [pack:web/hpc] started
      [pack:web/hpc] failed after 3.2 s: mksquashfs exited with 1
      [test:web/hpc] not run: pack:web/hpc failed
      [pack:web/openstack] started
      [pack:web/openstack] finished in 6.0 s
      [test:web/openstack] started
      [test:web/openstack] booting (UEFI)
      [test:web/openstack] finished in 2m 00s, 2 checks passed

      pack:web/hpc failed after 3.2 s: mksquashfs exited with 1
        command: mksquashfs /tmp/tree root.squashfs -comp zstd
        last lines of the log:
          | Parallel mksquashfs: Using 2 processors
          | FATAL ERROR: write failed
        log: /cache/logs/pack-web-hpc.log
        hint: See what fills the disk: du -sh /cache
        not run because of it: test:web/hpc

      image  target     state      size  tested        time  path
      web    openstack  built   182 MiB  passed      2m 06s  artifacts/web/openstack/web.qcow2
      web    hpc        failed        -  not tested   3.2 s  -

      failed in 2m 30s: 3 stages run, 1 cached (41 s saved), 1 failed, 1 not run
      "
    `);
  });

  it('prints the log too when verbose, without its control sequences', async () => {
    const plain = (await printed(story, {mode: 'plain'})).split('\n');
    const verbose = (await printed(story, {mode: 'plain', verbose: true})).split('\n');
    expect(verbose.filter((line) => !plain.includes(line))).toMatchInlineSnapshot(`
      [
        "[customize:web/packages] | Selecting previously unselected package nginx.",
      ]
    `);
  });

  it('prints little when everything is cached', async () => {
    expect(await printed(cachedStory, {mode: 'plain'})).toMatchInlineSnapshot(`
      "building web of fgimage.yaml
      [base:debian-bookworm] cached (41 s saved)
      [pack:web/openstack] cached (6.0 s saved)

      image  target     state      size  tested  time  path
      web    openstack  cached  182 MiB  passed     -  artifacts/web/openstack/web.qcow2

      done in 20 ms: 0 stages run, 2 cached (47 s saved)
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
        outputs: [],
      },
    ];
    expect(await printed(events, {mode: 'plain'})).toMatchInlineSnapshot(`
      "[base:x] started
      [base:x] not run: cancelled

      cancelled in 2.0 s: 0 stages run, 0 cached, 1 not run
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
      pack:web/hpc failed after 3.2 s: mksquashfs exited with 1
        command: mksquashfs /tmp/tree root.squashfs -comp zstd
        last lines of the log:
          | Parallel mksquashfs: Using 2 processors
          | FATAL ERROR: write failed
        log: /cache/logs/pack-web-hpc.log
        hint: See what fills the disk: du -sh /cache
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
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(story);
  });
});
