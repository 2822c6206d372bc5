import type {RunEvent, StageFailure} from '../../../src/run/events.ts';
import {createView, type ViewOptions} from '../../../src/ui/view.ts';

/** Seconds of the story to milliseconds since the epoch. */
export function at(seconds: number): number {
  return 1_700_000_000_000 + seconds * 1000;
}

export function planned(stage: string, title: string, dependsOn: readonly string[] = []): RunEvent {
  return {type: 'stage-planned', time: at(0), stage, kind: stage.split(':')[0] ?? '', title, dependsOn};
}

export function started(stage: string, seconds: number): RunEvent {
  return {type: 'stage-started', time: at(seconds), stage, key: 'k', logPath: `/cache/logs/${stage}.log`};
}

export function finished(stage: string, seconds: number, durationMs: number): RunEvent {
  return {type: 'stage-finished', time: at(seconds), stage, digest: 'd', durationMs};
}

export function progress(stage: string, seconds: number, message: string, fraction?: number): RunEvent {
  return {
    type: 'stage-progress',
    time: at(seconds),
    stage,
    message,
    ...(fraction === undefined ? {} : {fraction}),
  };
}

const packFailure: StageFailure = {
  reason: 'command-failed',
  command: ['mksquashfs', '/tmp/tree', 'root.squashfs', '-comp', 'zstd'],
  exitCode: 1,
  signal: null,
  lastLines: [
    'Parallel mksquashfs: Using 2 processors',
    '\u001B[31mFATAL ERROR\u001B[0m: write failed\u0007',
  ],
  logPath: '/cache/logs/pack-web-hpc.log',
  hint: 'See what fills the disk: du -sh /cache',
};

/** One image for two targets: the base is cached, one target is built, the other fails while it is packed. */
export const story: readonly RunEvent[] = [
  {type: 'run-started', time: at(0), version: 1, runId: 'r1', file: 'fgimage.yaml', images: ['web']},
  planned('base:debian-bookworm', 'base debian bookworm'),
  planned('customize:web/packages', 'customize web: packages', ['base:debian-bookworm']),
  planned('pack:web/openstack', 'pack web for openstack', ['customize:web/packages']),
  planned('pack:web/hpc', 'pack web for hpc', ['customize:web/packages']),
  planned('test:web/openstack', 'test web on openstack', ['pack:web/openstack']),
  planned('test:web/hpc', 'test web on hpc', ['pack:web/hpc']),
  {
    type: 'stage-cached',
    time: at(0.1),
    stage: 'base:debian-bookworm',
    key: 'k',
    digest: 'd',
    savedMs: 41_200,
  },
  {
    type: 'warning',
    time: at(0.1),
    message: 'The mirror\u001B[2J is past its Valid-Until',
    hint: 'Set os.snapshot',
    stage: 'customize:web/packages',
  },
  started('customize:web/packages', 0.2),
  progress('customize:web/packages', 1, 'Downloading 12 of 80 MB', 0.15),
  progress('customize:web/packages', 3, 'Downloading 40 of 80 MB', 0.5),
  progress('customize:web/packages', 4, 'Downloading 60 of 80 MB', 0.75),
  {
    type: 'stage-log',
    time: at(5),
    stage: 'customize:web/packages',
    line: 'Selecting previously \u001B[1munselected\u001B[0m package nginx.\r',
  },
  progress('customize:web/packages', 6, 'Unpacking nginx'),
  progress('customize:web/packages', 14, 'Setting up nginx'),
  finished('customize:web/packages', 20.2, 20_000),
  {
    type: 'stage-waiting',
    time: at(20.3),
    stage: 'pack:web/openstack',
    owner: {pid: 4711, host: 'builder', since: at(10)},
  },
  started('pack:web/hpc', 20.3),
  {type: 'stage-failed', time: at(23.5), stage: 'pack:web/hpc', durationMs: 3_200, failure: packFailure},
  {type: 'stage-skipped', time: at(23.5), stage: 'test:web/hpc', because: 'pack:web/hpc'},
  started('pack:web/openstack', 24),
  finished('pack:web/openstack', 30, 6_000),
  started('test:web/openstack', 30),
  progress('test:web/openstack', 45, 'booting (UEFI)'),
  {
    type: 'stage-finished',
    time: at(150),
    stage: 'test:web/openstack',
    digest: 'd',
    durationMs: 120_000,
    checks: [
      {name: 'uefi: systemd reached its target', passed: true},
      {name: 'uefi: no failed unit', passed: true},
    ],
  },
  {
    type: 'run-finished',
    time: at(150.1),
    outcome: 'failed',
    durationMs: 150_100,
    stages: {run: 3, cached: 1, failed: 1, skipped: 1},
    outputs: [
      {
        image: 'web',
        target: 'openstack',
        state: 'built',
        path: 'artifacts/web/openstack',
        file: 'web.qcow2',
        sizeBytes: 190_840_832,
        digest: 'd',
        tested: 'passed',
        durationMs: 126_000,
      },
      {image: 'web', target: 'hpc', state: 'failed', tested: 'not tested', durationMs: 3_200},
    ],
  },
];

/** The whole run was done before. */
export const cachedStory: readonly RunEvent[] = [
  {type: 'run-started', time: at(0), version: 1, runId: 'r2', file: 'fgimage.yaml', images: ['web']},
  planned('base:debian-bookworm', 'base debian bookworm'),
  planned('pack:web/openstack', 'pack web for openstack', ['base:debian-bookworm']),
  {
    type: 'stage-cached',
    time: at(0.01),
    stage: 'base:debian-bookworm',
    key: 'k',
    digest: 'd',
    savedMs: 41_200,
  },
  {type: 'stage-cached', time: at(0.01), stage: 'pack:web/openstack', key: 'k', digest: 'd', savedMs: 6_000},
  {
    type: 'run-finished',
    time: at(0.02),
    outcome: 'done',
    durationMs: 20,
    stages: {run: 0, cached: 2, failed: 0, skipped: 0},
    outputs: [
      {
        image: 'web',
        target: 'openstack',
        state: 'cached',
        path: 'artifacts/web/openstack',
        file: 'web.qcow2',
        sizeBytes: 190_840_832,
        tested: 'passed',
      },
    ],
  },
];

/** Everything that a view prints for these events. */
export async function printed(
  events: readonly RunEvent[],
  options: Partial<Omit<ViewOptions, 'stream'>>,
): Promise<string> {
  let text = '';
  const stream = {
    write(chunk: string) {
      text += chunk;
    },
  };
  const view = createView({mode: 'plain', verbose: false, color: false, ...options, stream});
  for (const event of events) view.handle(event);
  await view.close();
  return text;
}
