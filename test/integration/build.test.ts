import {execFileSync, spawnSync} from 'node:child_process';
import {chownSync, existsSync, lstatSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {packageRoot} from '../../src/package-root.ts';
import {CommandLog} from '../../src/sandbox/process.ts';
import {cleanEnvironment, runInSandbox} from '../../src/sandbox/sandbox.ts';
import {type BuildResult, Project} from './real-build.ts';

const spec = (changes: {packages?: string; hpcCmdline?: string; clouds?: boolean} = {}): string => `version: 1
name: node
os: {distribution: debian, release: bookworm}
hostname: node
timezone: Europe/Berlin
packages: [less${changes.packages ?? ''}]
groups: [{name: lab, gid: 1700}]
users:
  - name: alice
    uid: 1600
    groups: [lab]
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAwI4o4AqCGqSR6ISBgPpzZ15kuFI1cSt4qJralB5MGf alice@example.org
write_files:
  - {path: /etc/motd, content: "Hello from fgimage\\n"}
  - {path: /home/alice/.profile, content: "umask 027\\n", owner: "alice:alice", permissions: "0600"}
copy:
  - {source: site, path: /opt/site, exclude: ["**/*.bak"]}
provision:
  - shell: provision.sh
services: {mask: [apt-daily.timer]}
tests:
  - command: id -nG alice
    stdout: lab
  - command: sudo -u alice sudo -n true
  - {service: ssh, running: true}
  - {port: 22, listening: true}
  - {file: /opt/site/bin/hello, permissions: "0755"}
  - {file: /etc/made-by-script, contains: "no network"}
  - command: test ! -e /opt/site/old.bak
targets:
  openstack: {size: 3GiB}
  hpc: {${changes.hpcCmdline === undefined ? '' : `cmdline: ${changes.hpcCmdline}`}}
${changes.clouds === true ? clouds : ''}`;

/** One firmware each: the other boots of these targets are in boots.slow.test.ts. */
const clouds = `  ec2: {firmware: uefi}
  opennebula: {firmware: bios}
`;

const files = {
  'fgimage.yaml': spec(),
  'site/bin/hello': '#!/bin/sh\necho hello\n',
  'site/.hidden': 'dot files count\n',
  'site/old.bak': 'left out\n',
  'provision.sh': `#!/bin/bash
set -eu
# Only a loopback: whatever a script needs from outside is the spec's to say.
if [ "$(ls /sys/class/net 2>/dev/null | grep -vc '^lo$')" -gt 0 ] || (exec 3<>/dev/tcp/192.0.2.1/80) 2>/dev/null; then
  echo "there is a network" > /etc/made-by-script
else
  echo "no network" > /etc/made-by-script
fi
`,
};

const asRoot = process.getuid?.() === 0;
const project = new Project('build');
let first: BuildResult;

beforeAll(async () => {
  project.write({...files, 'fgimage.yaml': spec({clouds: true})});
  execFileSync('chmod', ['755', join(project.folder, 'site/bin/hello')]);
  first = await project.build(['--pool', 'boots=2']);
  project.keepPackages();
});

describe('fgimage build', () => {
  it('makes all targets of one image, boots them and passes every test when all is well', () => {
    expect(first.told.trim()).toBe('');
    expect(first.code).toBe(0);
    expect(first.checks().filter(({passed}) => !passed)).toEqual([]);
    for (const target of ['openstack', 'hpc', 'ec2', 'opennebula'])
      expect(first.checks(`test:node/${target}`).length, target).toBeGreaterThan(10);
    for (const boot of ['bios', 'uefi', 'netboot']) {
      expect(first.checks().map(({name}) => name)).toContain(`${boot}: command: id -nG alice`);
    }
    expect(
      first.stages('stage-finished').filter((stage) => stage.startsWith('customize:node/packages')),
    ).toHaveLength(1);
  });

  it.each([
    ['openstack', ['bios: as debian', 'uefi: as debian']],
    ['ec2', ['uefi: as debian']],
    ['opennebula', ['bios: as root']],
  ])('logs in to %s with the key that its cloud gave, after its user data were run', (target, logins) => {
    const checks = first.checks(`test:node/${target}`);
    const loggedIn = checks.filter(({name}) => name.endsWith("login by SSH with the instance's key"));
    expect(loggedIn.map(({name, detail}) => `${name.split(':', 1)[0] ?? ''}: ${detail ?? ''}`)).toEqual(
      logins,
    );
    for (const login of logins) {
      const boot = login.split(':', 1)[0] ?? '';
      for (const name of ['user data were run', 'host name is the one given'])
        expect(checks).toContainEqual({name: `${boot}: ${name}`, passed: true});
    }
  });

  it('has the drivers of Nitro and Xen instances in the initial RAM disk of ec2', () => {
    const made = first.digests()['initramfs:node/ec2'] ?? '';
    const tree = join(project.cache, 'objects', made, 'tree');
    const [initrd = ''] = readdirSync(tree);
    const cpio = execFileSync('zstd', ['-dcq', join(tree, initrd)], {maxBuffer: 2 ** 29});
    for (const driver of ['nvme/host/nvme.ko', 'net/ethernet/amazon/ena/ena.ko', 'block/xen-blkfront.ko'])
      expect(cpio.includes(`/drivers/${driver}`), driver).toBe(true);
  });

  it('hands out a qcow2 with zstd clusters and the partitions of both firmwares', () => {
    const disk = join(project.folder, 'artifacts/node/openstack/disk.qcow2');
    const info = JSON.parse(
      execFileSync('qemu-img', ['info', '--output=json', disk], {encoding: 'utf8'}),
    ) as Record<string, unknown>;
    expect(info).toMatchObject({
      format: 'qcow2',
      'virtual-size': 3 * 2 ** 30,
      'format-specific': {data: {'compression-type': 'zstd'}},
    });
    const raw = join(project.folder, 'disk.raw');
    execFileSync('qemu-img', ['convert', '-O', 'raw', disk, raw]);
    const table = JSON.parse(execFileSync('/usr/sbin/sfdisk', ['--json', raw], {encoding: 'utf8'})) as {
      partitiontable: {label: string; partitions: {name: string; start: number}[]};
    };
    expect(table.partitiontable.label).toBe('gpt');
    expect(table.partitiontable.partitions.map(({name}) => name)).toEqual(['bios', 'esp', 'root']);
    const root = table.partitiontable.partitions[2];
    const checked = spawnSync(
      '/usr/sbin/e2fsck',
      ['-fn', `${raw}?offset=${String((root?.start ?? 0) * 512)}`],
      {encoding: 'utf8'},
    );
    expect(checked.status, checked.stdout).toBe(0);
  });

  it('writes a manifest that tells what is inside, and lists the images', async () => {
    const manifest = project.json('artifacts/node/hpc/manifest.json') as {
      packages: {name: string; version: string; architecture: string}[];
      files: {path: string; sha256: string}[];
      tested: string;
    };
    expect(manifest.tested).toBe('passed');
    expect(manifest.packages.find(({name}) => name === 'less')?.version).toMatch(/^\d/);
    for (const {path, sha256} of manifest.files) {
      const sum = execFileSync('sha256sum', [join(project.folder, 'artifacts/node/hpc', path)], {
        encoding: 'utf8',
      });
      expect(sum.slice(0, 64)).toBe(sha256);
    }
    expect(manifest.files.map(({path}) => path)).toEqual([
      'boot.ipxe',
      'initrd.img',
      'pxelinux.cfg/default',
      'root.squashfs',
      'vmlinuz',
    ]);
    const listed = project.start(['images', '--json']);
    expect(await listed.end).toBe(0);
    expect(
      (JSON.parse(listed.stdout) as {target: string; tested: string}[])
        .map(({target, tested}) => `${target} ${tested}`)
        .sort(),
    ).toEqual(['ec2 passed', 'hpc passed', 'opennebula passed', 'openstack passed']);
  });

  it('leaves neither host keys, a machine id nor fgimage in the image', () => {
    const root = join(project.folder, 'artifacts/node/hpc/root.squashfs');
    const names = execFileSync('unsquashfs', ['-l', '-d', '', root], {encoding: 'utf8', maxBuffer: 1 << 27});
    expect(names).not.toMatch(
      /ssh_host_\w+_key|sbin\/policy-rc\.d|^\/dev\/.|^\/run\/.|^\/var\/log\/.*\.log$/m,
    );
    expect(names).toContain('/opt/site/.hidden');
    expect(execFileSync('unsquashfs', ['-cat', root, 'etc/machine-id'], {encoding: 'utf8'})).toBe('');
    expect(execFileSync('unsquashfs', ['-cat', root, 'etc/shadow'], {encoding: 'utf8'})).toMatch(
      /^root:\*:/m,
    );
  });

  it('finds nothing in the trees that should not be there', async () => {
    const running = project.start(['vet', 'node', 'openstack', 'hpc']);
    expect(await running.end, running.stdout + running.stderr).toBe(0);
    expect(running.stdout).toBe(
      'node/openstack: nothing found (policy: standard)\n\nnode/hpc: nothing found (policy: strict)\n',
    );
  });

  it('fills the initial RAM disk with what the shipped mkinitramfs selects', async () => {
    const digests = first.digests();
    const layers = Object.keys(digests).filter((stage) => /^(?:base|customize):/.test(stage));
    const merged = join(project.folder, 'compare');
    const log = new CommandLog(join(project.folder, 'compare.log'), () => undefined);
    const lists: Record<string, string[]> = {shipped: [], ours: []};
    mkdirSync(merged);
    const outcome = await runInSandbox({
      base: project.cache,
      lowers: layers.reverse().map((stage) => `objects/${digests[stage] ?? ''}/tree`),
      mountPoint: '../compare',
      inside: 'image',
      binds: [
        {
          source: join(packageRoot, 'src/stages/scripts/initramfs.conf'),
          path: '/run/initramfs.conf',
          kind: 'file',
          mode: 'ro',
        },
      ],
      command: [
        'sh',
        '-ec',
        `version=$(ls /lib/modules)
         cp -a /etc/initramfs-tools /tmp/conf
         mkinitramfs -d /tmp/conf -o /tmp/shipped "$version"
         cp /run/initramfs.conf /tmp/conf/conf.d/zz-fgimage
         mkinitramfs -d /tmp/conf -o /tmp/ours "$version"
         for which in shipped ours; do lsinitramfs /tmp/$which | sort | sed "s/^/$which /"; done`,
      ],
      env: {...cleanEnvironment, SOURCE_DATE_EPOCH: '1686355200'},
      log,
      signal: new AbortController().signal,
      onLine: (line) => {
        const [which = '', path = ''] = line.split(' ');
        lists[which]?.push(path);
        return true;
      },
    });
    expect(outcome.exitCode, log.lastLines.join('\n')).toBe(0);
    expect(lists['shipped']?.length).toBeGreaterThan(800);
    // The copy of the configuration has one file more, which only fgimage's own run reads.
    expect(lists['ours']?.filter((path) => !path.endsWith('zz-fgimage'))).toEqual(lists['shipped']);
  });

  it('does nothing when nothing changed', async () => {
    const before = lstatSync(join(project.folder, 'artifacts/node/openstack')).ino;
    const second = await project.build();
    expect(second.code).toBe(0);
    expect(second.stages('stage-finished')).toEqual([]);
    expect(second.digests()).toEqual(first.digests());
    expect(lstatSync(join(project.folder, 'artifacts/node/openstack')).ino).toBe(before);
  });

  it('re-runs one target when one option of it changed', async () => {
    project.write({'fgimage.yaml': spec({hpcCmdline: 'nosmt'})});
    const result = await project.build(['--no-test']);
    expect(result.stages('stage-finished')).toEqual(['pack:node/hpc']);
    expect(project.read('artifacts/node/hpc/boot.ipxe')).toContain('nosmt');
  });

  it('re-runs customize and what follows, not the base, when a package was added', async () => {
    project.write({'fgimage.yaml': spec({packages: ', jq'})});
    const result = await project.build(['--no-test', '--target', 'openstack']);
    expect(result.code).toBe(0);
    expect(result.stages('stage-cached')).toEqual(
      expect.arrayContaining([
        'archive:debian-bookworm',
        'base:debian-bookworm-amd64',
        'customize:node/kernel',
      ]),
    );
    expect(result.stages('stage-finished')).toContain('customize:node/packages');
    project.keepPackages();
  });

  it('stops the wave when a stage ran again with the same outcome', async () => {
    project.write({
      'fgimage.yaml': spec(),
      'provision.sh': files['provision.sh'].replace('# Only', '# There is only'),
    });
    const result = await project.build(['--no-test']);
    expect(result.code).toBe(0);
    expect(result.stages('stage-finished')).toEqual(['customize:node/provision-1']);
  });
});

describe.runIf(asRoot)('fgimage build as an ordinary user', () => {
  const name = `fgimage-test-${String(process.pid)}`;
  afterAll(() => {
    spawnSync('userdel', ['--remove', name]);
  });

  it('gives the same layers, file for file and owner for owner, as root does', async () => {
    execFileSync('useradd', ['--create-home', name]);
    const id = Number(execFileSync('id', ['-u', name], {encoding: 'utf8'}));
    const own = new Project('user');
    own.sharePackages();
    own.write(files);
    execFileSync('chmod', ['755', join(own.folder, 'site/bin/hello')]);
    execFileSync('chown', ['-R', `${String(id)}:${String(id)}`, own.folder]);
    chownSync(own.folder, id, id);
    const result = await own.build(['--no-test'], {as: id});
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
    const layers = Object.entries(result.digests()).filter(([stage]) =>
      /^(?:base|customize|adapt|initramfs):/.test(stage),
    );
    expect(layers.length).toBeGreaterThan(9);
    expect(Object.fromEntries(layers)).toEqual(
      Object.fromEntries(layers.map(([stage]) => [stage, first.digests()[stage]])),
    );
    expect(existsSync(join(own.folder, 'artifacts/node/openstack/disk.qcow2'))).toBe(true);
    const vetting = own.start(['vet', 'node', 'hpc'], {as: id});
    expect(await vetting.end, vetting.stderr).toBe(0);
    expect(vetting.stdout).toMatch(/^node\/hpc: nothing found /);
    expect(readdirSync(join(own.cache, 'tmp'))).toEqual([]);
  });

  it('leaves nothing running after kill -9 of the command that was started', async () => {
    const own = new Project('user');
    own.write({'fgimage.yaml': spec({packages: ', jq'})});
    const id = Number(execFileSync('id', ['-u', name], {encoding: 'utf8'}));
    const running = own.start(['build', '--json', '--no-test'], {as: id});
    expect(
      await running.line((line) => line.includes('"stage-progress"') && line.includes('/packages')),
    ).toBe(true);
    running.process.kill('SIGKILL');
    await running.end;
    const left = (): string => spawnSync('pgrep', ['-af', own.cache], {encoding: 'utf8'}).stdout;
    for (let turn = 0; turn < 50 && left() !== ''; turn += 1) await sleep(100);
    expect(left()).toBe('');
    const next = await own.build(['--no-test', '--target', 'hpc'], {as: id});
    expect(next.told.trim()).toBe('');
    expect(readdirSync(join(own.cache, 'tmp'))).toEqual([]);
  });
});
