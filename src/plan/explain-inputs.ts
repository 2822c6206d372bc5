import {lockFileName} from '../lock/lock.ts';
import type {Reason} from './explain-reason.ts';
import type {KeyParts} from './key.ts';

type Inputs = KeyParts['inputs'];

/**
 * What differs in the outputs that a stage builds on. Keys hold the digests in order and no ids: the same digests
 * under other ids (a renamed image) are no difference. Stages are paired by id, else by digest, else by place.
 */
export function inputReasons(was: Inputs, is: Inputs): readonly Reason[] {
  if (was.length === is.length && was.every(([, digest], index) => digest === is[index]?.[1])) return [];
  const pairs = pairInputs(was, is);
  const paired = new Set(pairs.values());
  const reasons: Reason[] = [];
  for (const [index, [stage, digest]] of is.entries()) {
    const before = was[pairs.get(index) ?? -1];
    if (before === undefined) reasons.push({reason: 'upstream-added', stage, is: digest});
    else if (before[1] !== digest)
      reasons.push({reason: 'upstream-changed', stage, was: before[1], is: digest});
  }
  for (const [index, [stage, digest]] of was.entries()) {
    if (!paired.has(index)) reasons.push({reason: 'upstream-removed', stage, was: digest});
  }
  const places = [...pairs].sort(([a], [b]) => a - b).map(([, place]) => place);
  if (places.some((place, index) => place < (places[index - 1] ?? -1))) {
    reasons.push({reason: 'upstream-order', was: was.map(([id]) => id), is: is.map(([id]) => id)});
  }
  // It is no stage, but stands in the place of package lists.
  return reasons.filter((one) => !('stage' in one && one.stage === lockFileName));
}

/** For each place of `is` the place of `was` that it is compared with. */
function pairInputs(was: Inputs, is: Inputs): ReadonlyMap<number, number> {
  const pairs = new Map<number, number>();
  const free = new Set(was.keys());
  const pair = (matches: (before: readonly [string, string], index: number, place: number) => boolean) => {
    for (const index of is.keys()) {
      if (pairs.has(index)) continue;
      const place = [...free].find((candidate) => {
        const before = was[candidate];
        return before !== undefined && matches(before, index, candidate);
      });
      if (place === undefined) continue;
      pairs.set(index, place);
      free.delete(place);
    }
  };
  pair(([id], index) => id === is[index]?.[0]);
  pair(([, digest], index) => digest === is[index]?.[1]);
  if (was.length === is.length) pair((_, index, place) => index === place);
  return pairs;
}
