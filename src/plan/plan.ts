import type {Target} from '../../targets/contract.ts';
import type {Lock} from '../lock/lock.ts';
import type {Image, Os} from '../spec/image.ts';
import type {ArchiveUris} from './archives.ts';
import type {Clones} from './clones.ts';
import {Customizing} from './customize.ts';
import type {DigestCache} from './fingerprint.ts';
import type {StageNode} from './graph.ts';
import {GraphBuilder} from './graph-builder.ts';
import {Roots} from './roots.ts';
import {type Delivery, planTarget} from './target.ts';

export type {Delivery} from './target.ts';

export interface PlanRequest {
  readonly images: readonly Image[];
  readonly projectDir: string;
  readonly targetOfType: (type: string) => Target;
  /** Where Debian's archives are for an OS whose spec names no mirror. */
  readonly archiveOf: (os: Os) => ArchiveUris;
  /** Whether artifacts are booted. */
  readonly test: boolean;
  /** Whether trees are vetted; absent: they are not. */
  readonly vet?: boolean;
  /** Names of images to build, and of targets; empty: all. */
  readonly onlyImages: readonly string[];
  readonly onlyTargets: readonly string[];
  /** The environment that stages give their commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** `cache.salt` of the spec. */
  readonly salt?: string | undefined;
  /** Digests of the project's files from earlier runs. */
  readonly digests?: DigestCache | undefined;
  /** What of other images is brought from the cache; with a lock nothing is. */
  readonly clones?: Clones | undefined;
  /** What every stage is to install; absent: what the archives have. */
  readonly lock?: Lock | undefined;
  /** Whether the programs that shape bytes come from the tools image in the place of the host's. */
  readonly toolsImage?: boolean;
}

export interface Plan {
  readonly nodes: readonly StageNode[];
  readonly deliveries: readonly Delivery[];
  /** Where the spec has moved on since the lock was made, for people; then the plan is none to run. */
  readonly lockProblems: readonly string[];
}

/** Turns images into the stage graph. Reads the project's files to fingerprint them, and nothing else. */
export async function planImages(request: PlanRequest): Promise<Plan> {
  const graph = new GraphBuilder(request);
  const roots = new Roots(graph, request);
  const parts = {graph, roots, customizing: new Customizing(graph, roots, request), request};
  const wanted = request.images.filter(
    ({name}) => request.onlyImages.length === 0 || request.onlyImages.includes(name),
  );
  const deliveries: Delivery[] = [];
  for (const image of wanted) {
    for (const target of image.targets) {
      if (request.onlyTargets.length > 0 && !request.onlyTargets.includes(target.name)) continue;
      deliveries.push(await planTarget(image, target, parts));
    }
  }
  return {nodes: graph.nodes, deliveries, lockProblems: roots.lock?.problems ?? []};
}
