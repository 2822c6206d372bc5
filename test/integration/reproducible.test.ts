import {execFileSync, spawnSync} from 'node:child_process';
import {chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {digestFile} from '../../cache/tree.ts';
import {until} from '../rig/until.ts';
import {type BuildResult, Project} from './real-build.ts';

const asRoot = process.getuid?.() === 0;
const userName = `fgimage-same-${String(process.pid)}`;

/** What host and clock could show through: old times of access, holes, links, attributes in many orders, capabilities. */
const provision = `set -eu
mkdir /opt/odd
cd /opt/odd
echo old > old
touch -a -d 2001-01-01 old
touch -m -d 2002-01-01 old
mkfifo pipe
touch -d 2001-01-01 pipe
truncate -s 10M holes
printf abc | dd of=holes bs=1 seek=5000000 conv=notrunc status=none
dd if=/dev/zero of=zeros bs=1M count=1 status=none
ln old hard
ln -s old soft
echo many > 'with "quotes" and a blank'
for name in d b e a c; do setfattr -n user.$name -v "$name" 'with "quotes" and a blank'; done
setfacl -m u:daemon:rwx 'with "quotes" and a blank'
mkdir shared
setfacl -d -m u:daemon:rwx shared
setfacl -m u:daemon:rx shared
`;

const files = {
  'fgimage.yaml': `version: 1
name: small
os: {distribution: debian, release: bookworm}
packages: [acl, attr, iputils-ping]
provision: [{shell: odd.sh}]
targets:
  openstack: {size: 3GiB}
  raw: {type: openstack, format: raw, size: 3GiB}
  hpc: {}
  oci: {compression: zstd}
  tarball: {compression: gzip, compression_level: 1}
`,
  'odd.sh': provision,
};

const first = new Project('same');
const second = new Project('same again/with a blank');
let results: readonly [BuildResult, BuildResult];

beforeAll(async () => {
  first.sharePackages();
  first.write(files);
  const lock = first.start(['lock']);
  if ((await lock.end) !== 0) throw new Error(lock.stderr);
  const one = await first.build(['--locked', '--no-test']);
  first.keepPackages();

  second.write(files);
  second.sharePackages();
  copyFileSync(join(first.folder, 'fgimage.lock'), join(second.folder, 'fgimage.lock'));
  const temporary = join(second.folder, 'tmp');
  mkdirSync(temporary);
  results = [one, await second.build(['--locked', '--no-test', '--jobs', '1'], {by: otherHost(temporary)})];
});

afterAll(() => {
  if (asRoot) spawnSync('userdel', ['--remove', userName]);
});

/** What starts a build as another user, with another umask, zone, language, clock and, where it can be set, host name. */
function otherHost(temporary: string): readonly string[] {
  const varied = [
    ...['env', 'TZ=Pacific/Auckland', 'LANG=de_DE.UTF-8', `TMPDIR=${temporary}`],
    ...['/bin/sh', '-c', 'umask 077; exec "$@"', 'sh', 'faketime', '-f', '+400d'],
  ];
  if (!asRoot) return varied;
  execFileSync('useradd', ['--create-home', userName]);
  const id = execFileSync('id', ['-u', userName], {encoding: 'utf8'}).trim();
  execFileSync('chown', ['-R', `${id}:${id}`, second.folder]);
  // A folder with the set-group-id bit hands its group and that bit down to what is made in it.
  chmodSync(second.cache, 0o2755);
  return [
    ...['unshare', '--uts', '--', '/bin/sh', '-c', 'hostname elsewhere; exec "$@"', 'sh'],
    ...['setpriv', `--reuid=${id}`, `--regid=${id}`, '--clear-groups', '--'],
    ...varied,
  ];
}

/** SHA-256 of what was handed out, but for the two documents that tell when and by which host it was made. */
function artifacts(project: Project): Readonly<Record<string, string>> {
  const root = join(project.folder, 'artifacts/small');
  const found: Record<string, string> = {};
  for (const target of readdirSync(root).sort()) {
    const listed = readdirSync(join(root, target), {recursive: true, withFileTypes: true});
    for (const entry of listed) {
      if (!entry.isFile() || /^(?:manifest|provenance\.intoto)\.json$/.test(entry.name)) continue;
      const path = join(entry.parentPath, entry.name);
      found[path.slice(root.length + 1)] = digestFile(path);
    }
  }
  return found;
}

describe('two builds of one lock', () => {
  it('give the same bytes: elsewhere, as another user, on another day, with a cold cache', () => {
    for (const result of results)
      expect({code: result.code, told: result.told.trim()}).toEqual({code: 0, told: ''});
    const made = artifacts(first);
    expect(Object.keys(made)).toEqual(
      expect.arrayContaining(['openstack/disk.qcow2', 'raw/disk.raw', 'hpc/root.squashfs', 'hpc/initrd.img']),
    );
    expect(artifacts(second)).toEqual(made);
    expect(results[1].digests()).toEqual(results[0].digests());
  });

  it('run no program of the host on what they pack', () => {
    for (const target of ['openstack', 'raw', 'hpc']) {
      const manifest = first.json(`artifacts/small/${target}/manifest.json`) as {tools: object};
      expect(Object.keys(manifest.tools).filter((name) => !['mmdebstrap', 'apt-get'].includes(name))).toEqual(
        [],
      );
    }
  });

  it('leave nothing of the tools image running after kill -9', async () => {
    const running = first.start(['build', '--json', '--locked', '--no-test', '--force', 'pack:small/hpc']);
    expect(await running.line((line) => line.includes('Writing the squashfs root'))).toBe(true);
    running.process.kill('SIGKILL');
    await running.end;
    const left = (): string =>
      spawnSync('pgrep', ['-af', first.cache], {encoding: 'utf8'}).stdout +
      readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .filter((line) => line.includes(first.cache))
        .join('\n');
    await until(() => left() === '');
    expect(left()).toBe('');
  });
});
