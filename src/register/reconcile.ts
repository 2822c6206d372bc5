import type {PropertyChange, RemoteImage, RemoteProperties} from '../../targets/registrar.ts';
import {fail, ok, type Result} from '../result.ts';

/** What is wanted of an infrastructure for one target of an image. */
export interface WantedRegistration {
  readonly digest: string;
  readonly lineage: string;
  readonly name: string;
  readonly properties: RemoteProperties;
  readonly hasUniqueNames: boolean;
  /** How many of the lineage stay, the wanted one among them; absent: all. */
  readonly keepLast?: number;
  /** Age from which superseded ones are marked as deprecated; absent: never, or the infrastructure has no such mark. */
  readonly deprecateAfterMs?: number;
  /** Age from which what never became ready counts as left behind, though it is of another digest. */
  readonly timeoutMs: number;
}

/** One thing to do, in order. */
export type Step =
  | {readonly do: 'keep'; readonly remote: RemoteImage}
  | {readonly do: 'update'; readonly remote: RemoteImage; readonly changes: readonly PropertyChange[]}
  | {readonly do: 'create'}
  /** Goes on with an upload that was interrupted. */
  | {readonly do: 'finish'; readonly remote: RemoteImage}
  | {readonly do: 'remove'; readonly remote: RemoteImage; readonly why: RemovalReason}
  | {readonly do: 'deprecate'; readonly remote: RemoteImage};

export type RemovalReason = 'superseded' | 'broken' | 'left-behind' | 'twice';

/** Why nothing can be done. */
export type Conflict =
  /** Somebody else's image has the name. */
  | {readonly reason: 'name-taken'; readonly remote: RemoteImage}
  /** An older image of this lineage has the name, and is to stay. */
  | {readonly reason: 'name-kept'; readonly remote: RemoteImage};

/**
 * What is to be done so that the infrastructure has what is wanted. Touches nothing but images with our mark of this
 * lineage. The wanted image comes before anything is taken away, but where both can have the name only one after the
 * other.
 */
export function reconcile(
  wanted: WantedRegistration,
  found: readonly RemoteImage[],
  now: number,
): Result<readonly Step[], Conflict> {
  const mine = found.filter(({mark}) => mark?.lineage === wanted.lineage).toSorted(newestFirst);
  const same = mine.filter(({mark}) => mark?.digest === wanted.digest);
  const others = mine.filter(({mark}) => mark?.digest !== wanted.digest);
  const [current, ...twice] = same.filter(({health}) => health === 'ready');
  const old = oldSteps(wanted, others, now);
  if (current !== undefined) {
    const changes = changesBetween(current.properties, wanted.properties);
    const broken = same.filter(({health}) => health !== 'ready');
    return ok([
      changes.length === 0 ? {do: 'keep', remote: current} : {do: 'update', remote: current, changes},
      ...twice.map((remote) => removal(remote, 'twice')),
      ...broken.map((remote) => removal(remote, remote.health === 'broken' ? 'broken' : 'left-behind')),
      ...old,
    ]);
  }
  const [unfinished, ...more] = same.filter(({health}) => health === 'pending');
  const broken = same.filter(({health}) => health === 'broken');
  const before = [
    ...broken.map((remote) => removal(remote, 'broken')),
    ...more.map((remote) => removal(remote, 'left-behind')),
  ];
  if (unfinished !== undefined) return ok([...before, {do: 'finish', remote: unfinished}, ...old]);
  const holder = wanted.hasUniqueNames ? found.find((one) => takesName(one, wanted, broken)) : undefined;
  if (holder === undefined) return ok([...before, {do: 'create'}, ...old]);
  const isOurs = holder.mark?.lineage === wanted.lineage;
  const makesRoom = old.find((step) => step.do === 'remove' && step.remote === holder);
  if (makesRoom === undefined) return fail({reason: isOurs ? 'name-kept' : 'name-taken', remote: holder});
  return ok([...before, makesRoom, {do: 'create'}, ...old.filter((step) => step !== makesRoom)]);
}

/** What differs between the properties of an image and those that it is to have. */
export function changesBetween(found: RemoteProperties, wanted: RemoteProperties): readonly PropertyChange[] {
  const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return names.flatMap((name) => {
    const [from, to] = [found[name], wanted[name]];
    if (from === to) return [];
    return [{name, ...(from === undefined ? {} : {from}), ...(to === undefined ? {} : {to})}];
  });
}

/** What becomes of images of the lineage with another digest, the newest first. */
function oldSteps(
  {keepLast, deprecateAfterMs, timeoutMs}: WantedRegistration,
  others: readonly RemoteImage[],
  now: number,
): readonly Step[] {
  const age = ({createdAt = now}: RemoteImage): number => now - createdAt;
  const usable = others.filter(({health}) => health === 'ready');
  const kept = keepLast === undefined ? usable : usable.slice(0, keepLast - 1);
  const superseded = usable.slice(kept.length);
  const leftBehind = others.filter((one) => one.health === 'pending' && age(one) > timeoutMs);
  const broken = others.filter(({health}) => health === 'broken');
  const outdated =
    deprecateAfterMs === undefined
      ? []
      : kept.filter((one) => one.deprecated !== true && age(one) >= deprecateAfterMs);
  return [
    ...outdated.map((remote): Step => ({do: 'deprecate', remote})),
    ...superseded.map((remote) => removal(remote, 'superseded')),
    ...leftBehind.map((remote) => removal(remote, 'left-behind')),
    ...broken.map((remote) => removal(remote, 'broken')),
  ];
}

function takesName(one: RemoteImage, {name}: WantedRegistration, going: readonly RemoteImage[]): boolean {
  return one.name === name && !going.includes(one);
}

function removal(remote: RemoteImage, why: RemovalReason): Step {
  return {do: 'remove', remote, why};
}

function newestFirst(a: RemoteImage, b: RemoteImage): number {
  return (b.createdAt ?? 0) - (a.createdAt ?? 0) || a.id.localeCompare(b.id);
}
