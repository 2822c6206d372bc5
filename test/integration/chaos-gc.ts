import {expect} from 'vitest';
import {
  artifactDigests,
  buildWell,
  type Caches,
  overlapping,
  Random,
  remove,
  specOf,
  verify,
  version0,
} from './chaos.ts';
import type {Project} from './real-build.ts';

/** What happened while gc ran again and again beside builds. */
export interface Collected {
  readonly builds: number;
  /** Builds whose artifacts could be held against those of the same archive, undisturbed. */
  readonly compared: number;
  readonly collections: number;
  /** Collections that freed something, and how much all of them freed. */
  readonly freeing: number;
  readonly freedBytes: number;
}

/**
 * Builds seeded versions, one after the other, while gc runs in a loop beside: with a bound that holds the build that
 * runs and little more, and, where there is time for what follows, with one that leaves nothing. Expects of each build
 * that it is well and gives what it gives undisturbed.
 */
export async function collectBesideBuilds(
  caches: Caches,
  {name, durationMs}: {name: string; durationMs: number},
): Promise<Collected> {
  for (const version of overlapping) await caches.digestsOf(version);
  const project = caches.copy(name);
  project.write({'fgimage.yaml': specOf(version0)});
  const lists = (await buildWell(project)).digests()[archive];
  const end = Date.now() + durationMs;
  const bytes = await heldBytes(project);
  const random = new Random(20261123);
  let [builds, compared, collections, freeing, freedBytes] = [0, 0, 0, 0, 0];
  let isBuilding = true;
  const collect = async (): Promise<void> => {
    for (let harshAt = Date.now() + harshEveryMs; isBuilding; collections += 1) {
      const isHarsh = Date.now() > harshAt;
      if (isHarsh) harshAt = Date.now() + harshEveryMs;
      const {freedBytes: freed} = await collectGarbage(project, isHarsh ? 0 : bytes + spareBytes);
      freedBytes += freed;
      if (freed > 0) freeing += 1;
    }
  };
  const build = async (): Promise<void> => {
    try {
      for (; Date.now() < end; builds += 1) {
        const version = random.pick(overlapping);
        project.sharePackages();
        project.write({'fgimage.yaml': specOf(version)});
        const built = await buildWell(project);
        // The archive may have moved on where its lists had to be asked for again.
        if (built.digests()[archive] !== lists) continue;
        expect(artifactDigests(project)).toEqual(await caches.digestsOf(version));
        compared += 1;
      }
    } finally {
      isBuilding = false;
    }
  };
  await Promise.all([build(), collect()]);
  await verify(project);
  await remove(project);
  return {builds, compared, collections, freeing, freedBytes};
}

/** Room above a warm cache: for one build, not for two. */
const spareBytes = 200 * 2 ** 20;
const harshEveryMs = 90_000;
const archive = 'archive:debian-bookworm';

async function heldBytes(project: Project): Promise<number> {
  const {remaining} = await runGc(project, ['--dry-run']);
  return remaining.bytes;
}

function collectGarbage(project: Project, maxSizeBytes: number): Promise<GcTold> {
  return runGc(project, ['--max-size', `${Math.ceil(maxSizeBytes / 1024)}K`]);
}

interface GcTold {
  readonly freedBytes: number;
  readonly remaining: {readonly bytes: number};
}

async function runGc(project: Project, words: readonly string[]): Promise<GcTold> {
  const running = project.start(['cache', 'gc', '--json', ...words]);
  const code = await running.end;
  expect({code, stderr: running.stderr}).toEqual({code: 0, stderr: ''});
  return JSON.parse(running.stdout) as GcTold;
}
