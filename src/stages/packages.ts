import {fail, ok} from '../result.ts';
import {installPackages} from './package-manager.ts';
import {archiveOf} from './rpm-tree.ts';
import type {StageRunner} from './stage.ts';

/** `packages` and `remove_packages` of an image, or its kernel. */
export const runPackages: StageRunner = async (context) => {
  const {install, remove} = context.node.params as {install: readonly string[]; remove: readonly string[]};
  const done = await installPackages(context, {install, remove, archive: archiveOf(context.node)});
  return done.ok ? ok({result: {}}) : fail({failure: done.error});
};
