import {execFileSync} from 'node:child_process';
import {statfsSync} from 'node:fs';
import {hostname} from 'node:os';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  artifactDigests,
  buildWell,
  Caches,
  failingDisk,
  overlapping,
  remove,
  specOf,
  startOnFailingDisk,
  verify,
  version0,
} from './chaos.ts';
import {collectBesideBuilds} from './chaos-gc.ts';
import {BuildResult, Project, type Running} from './real-build.ts';

const asRoot = process.getuid?.() === 0;
let caches: Caches;

beforeAll(async () => {
  caches = await Caches.make('chaos');
});

afterAll(async () => {
  await caches[Symbol.asyncDispose]();
});

describe('fgimage build, where the disk does not take what is made', () => {
  it.runIf(asRoot)(
    'ends with 3 and the mend wherever the disk gets full, and goes on with room',
    async () => {
      const version = {...version0, users: 1};
      const expected = await caches.digestsOf(version);
      const project = new Project('chaos-full');
      const resize = (bytes: number, ...words: string[]): Buffer =>
        execFileSync('mount', [
          '-t',
          'tmpfs',
          '-o',
          [...words, `size=${bytes}`].join(','),
          'tmpfs',
          project.cache,
        ]);
      resize(roomy);
      try {
        execFileSync('cp', ['-a', `${caches.warm.cache}/.`, project.cache]);
        project.write({'fgimage.yaml': specOf(version)});
        const before = usedBytes(project.cache);
        for (let point = 0; point < 20; point += 1) {
          // Closer where records and locks are written, further apart where a whole artifact is.
          const bytes = Math.ceil(artifactBytes * (point / 20) ** 3);
          resize(Math.max(before + bytes, usedBytes(project.cache)), 'remount');
          await expectMend(project.start(['build', '--no-test']), {project, at: bytes});
          resize(roomy, 'remount');
          await verify(project);
        }
        await buildWell(project);
        expect(artifactDigests(project)).toEqual(expected);
        await verify(project);
      } finally {
        execFileSync('umount', [project.cache]);
      }
    },
  );

  it.runIf(asRoot)(
    'ends with 3 and the mend wherever the disk begins to fail, and goes on with another',
    async () => {
      const version = {...version0, users: 1};
      const project = caches.copy('chaos-failing');
      const library = failingDisk();
      for (const after of [0, 1, 2, 4, 7, 12, 20, 35, 60, 100]) {
        // Each has all of its stages before it.
        project.write({'fgimage.yaml': specOf({...version, users: 10 + after})});
        await expectMend(startOnFailingDisk(project, {library, after, by: 'EIO'}), {project, at: after});
        await verify(project);
      }
      project.write({'fgimage.yaml': specOf(version)});
      await buildWell(project);
      expect(artifactDigests(project)).toEqual(await caches.digestsOf(version));
      await remove(project);
    },
  );
});

describe('eight builds of four specs over one cache', () => {
  it('run each key once, wait for each other and give what each gives alone', async () => {
    const project = caches.copy('chaos-eight');
    for (const [at, version] of overlapping.entries()) project.write({[`${at}.yaml`]: specOf(version)});
    const startedAt = Date.now();
    const results = await Promise.all(
      [...overlapping.keys(), ...overlapping.keys()].map(async (at) => {
        const running = project.start([
          'build',
          '--json',
          '--no-test',
          '-f',
          `${at}.yaml`,
          '-o',
          `out-${at}`,
        ]);
        const result = new BuildResult(await running.end, running.stdout, running.stderr);
        return {pid: running.process.pid, result};
      }),
    );
    for (const {result} of results) {
      expect(JSON.stringify(result.events)).not.toMatch(/SQLITE_BUSY|database is locked/);
      expect({code: result.code, told: result.told.trim()}).toEqual({code: 0, told: ''});
    }
    const keys = results.flatMap(({result}) =>
      result.events.flatMap((event) => (event.type === 'stage-started' ? [event.key] : [])),
    );
    expect(keys.length).toBeGreaterThan(20);
    expect(new Set(keys).size).toBe(keys.length);
    const finished = results.flatMap(({result}) => result.stages('stage-finished'));
    expect(finished).toHaveLength(keys.length);
    const owners = results.flatMap(({result}) =>
      result.events.flatMap((event) => (event.type === 'stage-waiting' ? [event.owner] : [])),
    );
    expect(owners.length).toBeGreaterThan(0);
    const pids = results.map(({pid}) => pid);
    for (const owner of owners) {
      expect(owner.host).toBe(hostname());
      expect(pids).toContain(owner.pid);
      expect(owner.command).toMatch(/^fgimage build --json --no-test -f \d\.yaml -o out-\d --cache-dir /);
      expect(owner.since).toBeGreaterThanOrEqual(startedAt);
      expect(owner.since).toBeLessThanOrEqual(Date.now());
    }
    for (const [at, version] of overlapping.entries())
      expect(artifactDigests(project, `out-${at}`)).toEqual(await caches.digestsOf(version));
    await verify(project);
    await remove(project);
  });
});

describe('fgimage cache gc beside builds', () => {
  it('takes nothing that a build needs, for a minute', async () => {
    const collected = await collectBesideBuilds(caches, {name: 'chaos-gc', durationMs: 60_000});
    console.log('gc beside builds:', JSON.stringify(collected));
    expect(collected.compared).toBeGreaterThan(0);
    expect(collected.freeing).toBeGreaterThan(0);
  });
});

/** Waits for a build that cannot write: it says where and what to do, and shows no stack. */
async function expectMend(running: Running, {project, at}: {project: Project; at: number}): Promise<void> {
  const code = await running.end;
  const told = `${running.stdout}${running.stderr}`;
  expect(code, `at ${at}: ${told}`).toBe(3);
  expect(told).toContain(project.cache);
  expect(told).toContain('--cache-dir');
  expect(told).not.toMatch(/^\s+at /m);
}

/** Room on a file system that is in use. */
function usedBytes(folder: string): number {
  const {blocks, bfree, bsize} = statfsSync(folder);
  return (blocks - bfree) * bsize;
}

const roomy = 4 * 2 ** 30;
/** What a build adds to the warm cache, and no more. */
const artifactBytes = 130 * 2 ** 20;
