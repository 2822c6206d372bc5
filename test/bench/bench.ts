import {spawnSync} from 'node:child_process';
import {linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';
import type {RunEvent} from '../../src/run/events.ts';
import {mkosiRun} from './mkosi.ts';
import {LargeTree} from './pack.ts';
import {roundTrips} from './registering.ts';
import {timelineOf, timelineSvg} from './timeline.ts';

/**
 * `npm run bench [-- --runs n] [--svg file]`: what fgimage costs, as ratios of medians against peers timed in the same
 * run, turn by turn. Network is touched once, to fill the package cache that all share. Nothing is removed before the
 * end: ext4 is slow to reuse inodes that were just freed, and whoever comes next would pay for it.
 */
const runs = Number(argument('--runs') ?? 3) || 3;
const svg = argument('--svg') ?? 'bench.svg';
const folder = mkdtempSync(join(tmpdir(), 'fgimage-bench-'));
const packages = join(folder, 'packages');
const cli = join(packageRoot, 'dist/src/cli/main.js');

interface Variant {
  readonly added?: readonly string[];
  /** Targets as they stand in the spec. */
  readonly targets: readonly string[];
  /** One image for each, with a package of its own; absent: one image. */
  readonly images?: readonly string[];
}

const one: Variant = {targets: ['openstack: {}']};
/** Six clouds. */
const six: Variant = {
  targets: ['openstack: {}', 'ec2: {}', 'eucalyptus: {}', 'opennebula: {}', 'nimbus: {}', 'azure: {}'],
};

/** What each of ten images has that the others have not. */
const own = ['bc', 'file', 'jq', 'lsof', 'make', 'nano', 'strace', 'time', 'tree', 'zip'];

const spec = ({added = [], targets, images = []}: Variant): string => `version: 1
name: bench
os: {distribution: debian, release: bookworm}
packages: [${['openssh-server', 'curl', 'sudo', 'rsync', 'less', ...added].join(', ')}]
targets: {${targets.join(', ')}}
${images.length === 0 ? '' : 'images:\n'}${images.map((name) => `  with-${name}: {packages: [${name}]}\n`).join('')}`;

interface Manifest {
  readonly packages: readonly {readonly name: string}[];
}

try {
  mkdirSync(packages);
  process.stdout.write(`${String(runs)} runs, medians; in ${folder}\n`);
  const first = build('warm', {...six, added: own}, {share: false});
  keepPackages(join(first.project, 'cache/packages'));
  const listed = build('list', one);
  const manifest = join(listed.project, 'artifacts/bench/openstack/manifest.json');
  const installed = (JSON.parse(readFileSync(manifest, 'utf8')) as Manifest).packages.map(({name}) => name);
  const times: Record<string, number[]> = {};
  const note = (name: string, seconds: number): void => {
    times[name] = [...(times[name] ?? []), seconds];
  };
  let noMkosi: string | undefined;
  let events: readonly (readonly [string, readonly RunEvent[]])[] = [];

  const large = new LargeTree({folder: join(folder, 'large'), packages, cli});
  process.stdout.write(`the tree that is packed has ${String(large.treeMegabytes)} MB\n`);

  for (let run = 1; run <= runs; run += 1) {
    note('pack', large.pack());
    note('bare tools', large.bare());
    const cold = build(`cold-${String(run)}`, one);
    note('cold', cold.seconds);
    note('plain', plain(`plain-${String(run)}`, installed));
    if (noMkosi === undefined)
      noMkosi = timeMkosi(`mkosi-${String(run)}`, installed, (time) => note('mkosi', time));
    for (let turn = 0; turn < 9; turn += 1) {
      note('no-op', again(cold.project).seconds);
      note(
        'plan',
        timed('node', [cli, 'plan', '--no-test', '--cache-dir', join(cold.project, 'cache')], {
          cwd: cold.project,
        }).seconds,
      );
      note('node', timed('node', ['-e', '0']).seconds);
    }
    const warm = again(cold.project);
    writeFileSync(join(cold.project, 'fgimage.yaml'), spec({...one, added: ['jq']}));
    const added = again(cold.project);
    note('one package added', added.seconds);
    writeFileSync(
      join(cold.project, 'fgimage.yaml'),
      spec({targets: ['openstack: {cmdline: quiet}'], added: ['jq']}),
    );
    note('one target option changed', again(cold.project).seconds);
    note('six targets', build(`six-${String(run)}`, six).seconds);
    note('ten images', build(`ten-${String(run)}`, {...one, images: own}).seconds);
    events = [
      ['cold build', cold.events],
      ['nothing changed', warm.events],
      ['one package added', added.events],
    ];
    process.stdout.write(
      `run ${String(run)}: ${Object.entries(times)
        .map(([name, list]) => `${name} ${(list.at(-1) ?? 0).toFixed(2)} s`)
        .join(', ')}\n`,
    );
  }

  const registered = join(folder, 'registered');
  mkdirSync(join(registered, 'cache/packages'), {recursive: true});
  for (const file of readdirSync(packages))
    linkSync(join(packages, file), join(registered, 'cache/packages', file));
  const trips = await roundTrips({
    project: registered,
    cli,
    spec: spec(one).replace(/^targets:.*\n/m, ''),
  });

  for (const [name, list] of Object.entries(times)) {
    const all =
      list.length > 5 ? `${String(list.length)} times` : list.map((time) => time.toFixed(2)).join(' ');
    process.stdout.write(`${name.padEnd(26)} ${median(list).toFixed(3)} s (${all})\n`);
  }
  const of = (name: string): number => median(times[name] ?? []);
  const ratios: readonly (readonly [string, number, number | undefined])[] = [
    ['nothing changed / node -e 0', of('no-op') / of('node'), 2],
    ['plan / node -e 0', of('plan') / of('node'), 2],
    ['cold / plain script', of('cold') / of('plain'), 1],
    ['one package added / plain script', of('one package added') / of('plain'), undefined],
    ['one package added / cold', of('one package added') / of('cold'), 0.4],
    ['one target option changed / cold', of('one target option changed') / of('cold'), undefined],
    ['six cloud targets / one', of('six targets') / of('cold'), 2.2],
    ['ten images that share a base / ten times one', of('ten images') / (10 * of('cold')), 0.45],
    ['round trips of a second register, for each target', trips, 1],
    ['pack / mke2fs and qemu-img', of('pack') / of('bare tools'), 1.2],
    ...(times['mkosi'] === undefined
      ? []
      : ([
          ['cold / mkosi', of('cold') / of('mkosi'), 1],
          ['one package added / mkosi', of('one package added') / of('mkosi'), undefined],
        ] as const)),
  ];
  process.stdout.write('\n');
  for (const [name, ratio, wanted] of ratios) {
    const verdict = wanted === undefined ? '      ' : ratio <= wanted ? 'met   ' : 'MISSED';
    const bound = wanted === undefined ? '' : ` (at most ${String(wanted)})`;
    process.stdout.write(`${verdict} ${name.padEnd(36)} ${ratio.toFixed(2)}${bound}\n`);
  }
  if (noMkosi !== undefined) process.stdout.write(`       mkosi: ${noMkosi}\n`);
  writeFileSync(svg, timelineSvg(events.map(([name, list]) => timelineOf(name, list))));
  process.stdout.write(`stages of the last run: ${svg}\n`);
  process.exitCode = ratios.every(([, ratio, wanted]) => wanted === undefined || ratio <= wanted) ? 0 : 1;
} finally {
  rmSync(folder, {recursive: true, force: true});
}

interface Built {
  readonly project: string;
  readonly seconds: number;
  readonly events: readonly RunEvent[];
}

/** A build in a project and a cache of its own, which shares nothing with others but the packages. */
function build(name: string, variant: Variant, {share = true}: {share?: boolean} = {}): Built {
  const project = join(folder, name);
  const cache = join(project, 'cache/packages');
  mkdirSync(cache, {recursive: true});
  if (share) for (const file of readdirSync(packages)) linkSync(join(packages, file), join(cache, file));
  writeFileSync(join(project, 'fgimage.yaml'), spec(variant));
  return again(project);
}

function again(project: string): Built {
  const words = [cli, 'build', '--no-test', '--json', '--cache-dir', join(project, 'cache')];
  const {seconds, stdout} = timed('node', words, {cwd: project});
  const events = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RunEvent);
  return {project, seconds, events};
}

