import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import type {RunEvent} from '../../src/run/events.ts';
import {Project} from './real-build.ts';

const spec = (rest = ''): string => `version: 1
name: small
os: {distribution: debian, release: bookworm}
packages:
  - less
hostname: small
users: [{name: bob}]
write_files: [{path: /etc/motd, content: hello}]
provision: [{shell: "echo provisioned > /etc/provisioned"}]
services: {mask: [apt-daily.timer]}
targets: {openstack: {}, hpc: {}}
${rest}`;

/** Processes that have the folder in their command line. */
function processesOf(folder: string): readonly string[] {
  return spawnSync('pgrep', ['-af', folder], {encoding: 'utf8'})
    .stdout.split('\n')
    .filter((line) => line !== '');
}

async function untilGone(folder: string): Promise<readonly string[]> {
  for (let turn = 0; turn < 50; turn += 1) {
    if (processesOf(folder).length === 0) return [];
    await sleep(100);
  }
  return processesOf(folder);
}

describe('fgimage build, killed', () => {
  it('leaves nothing running or mounted after kill -9 in any stage, and the next build goes on', async () => {
    const project = new Project('killed');
    project.sharePackages();
    project.write({'fgimage.yaml': spec()});
    const killed = new Set<string>();
    const strays = (): readonly string[] =>
      readdirSync('/tmp').filter((name) => name.startsWith('mmdebstrap.'));
    const before = strays();
    for (;;) {
      const running = project.start(['build', '--json', '--no-test', '--jobs', '1']);
      const started = running.line((line) => {
        const event = JSON.parse(line) as RunEvent;
        if (event.type !== 'stage-progress' && event.type !== 'stage-started' && event.type !== 'stage-log')
          return false;
        // Once it is doing something: progress or output. Stages that say nothing are killed as they start.
        const ready =
          event.type !== 'stage-started' ||
          !/archive|base|kernel|packages|platform|adapt|initramfs|pack|sbom/.test(event.stage);
        if (!ready || killed.has(event.stage)) return false;
        killed.add(event.stage);
        running.process.kill('SIGKILL');
        return true;
      });
      const code = await running.end;
      const wasKilled = await started;
      expect(await untilGone(project.cache)).toEqual([]);
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(project.cache);
      if (!wasKilled) {
        expect(code, running.stdout.slice(-3000)).toBe(0);
        break;
      }
    }
    expect([...killed].sort()).toEqual([
      'adapt:small/hpc',
      'adapt:small/openstack',
      'archive:debian-bookworm',
      'base:debian-bookworm-amd64',
      'customize:small/files',
      'customize:small/kernel',
      'customize:small/packages',
      'customize:small/platform',
      'customize:small/provision-1',
      'customize:small/services',
      'customize:small/settings',
      'customize:small/users',
      'initramfs:small/hpc',
      'initramfs:small/openstack',
      'pack:small/hpc',
      'pack:small/openstack',
      'sbom:small/hpc',
      'sbom:small/openstack',
    ]);
    expect(readdirSync(join(project.cache, 'tmp'))).toEqual([]);
    expect(strays().filter((name) => !before.includes(name))).toEqual([]);
    expect(existsSync(join(project.folder, 'artifacts/small/openstack/disk.qcow2'))).toBe(true);
    project.keepPackages();
  });

  it('ends with 130 on SIGINT in the middle of an installation, and takes everything down', async () => {
    const project = new Project('killed');
    project.write({'fgimage.yaml': spec().replace('  - less', '  - less\n  - jq')});
    const running = project.start(['build', '--json', '--no-test']);
    await running.line(
      (line) => line.includes('"stage-started"') && line.includes('customize:small/packages'),
    );
    running.process.kill('SIGINT');
    expect(await running.end).toBe(130);
    expect(running.stdout).toContain('"outcome":"cancelled"');
    expect(await untilGone(project.cache)).toEqual([]);
    expect(readdirSync(join(project.cache, 'tmp'))).toEqual([]);
  });

  it('kills the guest when killed in a boot test', async () => {
    const project = new Project('killed');
    project.write({'fgimage.yaml': spec()});
    const running = project.start(['build', '--json', '--target', 'hpc']);
    await running.line(
      (line) =>
        line.includes('"stage-progress"') &&
        line.includes('test:small/hpc') &&
        line.includes('kernel started'),
    );
    expect(processesOf(project.cache).some((line) => line.includes('qemu-system'))).toBe(true);
    running.process.kill('SIGKILL');
    await running.end;
    expect(await untilGone(project.cache)).toEqual([]);
  });

  it('runs a key once when two builds want it at the same time', async () => {
    const project = new Project('killed');
    project.write({'fgimage.yaml': spec().replace('content: hello', 'content: hello again')});
    const results = await Promise.all([
      project.build(['--no-test', '-o', 'one']),
      project.build(['--no-test', '-o', 'two']),
    ]);
    expect(results.map(({code}) => code)).toEqual([0, 0]);
    const finished = results.flatMap((result) => result.stages('stage-finished'));
    expect(finished).toContain('customize:small/files');
    expect(new Set(finished).size).toBe(finished.length);
  });
});

