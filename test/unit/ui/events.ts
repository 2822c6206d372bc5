import {type RunEvent, type StageFailure, sequence} from '../../../src/run/events.ts';
import {createView, type ViewOptions} from '../../../src/ui/view.ts';

/** Seconds of the story to milliseconds since the epoch. */
export function at(seconds: number): number {
  return 1_700_000_000_000 + seconds * 1000;
}

/** A SHA-256 that can be told from others. */
export function digest(letter: string): string {
  return letter.repeat(64);
}

export function planned(stage: string, title: string, dependsOn: readonly string[] = []): RunEvent {
  return {type: 'stage-planned', time: at(0), stage, kind: stage.split(':')[0] ?? '', title, dependsOn};
}

export function started(stage: string, seconds: number): RunEvent {
  return {
    type: 'stage-started',
    time: at(seconds),
    stage,
    key: digest('a'),
    logPath: `/cache/logs/live-${stage}.log`,
  };
}

export function finished(stage: string, seconds: number, durationMs: number): RunEvent {
  return {
    type: 'stage-finished',
    time: at(seconds),
    stage,
    digest: digest('d'),
    durationMs,
    log: digest('e'),
    unchanged: false,
  };
}

export function cached(stage: string, seconds: number, savedMs: number): RunEvent {
  return {
    type: 'stage-cached',
    time: at(seconds),
    stage,
    key: digest('a'),
    digest: digest('d'),
    from: 'local',
    savedMs,
  };
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

/**
 * One image for two targets, with every type of event: the base is cached, found damaged and fetched again, one target
 * is built, the other fails while it is packed.
 */
export const story: readonly RunEvent[] = [
  {
    type: 'run-started',
    time: at(0),
    version: 2,
    runId: '7d3f0c1e-0000-4000-8000-000000000001',
    file: 'fgimage.yaml',
    command: 'fgimage build web',
    images: ['web'],
  },
  planned('base:debian-bookworm', 'base debian bookworm'),
  planned('customize:web/packages', 'customize web: packages', ['base:debian-bookworm']),
  planned('pack:web/openstack', 'pack web for openstack', ['customize:web/packages']),
  planned('pack:web/hpc', 'pack web for hpc', ['customize:web/packages']),
  planned('test:web/openstack', 'test web on openstack', ['pack:web/openstack']),
  planned('test:web/hpc', 'test web on hpc', ['pack:web/hpc']),
  cached('base:debian-bookworm', 0.1, 41_200),
  {
    type: 'warning',
    time: at(0.1),
    message: 'The mirror\u001B[2J is past its Valid-Until',
    hint: 'Set os.snapshot',
    stage: 'customize:web/packages',
  },
  {
    type: 'content-corrupt',
    time: at(0.15),
    stage: 'base:debian-bookworm',
    digest: digest('d'),
    problem: 'usr/bin/jq is not what it was',
    place: '/cache/corrupt/dddd-1',
  },
  {
    type: 'stage-fetched',
    time: at(0.2),
    stage: 'base:debian-bookworm',
    sizeBytes: 95_420_416,
    durationMs: 50,
    from: 's3://images/fgimage',
  },
  {
    type: 'stage-started',
    time: at(0.2),
    stage: 'customize:web/packages',
    key: digest('a'),
    logPath: '/cache/logs/live-customize-web-packages.log',
    reasons: [
      {
        reason: 'package-added',
        package: 'nginx',
        list: 'install',
        position: {file: 'fgimage.yaml', line: 7, column: 5},
      },
      {reason: 'tool-missing', tool: 'apt-get'},
    ],
  },
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
    owner: {pid: 4711, host: 'builder', command: 'fgimage build web --target openstack', since: at(10)},
  },
  started('pack:web/hpc', 20.3),
  {
    type: 'stage-failed',
    time: at(23.5),
    stage: 'pack:web/hpc',
    durationMs: 3_200,
    failure: packFailure,
    log: digest('f'),
    keptWork: '/cache/kept/pack_web_hpc-aaaaaaaaaaaa',
  },
  {type: 'stage-skipped', time: at(23.5), stage: 'test:web/hpc', because: 'pack:web/hpc'},
  started('pack:web/openstack', 24),
  finished('pack:web/openstack', 30, 6_000),
  started('test:web/openstack', 30),
  progress('test:web/openstack', 45, 'booting (UEFI)'),
  {
    type: 'stage-finished',
    time: at(150),
    stage: 'test:web/openstack',
    digest: digest('d'),
    durationMs: 120_000,
    log: digest('e'),
    unchanged: true,
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
    savedMs: 41_200,
    criticalPath: [
      {stage: 'base:debian-bookworm', durationMs: 50},
      {stage: 'customize:web/packages', durationMs: 20_000},
      {stage: 'pack:web/openstack', durationMs: 9_700},
      {stage: 'test:web/openstack', durationMs: 120_000},
    ],
    trace: '/cache/traces/20231114T221320Z-7d3f0c1e.json',
    remote: 'remote: read-only, 1 of 6 hit, 91 MiB fetched',
    outputs: [
      {
        image: 'web',
        target: 'openstack',
        state: 'built',
        path: 'artifacts/web/openstack',
        file: 'web.qcow2',
        sizeBytes: 190_840_832,
        digest: digest('d'),
        tested: 'passed',
        durationMs: 126_000,
      },
      {image: 'web', target: 'hpc', state: 'failed', tested: 'not tested', durationMs: 3_200},
    ],
  },
];

