import type {StageNode} from '../plan/graph.ts';

/** Whether the packages of a stage's tree are rpm's: then the host's programs install them, not the image's. */
export function hasRpms({params}: Pick<StageNode, 'params'>): boolean {
  return params['rpm'] !== undefined;
}
