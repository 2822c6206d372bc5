import type {Path} from '../spec/tree.ts';
import type {Origin, StageNode} from './graph.ts';

/** `users[1].shell`, `targets.openstack.format`; a name that would be read otherwise goes in brackets and quotes. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Parameters that no option of the spec makes. */
const ownParams = new Set(['target_version', 'source_date_epoch']);

/**
 * Where a parameter stands in the spec, by the origin that lies nearest around it. Undefined where it has none, or only
 * one of the stage as a whole (`param: []`) and was made from other options (`notes`) or from none.
 */
export function specPath(
  param: Path,
  {origins, notes}: Pick<StageNode, 'origins' | 'notes'>,
): Path | undefined {
  let best: Origin | undefined;
  for (const origin of origins) {
    if (!startsWith(param, origin.param)) continue;
    if (best === undefined || origin.param.length > best.param.length) best = origin;
  }
  if (best === undefined) return undefined;
  if (best.param.length === 0 && (notes !== undefined || isOwnParam(param))) return undefined;
  return [...best.spec, ...param.slice(best.param.length)];
}

export function isOwnParam(param: Path): boolean {
  return ownParams.has(String(param[0]));
}

/** The path that a name in a stage's notes stands for: the name of a target may hold dots. */
export function notePath(name: string): Path {
  const dot = name.indexOf('.');
  return dot === -1 ? [name] : [name.slice(0, dot), name.slice(dot + 1)];
}

export function startsWith(path: Path, start: Path): boolean {
  return start.length <= path.length && start.every((step, index) => step === path[index]);
}
