import {FgError} from '../errors.ts';
import {nearest} from '../spec/nearest.ts';

interface Named {
  readonly id: string;
}

/**
 * The stages that a word names: an id (`pack:web/hpc`), a part of ids between `:` and `/` (`pack`, `web/packages`,
 * `hpc`). Throws `FgError` with the nearest name where there is none.
 */
export function matchStages(nodes: readonly Named[], word: string): readonly string[] {
  const ids = nodes.map(({id}) => id);
  if (ids.includes(word)) return [word];
  const matching = ids.filter((id) => {
    const at = `/${id.replace(':', '/')}/`.indexOf(`/${word.replace(':', '/')}/`);
    return at !== -1;
  });
  if (matching.length > 0) return matching;
  const parts = ids.flatMap((id) => [id, ...id.split(/[:/]/), id.slice(id.indexOf(':') + 1)]);
  const similar = nearest(word, [...new Set(parts)]);
  throw new FgError('USAGE', `There is no stage ${word} in the plan`, {
    hint: similar === undefined ? '"fgimage plan" lists the stages' : `Did you mean ${similar}?`,
  });
}
