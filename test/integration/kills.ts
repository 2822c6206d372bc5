import {expect} from 'vitest';
import {
  artifactDigests,
  buildWell,
  type Caches,
  failingDisk,
  Random,
  remove,
  specOf,
  verify,
  version0,
} from './chaos.ts';
import {changed, countText, killBuild, momentOf, untilNothingIsLeft} from './chaos-kill.ts';
import type {Project} from './real-build.ts';

const asRoot = process.getuid?.() === 0;

/** Kills builds of seeded versions at seeded moments until so many were killed; gives how many. */
export async function killBuilds(
  project: Project,
  {caches, kills, verifyEvery, as}: {caches: Caches; kills: number; verifyEvery: number; as?: number},
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
