import type {Clones} from '../plan/clones.ts';
import type {Plan} from '../plan/plan.ts';
import type {BaseChoice} from '../run/base-choice.ts';
import {peekGraph} from '../run/peek.ts';
import type {ResolveOptions} from '../run/resolve.ts';
import type {CacheSettings} from '../spec/cache-settings.ts';

export interface CloneOptions {
  readonly cloneBases?: boolean | undefined;
}

/** Whether images are put on what others have installed: never with a lock, which says what every stage gives. */
export function mayClone(
  {cloneBases}: CloneOptions,
  {spec, lock}: {readonly spec: {readonly cache: CacheSettings}; readonly lock: unknown},
): boolean {
  return lock === undefined && (cloneBases ?? spec.cache.cloneBases ?? false);
}

/** What plans look into the cache with. */
export type Looking = Pick<ResolveOptions, 'store' | 'tools' | 'remote' | 'readCache' | 'trusts'>;

/**
 * A plan whose images are put on what is in the cache of them. Chosen by what is known now, whatever this build is told to
 * run again: the stages of an image are the same for a build with --refresh as for one without.
 */
export async function planOnClones(
  scratch: Plan,
  {looking, planAgain}: {readonly looking: Looking; readonly planAgain: (clones: Clones) => Promise<Plan>},
): Promise<{readonly plan: Plan; readonly bases: readonly BaseChoice[]}> {
  const peeked = await peekGraph({
    ...looking,
    nodes: scratch.nodes,
    force: () => false,
    wanted: () => false,
    signal: new AbortController().signal,
  });
  const open = scratch.nodes.some(({id, kind}) => kind === 'packages' && peeked.get(id)?.state !== 'hit');
  if (!open) return {plan: scratch, bases: []};
  const {chooseBases} = await import('../run/base-choice.ts');
  const {choices, clones} = chooseBases({...looking, nodes: scratch.nodes, peeked});
  return {plan: clones.size === 0 ? scratch : await planAgain(clones), bases: choices};
}
