import {type LockedSuite, toolsName} from '../lock/lock.ts';
import {hostSnapshots, snapshotRoots} from '../lock/snapshot.ts';
import type {SourceArchive} from '../lock/sources-bring.ts';
import {Archives} from '../plan/archives.ts';
import {archiveUris} from '../run/host-archive.ts';
import type {Image, Os, Repository} from '../spec/image.ts';
import {readTools} from '../spec/template.ts';
import type {Session} from './session.ts';

/** The suites that have the source packages of a plan, and their snapshots. */
export function sourceArchives({spec, plan, store}: Session): readonly SourceArchive[] {
  const archives = new Archives((os) => archiveUris(os, store));
  const configured = hostSnapshots();
  const found = new Map<string, SourceArchive>();
  for (const {os, repositories, suites} of places(spec.images, plan.nodes)) {
    for (const source of archives.sources(os, repositories)) {
      const {origin, uri: root} = source;
      const snapshots = snapshotRoots({os, origin, root, suites, configured});
      found.set(JSON.stringify(source), {source, snapshots});
    }
  }
  return [...found.values()];
}

interface Place {
  readonly os: Os;
  readonly repositories: readonly Repository[];
  readonly suites: readonly LockedSuite[];
}

/** What the stages of a plan that install packages install them from. */
function places(images: readonly Image[], nodes: Session['plan']['nodes']): readonly Place[] {
  const byName = new Map(images.map((image) => [image.name, image]));
  return nodes.flatMap(({id, locked, image: name}): Place[] => {
    if (locked === undefined) return [];
    const {suites} = locked;
    const tools = toolsName(id);
    if (tools !== undefined) return [{os: readTools(tools.name).os, repositories: [], suites}];
    return [{os: locked.os, repositories: repositoriesOf(name, byName), suites}];
  });
}

/** An image's own repositories and those of the images that it is built on. */
function repositoriesOf(name: string | undefined, images: ReadonlyMap<string, Image>): readonly Repository[] {
  const image = name === undefined ? undefined : images.get(name);
  return image === undefined ? [] : [...repositoriesOf(image.from, images), ...image.repositories];
}
