import {execFileSync, spawn} from 'node:child_process';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, inject} from 'vitest';
import {packageRoot} from '../../src/package-root.ts';
import {type BuildResult, Project, Running} from './real-build.ts';

/** Numbers that a small image is made of: another number is another content of the stage of that name. */
export interface Version {
  readonly users: number;
  readonly files: number;
  readonly first: number;
  readonly second: number;
  readonly third: number;
  readonly services: number;
  readonly pack: number;
}

export const parts = ['users', 'files', 'first', 'second', 'third', 'services', 'pack'] as const;

export const version0: Version = {users: 0, files: 0, first: 0, second: 0, third: 0, services: 0, pack: 0};

/** Four images that have most in common: one differs in its packing only, one from its last script, one from its users. */
export const overlapping: readonly [Version, ...Version[]] = [
  {...version0, users: 1},
  {...version0, users: 1, pack: 2},
  {...version0, users: 1, third: 3},
  {...version0, users: 4},
];

/**
 * An image that is real and soon made: the kernel for clouds has few modules, and the RAM disk takes only those it
 * cannot do without. Versions differ above the platform only, so that base and kernel are shared by all.
 */
export function specOf({users, files, first, second, third, services, pack}: Version): string {
  return `version: 1
name: chaos
os: {distribution: debian, release: bookworm}
kernel: {package: linux-image-cloud-amd64}
users: [{name: alice, uid: ${1600 + users}}]
write_files:
  - {path: /etc/motd, content: "version ${files}\\n"}
  - {path: /etc/initramfs-tools/conf.d/zz-small.conf, content: "MODULES=list\\nCOMPRESSLEVEL=1\\n"}
provision:
  - {shell: "echo ${first} > /etc/first; mkdir -p /opt/site; echo ${first} > /opt/site/index"}
  - {shell: "echo ${second} > /etc/second; rm -r /opt/site; mkdir /opt/site; ln -s /etc/second /opt/site/link"}
  - {shell: "echo ${third} > /etc/third; chown alice: /etc/third; chmod 4750 /etc/third"}
services: {mask: [apt-daily.timer, chaos-${services}.timer]}
targets: {hpc: {compression_level: 1, cmdline: "chaos=${pack}"}}
`;
}

/** What an artifact is, whatever else its manifest tells: the SHA-256 of each of its files. */
export type ArtifactDigests = Readonly<Record<string, string>>;

export function artifactDigests(project: Project, output = 'artifacts'): ArtifactDigests {
  const {files} = project.json(`${output}/chaos/hpc/manifest.json`) as {
    files: readonly {path: string; sha256: string}[];
  };
  expect(files.map(({path}) => path)).toEqual(
    expect.arrayContaining(['initrd.img', 'root.squashfs', 'vmlinuz']),
  );
  return Object.fromEntries(files.map(({path, sha256}) => [path, sha256]));
}

/** Builds without booting, and expects that all is well. */
export async function buildWell(
  project: Project,
  {words = [], as}: {words?: readonly string[]; as?: number | undefined} = {},
): Promise<BuildResult> {
  const result = await project.build(['--no-test', ...words], {as});
  expect({code: result.code, told: result.told.trim()}).toEqual({code: 0, told: ''});
  return result;
}

/** Two caches that know the base, the kernel and the platform of all versions. */
export class Caches {
  /** Only to be copied. */
  readonly warm: Project;
  readonly #undisturbed: Project;
  readonly #known = new Map<string, ArtifactDigests>();

  private constructor(warm: Project, undisturbed: Project) {
    this.warm = warm;
    this.#undisturbed = undisturbed;
  }

  static async make(name: string): Promise<Caches> {
    const warm = new Project(`${name}-warm`);
    warm.sharePackages();
    warm.write({'fgimage.yaml': specOf(version0)});
    await buildWell(warm);
    warm.keepPackages();
    const undisturbed = new Project(`${name}-undisturbed`);
    copyCache(warm, undisturbed);
    return new Caches(warm, undisturbed);
  }

