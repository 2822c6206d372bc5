import {lockFileName} from '../lock/lock.ts';
import type {JsonObject, JsonValue} from '../spec/image.ts';
import type {Path} from '../spec/tree.ts';
import type {ExplainOptions} from './explain.ts';
import {
  diffLocked,
  diffPackages,
  type PackageList,
  packageLists,
  valueAt,
  wordsAt,
} from './explain-packages.ts';
import {isJsonObject} from './explain-parts.ts';
import {isOwnParam, notePath, pathText, specPath, startsWith} from './explain-paths.ts';
import type {Reason, SpecPosition} from './explain-reason.ts';
import {isSecretName, withoutSecrets} from './explain-secret.ts';
import {diffOptional, diffValues, sameValue, type ValueDiff} from './explain-values.ts';
import type {KeyParts} from './key.ts';

type Told = Pick<KeyParts, 'params' | 'notes' | 'files'>;

/** A reason and the parameter that it is about. */
interface Found {
  readonly param: Path;
  readonly reason: Reason;
}

/**
 * What differs in the parameters, told as packages and options of the spec. Parameters without an origin were made
 * from the options that the notes name: where those differ, all that differ are told in their stead, as what each of
 * them does to the parameters is the target's business.
 */
export function optionReasons(was: Told, is: Told, options: ExplainOptions): readonly Reason[] {
  const teller = new Teller(options);
  const lists = packageLists.filter(
    ({param}) => wordsAt(was.params, param) !== undefined && wordsAt(is.params, param) !== undefined,
  );
  const found = [
    ...teller.locked(was.params, is.params),
    ...lists.flatMap((list) => teller.packages(was.params, is.params, list)),
    ...diffValues(was.params, is.params)
      .filter(({path}) => !startsWith(path, lockedParam) && !lists.some(({param}) => startsWith(path, param)))
      .filter((diff) => !isToldAsFile(diff, was, is))
      .map((diff) => teller.param(diff, is.params)),
  ];
  const own = ({param}: Found): boolean => isOwnParam(param) || specPath(param, options.node) !== undefined;
  const noted = found.every(own) ? [] : teller.notes(was.notes ?? {}, is.notes ?? {});
  return (noted.length === 0 ? found : [...found.filter(own), ...noted])
    .toSorted((a, b) => Number(isOwnParam(a.param)) - Number(isOwnParam(b.param)))
    .map(({reason}) => reason);
}

/** An entry of a copied folder that came or went with its file: the file is told, not the derived list as well. */
function isToldAsFile(diff: ValueDiff, was: Told, is: Told): boolean {
  const entry = diff.change === 'added' ? diff.is : diff.was;
  if (diff.path[0] !== 'copied' || diff.change === 'changed' || !isJsonObject(entry ?? null)) return false;
  const source = valueAt(entry ?? null, ['source']);
  return typeof source === 'string' && Object.hasOwn(was.files, source) !== Object.hasOwn(is.files, source);
}

/** Where a stage's packages stand by digest when fgimage.lock names them. */
const lockedParam: Path = ['refinement'];

class Teller {
  readonly #options: ExplainOptions;

  constructor(options: ExplainOptions) {
    this.#options = options;
  }