/** The whole run was done before. */
export const cachedStory: readonly RunEvent[] = [
  {
    type: 'run-started',
    time: at(0),
    version: 2,
    runId: '7d3f0c1e-0000-4000-8000-000000000002',
    file: 'fgimage.yaml',
    command: 'fgimage build',
    images: ['web'],
  },
  planned('base:debian-bookworm', 'base debian bookworm'),
  planned('pack:web/openstack', 'pack web for openstack', ['base:debian-bookworm']),
  cached('base:debian-bookworm', 0.01, 41_200),
  {
    type: 'stage-cached',
    time: at(0.01),
    stage: 'pack:web/openstack',
    key: digest('b'),
    digest: digest('c'),
    from: 'remote',
    savedMs: 6_000,
    log: digest('e'),
  },
  {
    type: 'run-finished',
    time: at(0.02),
    outcome: 'done',
    durationMs: 20,
    stages: {run: 0, cached: 2, failed: 0, skipped: 0},
    savedMs: 47_200,
    criticalPath: [],
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
  const view = createView({mode: 'plain', verbose: false, replay: false, color: false, ...options, stream});
  const emit = sequence((event) => view.handle(event));
  for (const event of events) emit(event);
  await view.close();
  return text;
}

/** One image for three targets: registered, kept, refused. */
export const registrationStory: readonly RunEvent[] = [
  {
    type: 'run-started',
    time: at(0),
    version: 2,
    runId: '7d3f0c1e-0000-4000-8000-000000000003',
    file: 'fgimage.yaml',
    command: 'fgimage register web',
    images: ['web'],
  },
  registration('openstack', 1),
  {
    type: 'registration-progress',
    time: at(2),
    registration: 'register:web/openstack',
    message: 'Uploading disk.qcow2',
  },
  {
    type: 'registration-progress',
    time: at(12),
    registration: 'register:web/openstack',
    message: 'Uploading disk.qcow2',
    fraction: 0.5,
  },
  registration('ec2', 1),
  {
    type: 'registration-finished',
    time: at(2),
    registration: 'register:web/ec2',
    did: 'kept',
    endpoint: 'https://ec2.eu-west-1.example.org',
    id: 'ami-0123456789abcdef0',
    name: 'web-0123456789ab',
    durationMs: 1000,
    changed: [],
    removed: [],
    deprecated: ['ami-00000000000000000'],
  },
  {
    type: 'registration-finished',
    time: at(20),
    registration: 'register:web/openstack',
    did: 'created',
    endpoint: 'https://glance.example.org/v2',
    id: '0c5f3a4e-0000-5000-8000-000000000000',
    name: 'web',
    durationMs: 19_000,
    changed: [],
    removed: ['1c5f3a4e-0000-5000-8000-000000000000'],
    deprecated: [],
  },
  registration('one', 20),
  {
    type: 'registration-failed',
    time: at(21),
    registration: 'register:web/one',
    code: 'REMOTE_REFUSED',
    message: 'https://one.example.org/RPC2 refuses\u001B[2J: Not enough space in datastore',
    hint: 'Free some space there',
    durationMs: 1000,
  },
  {
    type: 'run-finished',
    time: at(21),
    outcome: 'failed',
    durationMs: 21_000,
    stages: {run: 0, cached: 0, failed: 0, skipped: 0},
    savedMs: 0,
    criticalPath: [],
    outputs: [],
  },
];

function registration(target: string, seconds: number): RunEvent {
  return {
    type: 'registration-started',
    time: at(seconds),
    registration: `register:web/${target}`,
    image: 'web',
    target,
    digest: digest('d'),
  };
}
