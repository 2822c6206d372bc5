import type {JsonObject} from '../spec/image.ts';
import type {StageNode} from './graph.ts';
import {json} from './image-words.ts';

/** What the `sbom` stage of a target hangs on, beside the tree that it tells of. */
export interface SbomInputs {
  readonly dependsOn: readonly string[];
  readonly params: JsonObject;
}

/**
 * Where the .debs of a tree are told: in the lock's entries of the stages that its layers come from, which go into the
 * parameters, and for stages that resolved by themselves in the lists of the archives that they asked.
 */
export function sbomInputs(
  layers: readonly string[],
  node: (id: string) => StageNode | undefined,
): SbomInputs {
  const nodes = layers.flatMap((id) => node(id) ?? []);
  const archives = nodes
    .filter(({locked}) => locked === undefined)
    .flatMap(({dependsOn}) => dependsOn.filter((id) => node(id)?.kind === 'archive'));
  const debs = new Map(
    nodes
      .flatMap(({locked}) => locked?.packages ?? [])
      .map(({name, version, architecture, path, sha256}) => [
        `${name} ${version} ${architecture} ${sha256}`,
        {name, version, architecture, path, sha256},
      ]),
  );
  const sorted = [...debs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, deb]) => deb);
  return {
    dependsOn: [...new Set(archives), ...layers],
    params: sorted.length === 0 ? {} : {debs: json(sorted)},
  };
}
