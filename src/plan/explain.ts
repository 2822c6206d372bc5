import type {Path} from '../spec/tree.ts';
import {inputReasons} from './explain-inputs.ts';
import {optionReasons} from './explain-options.ts';
import type {Reason, ReasonCode, SpecPosition} from './explain-reason.ts';
import {isSecretName, maskSecrets} from './explain-secret.ts';
import type {StageNode} from './graph.ts';
import {type KeyParts, stageKey} from './key.ts';

export {asKeyParts} from './explain-parts.ts';
export type {Reason, SpecPosition} from './explain-reason.ts';

export interface ExplainOptions {
  /** The stage as it is planned now. */
  readonly node: Pick<StageNode, 'id' | 'origins' | 'notes'>;
  /** Where a value of the image's section of the spec is written; `[]`: the whole of it. */
  readonly locate: (path: Path) => SpecPosition | undefined;
}

/**
 * Every difference between two sets of parts, those that tell a person most first: packages, options, files, tools,
 * environment, salt, versions of code, stages below. Empty exactly where both make the same key; throws where the
 * keys differ and nothing was found.
 */
export function diffParts(was: KeyParts, is: KeyParts, options: ExplainOptions): readonly Reason[] {
  const before = plain(was);
  const after = plain(is);
  const reasons: readonly Reason[] = [
    ...optionReasons(before, after, options),
    ...wordReasons(before.files, after.files, fileReason),
    ...wordReasons(before.tools, after.tools, toolReason),
    ...wordReasons(before.environment, after.environment, environmentReason),
    ...ownReasons(before, after),
    ...inputReasons(before.inputs, after.inputs),
  ];
  if (reasons.length === 0 && stageKey(was) !== stageKey(is)) {
    throw new Error(`The keys of ${options.node.id} differ, and nothing that they are made of does`);
  }
  return reasons.toSorted((a, b) => rank(a.reason) - rank(b.reason));
}

/** A pair of values of one name; absent: not there. */
interface Words {
  readonly was?: string;
  readonly is?: string;
}

function wordReasons(
  was: Readonly<Record<string, string>>,
  is: Readonly<Record<string, string>>,
  reasonOf: (name: string, words: Words) => Reason,
): readonly Reason[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
  return names.flatMap((name) => {
    const before = Object.hasOwn(was, name) ? was[name] : undefined;
    const after = Object.hasOwn(is, name) ? is[name] : undefined;
    return before === after ? [] : [reasonOf(name, words(before, after))];
  });
}

function words(was: string | undefined, is: string | undefined): Words {
  return {...(was === undefined ? {} : {was}), ...(is === undefined ? {} : {is})};
}

function change({was, is}: Words): 'added' | 'removed' | 'changed' {
  if (was === undefined) return 'added';
  return is === undefined ? 'removed' : 'changed';
}

function fileReason(path: string, pair: Words): Reason {
  return {reason: `file-${change(pair)}`, path, ...pair};
}

function toolReason(tool: string, pair: Words): Reason {
  return {reason: `tool-${change(pair)}`, tool, ...pair};
}

function environmentReason(name: string, {was, is}: Words): Reason {
  if (isSecretName(name)) return {reason: 'environment-changed', name};
  const before = was === undefined ? undefined : maskSecrets(was);
  const after = is === undefined ? undefined : maskSecrets(is);
  return {reason: 'environment-changed', name, ...(before === after ? {} : words(before, after))};
}

function ownReasons(was: KeyParts, is: KeyParts): readonly Reason[] {
  return [
    ...(was.salt === is.salt ? [] : [{reason: 'salt', ...words(was.salt, is.salt)} as const]),
    ...(was.version === is.version
      ? []
      : [{reason: 'implementation', of: 'stage', was: was.version, is: is.version} as const]),
    ...(was.kind === is.kind ? [] : [{reason: 'kind', was: was.kind, is: is.kind} as const]),
  ];
}

/** What the codes of each group begin with, those that tell a person most first. */
const groups = [
  'package',
  'option',
  'file',
  'tool',
  'environment',
  'salt',
  'implementation',
  'kind',
  'upstream',
] as const;

function rank(code: ReasonCode): number {
  return groups.findIndex((group) => code.startsWith(group));
}

/** As the database gives it back: without members that are undefined. */
function plain(parts: KeyParts): KeyParts {
  return JSON.parse(JSON.stringify(parts)) as KeyParts;
}
