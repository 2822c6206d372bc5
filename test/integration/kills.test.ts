import {execFileSync} from 'node:child_process';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  artifactDigests,
  buildWell,
  Caches,
  copyCacheFor,
  failingDisk,
  Random,
  remove,
  specOf,
  verify,
  version0,
} from './chaos.ts';
import {changed, countText, killBuild, momentOf, untilNothingIsLeft} from './chaos-kill.ts';
import {Project} from './real-build.ts';

const asRoot = process.getuid?.() === 0;
let caches: Caches;

beforeAll(async () => {
  caches = await Caches.make('kills');
});

afterAll(async () => {
  await caches[Symbol.asyncDispose]();
});

describe('fgimage build, killed at any moment', () => {
  it('leaves nothing behind 200 times, a sound cache and in the end the same artifacts', async () => {
    const project = caches.copy('chaos-killed');
    expect(await killBuilds(project, {kills: 200, verifyEvery: 20})).toBe(200);
  });

  it.runIf(asRoot)('does so as an ordinary user too', async () => {
    const name = `fgimage-chaos-${String(process.pid)}`;
    execFileSync('useradd', ['--create-home', name]);
    try {
      const as = Number(execFileSync('id', ['-u', name], {encoding: 'utf8'}));
      const project = new Project('chaos-killed-user');
      copyCacheFor(as, {from: caches.warm, to: project});
      expect(await killBuilds(project, {kills: 20, verifyEvery: 20, as})).toBe(20);
    } finally {
      execFileSync('userdel', ['--remove', name], {stdio: 'ignore'});
    }
  });
});

/** Kills builds of seeded versions at seeded moments until so many were killed; gives how many. */
async function killBuilds(
  project: Project,
  {kills, verifyEvery, as}: {kills: number; verifyEvery: number; as?: number},
): Promise<number> {
  const random = new Random(20261122);
  const library = failingDisk();
  const stands: string[] = [];
  let [done, wanted, tries, builds, unrecorded] = [version0, changed(version0, random), 0, 0, 0];
  while (stands.length < kills) {
    project.write({'fgimage.yaml': specOf(wanted)});
    const moment = momentOf(random, {atWrites: as === undefined && asRoot});
    const stood = await killBuild(project, moment, {as, library});
    await untilNothingIsLeft(project.cache);
    if (stood === undefined) {
      [done, builds, tries] = [wanted, builds + 1, 0];
    } else {
      stands.push(stood);
      tries += 1;
      if (stands.length % verifyEvery === 0) unrecorded += (await verify(project, {as})).unrecordedObjects;
    }
    if (tries % 3 === 0) wanted = changed(done, random);
  }
  console.log(
    `${stands.length} kills, ${builds} builds between them: ${countText(stands)}; ${unrecorded} objects unrecorded`,
  );
  project.write({'fgimage.yaml': specOf(wanted)});
  await buildWell(project, {as});
  await verify(project, {as});
  expect(artifactDigests(project)).toEqual(await caches.digestsOf(wanted));
  await remove(project);
  return stands.length;
}
