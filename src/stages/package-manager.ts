import type {StageNode} from '../plan/graph.ts';
import {ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {AptRequest, Installed} from './apt.ts';
import {isOnlyImported, packagesOf} from './rpm-tree.ts';
import type {StageContext, StageRunner} from './stage.ts';

/** What a package manager has to do for the stages of an image: which one does it is the distribution's. */
export interface PackageManager {
  /** Package lists of repositories, verified. */
  readonly archive: StageRunner;
  /** A root out of nothing. */
  readonly base: StageRunner;
  /** Packages in a stage's tree. */
  readonly install: (context: StageContext, request: AptRequest) => Promise<Result<Installed, StageFailure>>;
}

/** Loaded when a stage must run. */
const managers: Readonly<Record<'apt' | 'dnf', () => Promise<PackageManager>>> = {
  apt: async () => ({
    archive: (await import('./archive.ts')).runArchive,
    base: (await import('./base.ts')).runBase,
    install: (await import('./apt.ts')).installPackages,
  }),
  dnf: async () => ({
    archive: (await import('./dnf/archive.ts')).runRpmArchive,
    base: (await import('./dnf/base.ts')).runRpmBase,
    install: (await import('./dnf/install.ts')).installRpms,
  }),
};

export function packageManager(node: Pick<StageNode, 'id' | 'params'>): Promise<PackageManager> {
  const manager = packagesOf(node);
  if (manager !== 'apt' && manager !== 'dnf') throw new Error(`Stage ${node.id} has no archive`);
  return managers[manager]();
}

/** Installs and removes packages in the stage's tree. */
export async function installPackages(
  context: StageContext,
  request: AptRequest,
): Promise<Result<Installed, StageFailure>> {
  if (isOnlyImported(context.node)) {
    // Without packages there is nothing that the stage's key does not tell.
    if (request.install.length + request.remove.length === 0) return ok({known: false});
    return (await import('./apk.ts')).installApks(context, request);
  }
  return (await packageManager(context.node)).install(context, request);
}
