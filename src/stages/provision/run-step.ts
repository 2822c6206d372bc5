import {fail, ok} from '../../result.ts';
import type {Provisioner} from '../../spec/image.ts';
import type {StageRunner} from '../stage.ts';
import {runInTree} from '../tree.ts';
import {stepRunner} from './registry.ts';

/** One entry of `provision`: a layer of its own. */
export const runStep: StageRunner = async (context) => {
  const step = context.node.params['provisioner'] as unknown as Provisioner;
  const run = await stepRunner(step.kind);
  const done = await run({
    stage: context,
    options: step.options,
    run: (command) => runInTree(context, {...command, writable: true, network: step.network}),
  });
  return done.ok ? ok({result: {}}) : fail({failure: done.error});
};
