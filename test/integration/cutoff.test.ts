import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {generateKeyPair} from '../../cache/remote/signature.ts';
import {packageRoot} from '../../src/package-root.ts';
import {BuildResult, Project, Running} from './real-build.ts';

const spec = `version: 1
name: cut
os: {distribution: debian, release: bookworm}
hostname: cut
packages: [less]
provision:
  - shell: one.sh
  - shell: two.sh
targets: {hpc: }
`;

const files = {
  'fgimage.yaml': spec,
  'one.sh': '#!/bin/sh\nset -eu\n# The first.\necho one > /etc/one\n',
  'two.sh': '#!/bin/sh\nset -eu\n# The second.\necho two > /etc/two\n',
  // The host's apt, and now and then a mirror that has a package more than before.
  'bin/apt-get': `#!/bin/sh
/usr/bin/apt-get "$@" || exit
[ -e "$(dirname "$0")/../newer" ] || exit 0
for word; do case $word in Dir::State::Lists=*) lists=\${word#*=};; esac; done
[ -n "\${lists-}" ] || exit 0
for list in "$lists"/*_main_binary-amd64_Packages; do
  printf '\\nPackage: of-no-use\\nVersion: 1\\nArchitecture: amd64\\nFilename: pool/of-no-use.deb\\nSize: 1\\nSHA256: %064d\\nMaintainer: Nobody <nobody@example.org>\\nDescription: a package that nobody asks for\\n' 0 >> "$list"
done
`,
};

const archive = 'archive:debian-bookworm';
const base = 'base:debian-bookworm-amd64';
const part = (name: string): string => `customize:cut/${name}`;
/** What asks the package lists: those that install, and who tells where packages came from. */
const withLists = [
  part('kernel'),
  part('platform'),
  part('packages'),
  'initramfs:cut/hpc',
  'adapt:cut/hpc',
  'sbom:cut/hpc',
];
const stageCount = 12;

const pair = generateKeyPair();
const machine = prepared('cutoff');
const share = join(machine.folder, 'share');
let first: BuildResult;

/** A machine of its own: the same project and programs, an empty cache. */
function prepared(name: string): Project {
  const project = new Project(name);
  project.write(files);
  chmodSync(join(project.folder, 'bin/apt-get'), 0o755);
  return project;
}

