import {execFileSync, spawnSync} from 'node:child_process';
import {linkSync, mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {RunEvent} from '../../src/run/events.ts';

/** Of real files, some of them twice: they compress as those of an image do. */
const spec = `version: 1
name: large
os: {distribution: debian, release: bookworm}
provision: [{shell: {inline: "cp -a /usr/share /opt/share"}}]
targets: {openstack: {}}
`;

/** A tree of about 900 MB, packed into a qcow2 by the stage `pack`, and by mke2fs and qemu-img alone. */
export class LargeTree {
  readonly #folder: string;
  readonly #cli: string;

  /** Builds it with the packages of a folder, and lays it out as the bare tools are to find it. */
  constructor({folder, packages, cli}: {folder: string; packages: string; cli: string}) {
    this.#folder = folder;
    this.#cli = cli;
    const cache = join(folder, 'cache/packages');
    mkdirSync(cache, {recursive: true});
    for (const file of readdirSync(packages)) linkSync(join(packages, file), join(cache, file));
    writeFileSync(join(folder, 'fgimage.yaml'), spec);
    this.#build();
    // What was packed is what the bare tools are to find, boot loader and initial RAM disk included.
    const script = `set -e
qemu-img convert -O raw artifacts/large/openstack/disk.qcow2 disk.raw
start=$(sfdisk --dump disk.raw | sed -n 's/.*start= *\\([0-9]*\\),.*name="root".*/\\1/p')
dd if=disk.raw of=root.ext4 bs=1M skip=$((start / 2048)) conv=sparse status=none
mkdir tree
debugfs -R 'rdump / tree' root.ext4
rm -rf tree/lost+found disk.raw root.ext4`;
    execFileSync('sh', ['-c', script], {cwd: folder, env: environment(), stdio: 'ignore'});
  }

  get treeMegabytes(): number {
    const counted = execFileSync('du', [
      '-s',
      '--apparent-size',
      '--block-size=1000000',
      join(this.#folder, 'tree'),
    ]);
    return Number(/^\d+/.exec(counted.toString())?.[0]);
  }

  /** Seconds of the stage, with what it checks before and after. */
  pack(): number {
    const stage = 'pack:large/openstack';
    const events = this.#build('--force', stage);
    const found = events.find((event) => event.type === 'stage-finished' && event.stage === stage);
    if (found?.type !== 'stage-finished') throw new Error(`${stage} did not run`);
    return found.durationMs / 1000;
  }

  /** Seconds of the same tree in the same format, on a disk as large, without a table and a loader. */
  bare(): number {
    const script = `set -e
mke2fs -q -t ext4 -d tree bare.raw "$1"
qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd bare.raw bare.qcow2`;
    const disk = join(this.#folder, 'artifacts/large/openstack/disk.qcow2');
    const info = execFileSync('qemu-img', ['info', '--output=json', disk], {encoding: 'utf8'});
    const size = (JSON.parse(info) as {'virtual-size': number})['virtual-size'];
    for (const name of ['bare.raw', 'bare.qcow2']) rmSync(join(this.#folder, name), {force: true});
    const startedAt = process.hrtime.bigint();
    execFileSync('sh', ['-c', script, 'sh', `${String(size / 1024)}k`], {
      cwd: this.#folder,
      env: environment(),
    });
    return Number(process.hrtime.bigint() - startedAt) / 1e9;
  }

  #build(...more: readonly string[]): readonly RunEvent[] {
    const words = ['build', '--no-test', '--json', '--cache-dir', join(this.#folder, 'cache'), ...more];
    const {status, stdout, stderr} = spawnSync('node', [this.#cli, ...words], {
      cwd: this.#folder,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(`fgimage ${words.join(' ')} failed:\n${stdout}\n${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as RunEvent);
  }
}

/** With the folders of administrators' programs. */
function environment(): NodeJS.ProcessEnv {
  return {...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`};
}