/** The peer: what a person would write without fgimage, with the same packages in the same versions. */
function plain(name: string, installed: readonly string[]): number {
  const work = join(folder, name);
  mkdirSync(work);
  const script = `
set -e
mmdebstrap --quiet --variant=minbase --skip=download/empty --skip=essential/unlink \\
  --setup-hook='mkdir -p "$1/var/cache/apt/archives"; cp -al "$PACKAGES/." "$1/var/cache/apt/archives/"' \\
  --include="$INCLUDE" bookworm root
mke2fs -q -t ext4 -d root disk.raw 2G
qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd disk.raw disk.qcow2
`;
  return timed('sh', ['-c', script], {cwd: work, env: {PACKAGES: packages, INCLUDE: installed.join(',')}})
    .seconds;
}

/** The other peer; why not, where it is not there or does not run on this host. */
function timeMkosi(
  name: string,
  installed: readonly string[],
  note: (seconds: number) => void,
): string | undefined {
  const mkosi = mkosiRun({folder: join(folder, name), installed, packages});
  if (mkosi === undefined) return 'not installed here (apt-get install mkosi)';
  try {
    note(timed(mkosi.file, mkosi.args, {cwd: mkosi.cwd}).seconds);
    return undefined;
  } catch (error) {
    const lines = (error instanceof Error ? error.message : '').trim().split('\n');
    return `does not run on this host: ${lines.at(-1) ?? ''}`;
  }
}

function keepPackages(from: string): void {
  for (const file of readdirSync(from)) linkSync(join(from, file), join(packages, file));
}

function timed(
  command: string,
  args: readonly string[],
  {cwd = folder, env = {}}: {cwd?: string; env?: Readonly<Record<string, string>>} = {},
): {seconds: number; stdout: string} {
  const startedAt = process.hrtime.bigint();
  const {status, stdout, stderr} = spawnSync(command, args, {
    cwd,
    env: {...process.env, ...env},
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  return {seconds, stdout};
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function argument(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}