/** Builds with the project's own apt-get first in PATH. */
async function build(
  project: Project,
  words: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<BuildResult> {
  const main = join(packageRoot, 'dist/src/cli/main.js');
  const child: ChildProcess = spawn(
    process.execPath,
    [main, 'build', '--json', '--no-test', ...words, '--cache-dir', project.cache],
    {
      cwd: project.folder,
      env: {
        PATH: `${join(project.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
        HOME: project.folder,
        TMPDIR: process.env['TMPDIR'] ?? '/tmp',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const running = new Running(child);
  const code = await running.end;
  const result = new BuildResult(code, running.stdout, running.stderr);
  expect(result.told.trim()).toBe('');
  expect(result.code).toBe(0);
  return result;
}

function told({events}: BuildResult, type: 'stage-started' | 'stage-fetched'): readonly string[] {
  return events.flatMap((event) => (event.type === type ? [event.stage] : []));
}

function artifactOf(project: Project): unknown {
  return (project.json('artifacts/cut/hpc/manifest.json') as {files: unknown}).files;
}

beforeAll(async () => {
  mkdirSync(share, {recursive: true});
  machine.sharePackages();
  first = await build(machine, ['--remote-cache', share], {FGIMAGE_CACHE_SIGNING_KEY: pair.privatePem});
  machine.keepPackages();
});

describe('early cutoff', () => {
  it('stops behind a script in which a comment changed', async () => {
    machine.write({'one.sh': files['one.sh'].replace('The first', 'The very first')});
    const result = await build(machine);
    expect(told(result, 'stage-started')).toEqual([part('provision-1')]);
    expect(result.digests()).toEqual(first.digests());
    machine.write(files);
  });

  it('stops behind a base that was made again of the same packages', async () => {
    const result = await build(machine, ['--force', base]);
    expect(told(result, 'stage-started')).toEqual([base]);
    expect(result.digests()).toEqual(first.digests());
  });

  it('stops at the resolver when newer package lists have the same packages', async () => {
    machine.write({newer: ''});
    const result = await build(machine, ['--refresh']);
    const {[archive]: newLists, ...others} = result.digests();
    const {[archive]: oldLists, ...before} = first.digests();
    expect(newLists).not.toBe(oldLists);
    expect(others).toEqual(before);
    expect(result.stages('stage-finished')).toEqual([archive, base]);
    expect(told(result, 'stage-started').toSorted()).toEqual([archive, base, ...withLists].toSorted());
    expect(result.stages('stage-cached')).toEqual(expect.arrayContaining(withLists));
    const again = await build(machine);
    expect(told(again, 'stage-started')).toEqual([]);
  });
});

describe('a byte that flips in a layer', () => {
  it('is found by the stage that reads it: the layer is set aside and made again, and the image is the same', async () => {
    const digest = first.digests()[base] ?? '';
    const before = artifactOf(machine);
    flipByte(join(machine.cache, 'objects', digest, 'tree/usr/bin/perl'));
    machine.write({'two.sh': files['two.sh'].replace('The second', 'The very second')});
    const result = await build(machine);
    const found = result.events.filter((event) => event.type === 'content-corrupt');
    // The same file by two names.
    const problem = expect.stringMatching(
      /^usr\/bin\/perl and usr\/bin\/perl5\.\S+ are not what they were$/,
    ) as string;
    expect(found).toMatchObject([{stage: base, digest, problem}]);
    expect(existsSync(join(found[0]?.place ?? '', 'tree/usr/bin/perl'))).toBe(true);
    expect(told(result, 'stage-started')).toEqual([part('provision-2'), base, part('provision-2')]);
    expect(result.digests()[base]).toBe(digest);
    expect(artifactOf(machine)).toEqual(before);
    expect(readdirSync(join(machine.cache, 'tmp'))).toEqual([]);
    const verified = machine.start(['cache', 'verify', '--deep']);
    expect(await verified.end, verified.stdout).toBe(0);
  });
});

describe('a second machine with an empty cache', () => {
  const outputs = ['pack:cut/hpc', 'sbom:cut/hpc'];
  const trusting = {FGIMAGE_CACHE_TRUSTED_KEYS: pair.publicKey};

  it('makes the artifact of a warm remote without running a stage and without fetching a layer', async () => {
    const second = prepared('cutoff-second');
    const result = await build(second, ['--remote-cache', share], trusting);
    expect(told(result, 'stage-started')).toEqual([]);
    expect(told(result, 'stage-fetched').toSorted()).toEqual(outputs);
    expect(result.stages('stage-cached')).toHaveLength(stageCount);
    expect(result.digests()).toEqual(first.digests());
    expect(readdirSync(join(second.cache, 'objects')).toSorted()).toEqual(
      outputs.map((stage) => first.digests()[stage]).toSorted(),
    );
    expect(readdirSync(join(second.cache, 'packages'))).toEqual([]);
    expect(artifactOf(second)).toEqual(artifactOf(machine));
  });

  it('ignores a poisoned record with one line, and makes the same artifact from the layers of the remote', async () => {
    const pack = first.events.find(
      (event) => event.type === 'stage-started' && event.stage === 'pack:cut/hpc',
    );
    const key = pack?.type === 'stage-started' ? pack.key : '';
    const poisoned = join(machine.folder, 'poisoned');
    execFileSync('cp', ['-a', share, poisoned]);
    const record = join(poisoned, 'ac', key);
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, text.replace('"durationMs":', '"durationMs":1'));
    expect(readFileSync(record, 'utf8')).not.toBe(text);
    const third = prepared('cutoff-third');
    const result = await build(third, ['--remote-cache', poisoned], trusting);
    expect(result.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))).toEqual([
      `A record of the remote cache ${poisoned} is ignored: it is not what its signature is for`,
    ]);
    expect(told(result, 'stage-started')).toEqual(['pack:cut/hpc']);
    expect(told(result, 'stage-fetched')).toContain(base);
    expect(result.digests()).toEqual(first.digests());
    expect(artifactOf(third)).toEqual(artifactOf(machine));
  });
});

/** As a bad disk does: neither the size nor a time of the file tells. */
function flipByte(path: string): void {
  const {atime, mtime} = statSync(path);
  const bytes = readFileSync(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
}