  /** A project with a copy of the warm cache. */
  copy(name: string): Project {
    const project = new Project(name);
    copyCache(this.warm, project);
    return project;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([remove(this.warm), remove(this.#undisturbed)]);
  }

  /** What a version gives where nothing happens. */
  async digestsOf(version: Version): Promise<ArtifactDigests> {
    const spec = specOf(version);
    let digests = this.#known.get(spec);
    if (digests === undefined) {
      this.#undisturbed.write({'fgimage.yaml': spec});
      await buildWell(this.#undisturbed);
      digests = artifactDigests(this.#undisturbed);
      this.#known.set(spec, digests);
    }
    return digests;
  }
}

/** Several caches are more than the end of a test run should have to remove. */
export async function remove(project: Project): Promise<void> {
  await rm(project.folder, {recursive: true, force: true});
}

/** Makes one project's cache a copy of another's, which nobody uses meanwhile. */
export function copyCache(from: Project, to: Project): void {
  execFileSync('cp', ['-a', '--reflink=auto', `${from.cache}/.`, to.cache]);
}

/** … of an ordinary user, whose cache has subordinate ids where root's has those of the image. */
export function copyCacheFor(id: number, {from, to}: {from: Project; to: Project}): void {
  const archive = `${inject('testRoot')}/cache-for-${String(id)}.tar`;
  execFileSync('tar', ['--numeric-owner', '--xattrs', '-C', from.cache, '-cf', archive, '.']);
  execFileSync('chown', ['-R', `${String(id)}:${String(id)}`, to.folder]);
  const user = ['setpriv', `--reuid=${String(id)}`, `--regid=${String(id)}`, '--clear-groups', '--'];
  const inside = ['unshare', '--user', '--map-root-user', '--map-auto', '--'];
  const unpack = [
    'tar',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '-C',
    to.cache,
    '-xpf',
    archive,
  ];
  const [program = '', ...words] = [...user, ...inside, ...unpack];
  execFileSync(program, words, {stdio: ['ignore', 'ignore', 'ignore']});
  execFileSync('rm', [archive]);
}

/** Compiles what lets writes fail (failing-disk.cc); gives its path. */
export function failingDisk(): string {
  const library = join(inject('testRoot'), 'failing-disk.so');
  const source = join(packageRoot, 'test/integration/failing-disk.cc');
  execFileSync('g++', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  return library;
}

/** Starts a build that, after so many writes below its cache, can write no more, or is killed at the next one. */
export function startOnFailingDisk(
  project: Project,
  {
    library,
    after,
    by,
    words = [],
  }: {library: string; after: number; by: 'EIO' | 'SIGKILL'; words?: readonly string[]},
): Running {
  const main = join(packageRoot, 'dist/src/cli/main.js');
  const env = {
    ...{PATH: process.env['PATH'] ?? '', HOME: project.folder, TMPDIR: process.env['TMPDIR'] ?? '/tmp'},
    ...{LD_PRELOAD: library, FAIL_AFTER: String(after), FAIL_BELOW: project.cache, FAIL_BY: by},
  };
  const all = [main, 'build', '--no-test', ...words, '--cache-dir', project.cache];
  return new Running(spawn('node', all, {cwd: project.folder, env, stdio: ['ignore', 'pipe', 'pipe']}));
}

export interface Verified {
  readonly isSound: boolean;
  readonly unrecordedObjects: number;
  readonly unrecordedRecords: number;
}

/** Reads every byte of the cache by the command, and expects it sound. */
export async function verify(project: Project, {as}: {as?: number | undefined} = {}): Promise<Verified> {
  const running = project.start(['cache', 'verify', '--deep', '--json'], {as});
  const code = await running.end;
  const told = code === 0 ? '' : running.stdout;
  expect({code, told, stderr: running.stderr}).toEqual({code: 0, told: '', stderr: ''});
  return JSON.parse(running.stdout) as Verified;
}

/** Numbers from 0 up to 1 that look like chance and are the same in each run (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[Math.floor(this.next() * values.length)] ?? values[0];
  }
}
