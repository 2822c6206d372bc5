import {spawnSync} from 'node:child_process';
import {linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';

/**
 * `npm run bench [-- --runs n]`: what fgimage costs, as ratios of medians against peers timed in the same run, turn
 * by turn. Network is touched once, to fill the package cache that all share. Nothing is removed before the end:
 * ext4 is slow to reuse inodes that were just freed, and whoever comes next would pay for it.
 */
const runs = Number(process.argv[process.argv.indexOf('--runs') + 1] ?? 3) || 3;
const folder = mkdtempSync(join(tmpdir(), 'fgimage-bench-'));
const packages = join(folder, 'packages');
const cli = join(packageRoot, 'dist/src/cli/main.js');

const spec = (added: readonly string[], targets: readonly string[]): string => `version: 1
name: bench
os: {distribution: debian, release: bookworm}
packages: [${['openssh-server', 'curl', 'sudo', 'rsync', 'less', ...added].join(', ')}]
targets: {${targets.map((name) => `${name}: {}`).join(', ')}}
`;

interface Manifest {
  readonly packages: readonly {readonly name: string}[];
}

try {
  mkdirSync(packages);
  process.stdout.write(`${String(runs)} runs, medians; in ${folder}\n`);
  const first = build('warm', {targets: ['openstack', 'hpc'], added: ['jq'], share: false});
  keepPackages(join(first.project, 'cache/packages'));
  const installed = (
    JSON.parse(
      readFileSync(
        join(build('list', {targets: ['openstack']}).project, 'artifacts/bench/openstack/manifest.json'),
        'utf8',
      ),
    ) as Manifest
  ).packages;

  const times = {
    cold: [] as number[],
    plain: [] as number[],
    both: [] as number[],
    added: [] as number[],
    nothing: [] as number[],
    node: [] as number[],
  };
  for (let run = 1; run <= runs; run += 1) {
    const cold = build(`cold-${String(run)}`, {targets: ['openstack']});
    times.cold.push(cold.seconds);
    times.plain.push(
      plain(
        `plain-${String(run)}`,
        installed.map(({name}) => name),
      ),
    );
    for (let turn = 0; turn < 9; turn += 1) {
      times.nothing.push(again(cold.project));
      times.node.push(timed('node', ['-e', '0']));
    }
    writeFileSync(join(cold.project, 'fgimage.yaml'), spec(['jq'], ['openstack']));
    times.added.push(again(cold.project));
    times.both.push(build(`both-${String(run)}`, {targets: ['openstack', 'hpc']}).seconds);
    process.stdout.write(
      `run ${String(run)}: ${Object.entries(times)
        .map(([name, list]) => `${name} ${(list.at(-1) ?? 0).toFixed(2)} s`)
        .join(', ')}\n`,
    );
  }

  const ratios = [
    ['cold build of one openstack image / plain script', median(times.cold) / median(times.plain), 1.0],
    ['nothing changed / node -e 0', median(times.nothing) / median(times.node), 3],
    ['one package added / cold', median(times.added) / median(times.cold), 0.4],
    ['both targets / one', median(times.both) / median(times.cold), 1.35],
  ] as const;
  for (const [name, list] of Object.entries(times))
    process.stdout.write(
      `${name.padEnd(8)} ${median(list).toFixed(3)} s (${list.map((time) => time.toFixed(2)).join(' ')})\n`,
    );
  for (const [name, ratio, wanted] of ratios) {
    process.stdout.write(
      `${ratio <= wanted ? 'met   ' : 'MISSED'} ${name}: ${ratio.toFixed(2)} (at most ${String(wanted)})\n`,
    );
  }
  process.exitCode = ratios.every(([, ratio, wanted]) => ratio <= wanted) ? 0 : 1;
} finally {
  rmSync(folder, {recursive: true, force: true});
}

/** A build in a project and a cache of its own, which shares nothing with others but the packages. */
function build(
  name: string,
  {
    targets,
    added = [],
    share = true,
  }: {targets: readonly string[]; added?: readonly string[]; share?: boolean},
): {project: string; seconds: number} {
  const project = join(folder, name);
  const cache = join(project, 'cache/packages');
  mkdirSync(cache, {recursive: true});
  if (share) for (const file of readdirSync(packages)) linkSync(join(packages, file), join(cache, file));
  writeFileSync(join(project, 'fgimage.yaml'), spec(added, targets));
  return {project, seconds: again(project)};
}

function again(project: string): number {
  return timed('node', [cli, 'build', '--no-test', '--cache-dir', join(project, 'cache')], project);
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
  return timed('sh', ['-c', script], work, {PACKAGES: packages, INCLUDE: installed.join(',')});
}

function keepPackages(from: string): void {
  for (const file of readdirSync(from)) linkSync(join(from, file), join(packages, file));
}

function timed(
  command: string,
  args: readonly string[],
  cwd = folder,
  env: Readonly<Record<string, string>> = {},
): number {
  const startedAt = process.hrtime.bigint();
  const {status, stdout, stderr} = spawnSync(command, args, {
    cwd,
    env: {...process.env, ...env},
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}\n${stderr}`);
  return seconds;
}

function median(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
