import type {StageContext, StageOutput} from './stage.ts';

/** The output of a stage that this one depends on; its absence is a defect of the plan. */
export function requiredInput(context: Pick<StageContext, 'inputs' | 'node'>, id: string): StageOutput {
  const input = context.inputs.get(id);
  if (input === undefined)
    throw new Error(`Stage ${context.node.id} reads ${id}, which it does not depend on`);
  return input;
}
