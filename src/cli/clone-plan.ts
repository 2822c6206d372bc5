import type {Clones} from '../plan/clones.ts';
import type {Plan} from '../plan/plan.ts';
import type {BaseChoice} from '../run/base-choice.ts';
import {peekGraph} from '../run/peek.ts';
import type {ResolveOptions} from '../run/resolve.ts';
import type {CacheSettings} from '../spec/cache-settings.ts';

/**
 * Why images are put on nothing that others have installed; undefined: they are. A lock says what every stage gives. A
 * remote cache is worth something where other machines have the same keys, and these hang on what a cache holds then.
 */
export function whyNotCloned(
  {fromScratch}: {readonly fromScratch: boolean},
  {spec, lock, remote}: {readonly spec: {readonly cache: CacheSettings}; lock: unknown; remote: unknown},
): string | undefined {
  if (lock !== undefined) return 'the lock says what is installed';
  if (fromScratch) return '--from-scratch';
  const {cloneBases = remote === undefined} = spec.cache;
  if (cloneBases) return undefined;
  return spec.cache.cloneBases === false ? 'cache.clone_bases is false' : 'a remote cache shares by keys';
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
