import {canonicalDigest} from '../../plan/key.ts';
import {requiredInput} from '../inputs.ts';
import type {StageContext} from '../stage.ts';

/**
 * The digest that the ids in an artifact are derived from: what is packed and how. Not the stage's key, which knows the
 * programs that pack, the environment and the salt too: with others of those the same bytes are to come out.
 */
export function packIdentity(context: Pick<StageContext, 'inputs' | 'node'>): string {
  const {dependsOn, toolsFrom, params} = context.node;
  const packed = dependsOn.filter((id) => id !== toolsFrom).map((id) => requiredInput(context, id).digest);
  return canonicalDigest({plan: params['plan'] ?? null, packed});
}