describe('fgimage build, in a world that is not well', () => {
  it('says where the archive was looked for and what to do when the mirror does not answer', async () => {
    const project = new Project('no-mirror');
    // A port of this machine that was just free: nobody answers there.
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    project.write({
      'fgimage.yaml': spec().replace(
        'release: bookworm',
        `release: bookworm, mirror: "http://127.0.0.1:${String(port)}/debian"`,
      ),
    });
    const running = project.start(['build', '--no-test']);
    expect(await running.end).toBe(1);
    expect(running.stdout).toMatch(/archive:debian-bookworm failed/);
    expect(running.stdout).toMatch(/Connection refused|Could not connect/);
    expect(running.stdout).toContain(`Check that http://127.0.0.1:${String(port)}/debian`);
    expect(running.stdout).not.toMatch(/^\s+at /m);
  });

  it('points at the line of a package that does not exist, before anything is built', async () => {
    const project = new Project('no-package');
    project.write({'fgimage.yaml': spec().replace('  - less', '  - less\n  - openssh-servr')});
    const running = project.start(['build', '--no-test']);
    expect(await running.end).toBe(2);
    expect(running.stdout).toContain('fgimage.yaml:6:5: error: There is no package openssh-servr');
    expect(running.stdout).toContain('Write openssh-server');
    const validated = project.start(['validate']);
    expect(await validated.end).toBe(2);
    expect(validated.stderr).toContain('fgimage.yaml:6:5: error: There is no package openssh-servr');
  });

  it('shows the script, its output and the log when a provisioner fails, and keeps the other image', async () => {
    const project = new Project('killed');
    project.write({
      'fgimage.yaml': `version: 1
name: two
os: {distribution: debian, release: bookworm}
targets: {hpc: {}}
images:
  good: {}
  bad:
    provision: [{shell: "echo about to fail; exit 7"}]
`,
    });
    const running = project.start(['build', '--no-test']);
    expect(await running.end).toBe(1);
    expect(running.stdout).toMatch(/customize:bad\/provision-1 failed/);
    expect(running.stdout).toContain('exited with 7');
    expect(running.stdout).toContain('| about to fail');
    expect(running.stdout).toMatch(/log: \S+\/[0-9a-f]{64}\.log/);
    expect(existsSync(join(project.folder, 'artifacts/good/hpc/root.squashfs'))).toBe(true);
    expect(existsSync(join(project.folder, 'artifacts/bad/hpc'))).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)(
    'ends with a clear error on a full disk, and works again with room',
    async () => {
      const project = new Project('full');
      project.write({'fgimage.yaml': spec()});
      const small = project.cache;
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=150m', 'tmpfs', small]);
      try {
        const full = project.start(['build', '--no-test']);
        expect(await full.end).toBe(3);
        expect(full.stdout).toContain('No space left');
        expect(full.stdout).toContain('--cache-dir');
        execFileSync('mount', ['-o', 'remount,size=3g', small]);
        const again = await project.build(['--no-test', '--target', 'hpc']);
        expect(again.told.trim()).toBe('');
        expect(again.code).toBe(0);
      } finally {
        execFileSync('umount', [small]);
      }
    },
  );
});