  packages(was: JsonObject, is: JsonObject, {param, list}: PackageList): readonly Found[] {
    const before = wordsAt(was, param) ?? [];
    const after = wordsAt(is, param) ?? [];
    return diffPackages(before, after).map((diff): Found => {
      const {change, package: name, index} = diff;
      if (change === 'order')
        return this.#option({change: 'changed', path: param, was: before, is: after}, param);
      const at = [...param, index];
      const common = {package: name, list, ...this.#position(specPath(at, this.#options.node), change)};
      if (change !== 'changed') return {param: at, reason: {reason: `package-${change}`, ...common}};
      const versions = {
        ...(diff.was === undefined ? {} : {was: diff.was}),
        ...(diff.is === undefined ? {} : {is: diff.is}),
      };
      return {param: at, reason: {reason: 'package-changed', ...common, ...versions}};
    });
  }

  /** What fgimage.lock names for the stage. */
  locked(was: JsonObject, is: JsonObject): readonly Found[] {
    const path = [...lockedParam, 'packages'];
    const before = wordsAt(was, path);
    const after = wordsAt(is, path);
    const param = lockedParam;
    if (before === undefined && after === undefined) return [];
    if (before === undefined) return [{param, reason: {reason: 'option-added', option: lockFileName}}];
    if (after === undefined) return [{param, reason: {reason: 'option-removed', option: lockFileName}}];
    return diffLocked(before, after).map(({name, ...versions}): Found => {
      const change = versions.was === undefined ? 'added' : versions.is === undefined ? 'removed' : 'changed';
      const told = change === 'changed' ? versions : {};
      return {param, reason: {reason: `package-${change}`, package: name, list: 'install', ...told}};
    });
  }

  param(diff: ValueDiff, params: JsonObject): Found {
    const {path, was, is} = diff;
    if (path[0] === 'target_version' && typeof was === 'number' && typeof is === 'number') {
      return {param: path, reason: {reason: 'implementation', of: 'target', was, is}};
    }
    const entry = path.length === 2 ? (is ?? was) : valueAt(params, path.slice(0, 2));
    const file = path[0] === 'copied' ? valueAt(entry ?? null, ['path']) : undefined;
    if (typeof file !== 'string') return this.#option(diff, path);
    // Which entry of `copy` a file comes from is not kept: it is told by its path in the image.
    const option = pathText(['copy', file, ...path.slice(2)]);
    return {param: path, reason: this.#reason(diff, option, specPath(['copied'], this.#options.node))};
  }

  notes(was: JsonObject, is: JsonObject): readonly Found[] {
    return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap((name) => {
      const path = notePath(name);
      return diffOptional(valueAt(was, [name]), valueAt(is, [name]), path).map(
        (diff): Found => ({param: path, reason: this.#reason(diff, pathText(diff.path), diff.path)}),
      );
    });
  }

  #option(diff: ValueDiff, param: Path): Found {
    const spec = specPath(param, this.#options.node);
    return {param, reason: this.#reason(diff, pathText(spec ?? param), spec)};
  }

  #reason(diff: ValueDiff, option: string, spec: Path | undefined): Reason {
    const {change} = diff;
    return {reason: `option-${change}`, option, ...toldValues(option, diff), ...this.#position(spec, change)};
  }

  /** What is gone is looked for where it was: in the list or mapping around it. The whole spec is no place. */
  #position(spec: Path | undefined, change: ValueDiff['change']): {readonly position?: SpecPosition} {
    // Targets have names: a number below them is the place of something that they all made.
    const named = spec?.[0] === 'targets' && typeof spec[1] === 'number' ? ['targets'] : spec;
    const path = change === 'removed' ? named?.slice(0, -1) : named;
    if (path === undefined || path.length === 0) return {};
    const found = this.#options.locate(path);
    const whole = this.#options.locate([]);
    if (found === undefined) return {};
    const {file, line, column} = found;
    if (file === whole?.file && line === whole.line && column === whole.column) return {};
    return {position: {file, line, column}};
  }
}

/** The values without their secrets; left out where nothing can be told. */
function toldValues(
  option: string,
  {was, is}: ValueDiff,
): {readonly was?: JsonValue; readonly is?: JsonValue} {
  const secret = isSecretName(option);
  const before = was === undefined ? undefined : withoutSecrets(was);
  const after = is === undefined ? undefined : withoutSecrets(is);
  if (secret && [was, is].some(holdsText)) return {};
  if (before !== undefined && after !== undefined && sameValue(before, after)) return {};
  return {...(before === undefined ? {} : {was: before}), ...(after === undefined ? {} : {is: after})};
}

function holdsText(value: JsonValue | undefined): boolean {
  if (Array.isArray(value)) return value.some((one: JsonValue) => holdsText(one));
  return isJsonObject(value) ? Object.values(value).some(holdsText) : typeof value === 'string';
}
