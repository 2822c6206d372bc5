import {FgError} from '../errors.ts';
import {nearest} from '../spec/nearest.ts';

/**
 * The stage that a person means: by its whole id, else by a part of it that no other stage has, whole words at the end
 * before whole words anywhere (`packages`, `web/packages`, `pack:web`). Throws `FgError` when there is none or more
 * than one.
 */
export function stageByName(name: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  for (const isMeant of [endsWith, holds]) {
    const [found, ...others] = known.filter((id) => isMeant(id, name));
    if (found === undefined) continue;
    if (others.length === 0) return found;
    throw new FgError('USAGE', `${name} is a part of the names of several stages`, {
      hint: `Name one of ${listed([found, ...others])}`,
    });
  }
  const similar = nearest(name, known.flatMap(endsOf));
  throw new FgError('USAGE', `There is no stage ${name}`, {
    hint: similar === undefined ? `The stages are ${listed(known)}` : `Did you mean ${similar}?`,
  });
}

/** `pack:web/hpc`, `web/hpc` and `hpc` of `pack:web/hpc`. */
function endsOf(id: string): readonly string[] {
  return [id, ...[...id.matchAll(/[:/]/g)].map(({index}) => id.slice(index + 1))];
}

function endsWith(id: string, name: string): boolean {
  return endsOf(id).includes(name);
}

function holds(id: string, name: string): boolean {
  return endsOf(id).some((end) => end.startsWith(name) && /^(?:$|[:/])/.test(end.slice(name.length)));
}

/** Enough to see how stages are named. */
function listed(stages: readonly string[]): string {
  const shown = stages.slice(0, 20).join(', ');
  return stages.length <= 20 ? shown : `${shown} and ${String(stages.length - 20)} more`;
}
