import type {Store} from '../../cache/store.ts';
import {type Clone, type Clones, cloneStage} from '../plan/clones.ts';
import {asKeyParts} from '../plan/explain.ts';
import type {StageNode} from '../plan/graph.ts';
import {canonicalDigest, type KeyParts, stageKey} from '../plan/key.ts';
import type {JsonObject} from '../spec/image.ts';
import type {Peeked} from './peek.ts';

/** What the packages of an image are put on, and why. */
export interface BaseChoice {
  readonly image: string;
  /** The stage that installs them. */
  readonly stage: string;
  /** `clone`: on what another image has of them. `scratch`: on the root, the kernel and the platform alone. */
  readonly choice: 'clone' | 'scratch';
  /** Of a clone: the stage that made it. */
  readonly from?: string;
  /** How many of the wanted packages the best candidate has, and how many are wanted. */
  readonly has: number;
  readonly wanted: number;
  readonly candidates: number;
  readonly reason: string;
}

export interface ChoiceRequest {
  readonly nodes: readonly StageNode[];
  /** What a build would do, with nothing cloned. */
  readonly peeked: ReadonlyMap<string, Peeked>;
  readonly store: Store;
  /** Whether a record that came from a remote cache counts. */
  readonly trusts: (keyId: string) => boolean;
}

export interface Choices {
  readonly choices: readonly BaseChoice[];
  readonly clones: Clones;
}

/**
 * Looks for what the images of a plan can be built on: records of stages that installed a part of the same packages on
 * the very same layers, from the same package lists, in the same way. Whatever removed packages or ran scripts is another
 * kind of stage, or has other parameters. Where an image's packages are known they stay as they are; a candidate that they
 * were put on before comes first, so that a build changes nothing that is there; then the one with most of them, and of
 * two such that with the smaller key.
 */
export function chooseBases(request: ChoiceRequest): Choices {
  const clones = new Map<string, Clone>();
  const choices: BaseChoice[] = [];
  let known: readonly Candidate[] | undefined;
  for (const node of request.nodes) {
    const wanted = installOf(node);
    const now = request.peeked.get(node.id);
    if (wanted === undefined || now === undefined || now.state === 'hit') continue;
    const about = {image: node.image ?? '', stage: node.id, wanted: wanted.length};
    if (now.state === 'blocked' || now.resolution.state === 'refused') {
      const reason =
        now.state === 'blocked' ? `${now.waitsFor} has to be made first` : 'the host lacks a program';
      choices.push({...about, choice: 'scratch', has: 0, candidates: 0, reason});
      continue;
    }
    const {parts} = now.resolution;
    known ??= candidatesIn(request);
    const chains = chainsOf(known, {parts, wanted});
    const [best = [], ...others] = rank(chains, {node, parts, store: request.store});
    const top = best.at(-1);
    if (top === undefined) {
      const reason = 'nothing in the cache has a part of its packages on the same layers';
      choices.push({...about, choice: 'scratch', has: 0, candidates: 0, reason});
      continue;
    }
    clones.set(node.id, {layers: best.map(({install}) => install), from: top.stage});
    choices.push({
      ...about,
      choice: 'clone',
      from: top.stage,
      has: packagesOf(best),
      candidates: others.length + 1,
      reason: reasonOf(top.stage, {has: packagesOf(best), wanted: wanted.length, others: others.length}),
    });
  }
  return {choices, clones};
}

/**
 * The same choices where nothing is to be cloned. What the image itself had before is no news then: `plan` says what has
 * changed since.
 */
export function withoutClones(choices: readonly BaseChoice[], why: string): readonly BaseChoice[] {
  return choices.map((one) => {
    if (one.choice === 'scratch') return one;
    const {from = '', ...rest} = one;
    if (from.startsWith(`customize:${one.image}/`))
      return {...rest, choice: 'scratch', has: 0, candidates: 0, reason: why};
    const offer = `${from} has ${String(one.has)} of ${String(one.wanted)} packages`;
    return {...rest, choice: 'scratch', reason: `${why}; ${offer}`};
  });
}

/** A record of packages that were installed. */
interface Candidate {
  readonly key: string;
  readonly stage: string;
  readonly digest: string;
  readonly install: readonly string[];
  readonly parts: KeyParts;
  readonly isHere: boolean;
}

/** Words for apt of a stage that installs an image's packages and takes none away. */
function installOf({id, kind, params, locked}: StageNode): readonly string[] | undefined {
  if (kind !== 'packages' || !id.endsWith('/packages') || locked !== undefined) return undefined;
  return plainInstall(params);
}

function plainInstall({install, remove}: KeyParts['params']): readonly string[] | undefined {
  const isPlain =
    Array.isArray(remove) && remove.length === 0 && Array.isArray(install) && install.length > 0;
  return isPlain && install.every((word) => typeof word === 'string') ? install : undefined;
}

function candidatesIn({store, trusts}: ChoiceRequest): readonly Candidate[] {
  const rows = store.database
    .prepare(
      `SELECT a.key, a.stage, k.parts FROM actions a JOIN keys k ON k.key = a.key
       WHERE a.stage LIKE 'customize:%/packages' OR a.stage LIKE 'customize:%/shared%' ORDER BY a.key`,
    )
    .all() as readonly {readonly key: string; readonly stage: string; readonly parts: string}[];
  return rows.flatMap(({key, stage, parts: text}): Candidate[] => {
    const parts = asKeyParts(JSON.parse(text) as unknown);
    const install = parts?.kind === 'packages' ? plainInstall(parts.params) : undefined;
    if (parts === undefined || install === undefined || 'refinement' in parts.params) return [];
    const found = store.find(key);
    if (found.state !== 'known' || (found.signedBy !== undefined && !trusts(found.signedBy))) return [];
    return [{key, stage, digest: found.action.digest, install, parts, isHere: found.present}];
  });
}

/** Layers that were put on each other, the lowest first. */
type Chain = readonly Candidate[];

/** More layers than this make a tree slow to read, and an image's story long. */
const mostLayers = 3;

/** All chains on the layers of a stage that have a part of its packages. */
function chainsOf(
  candidates: readonly Candidate[],
  {parts, wanted}: {readonly parts: KeyParts; readonly wanted: readonly string[]},
): readonly Chain[] {
  const able = candidates.filter(({install}) => install.every((word) => wanted.includes(word)));
  const byPlace = new Map<string, Candidate[]>();
  for (const one of able) {
    const place = placeOf(one.parts);
    byPlace.set(place, [...(byPlace.get(place) ?? []), one]);
  }
  const found: Chain[] = [];
  let open: readonly Chain[] = [[]];
  for (let layer = 0; layer < mostLayers && open.length > 0; layer += 1) {
    open = open.flatMap((chain) =>
      (byPlace.get(placeOf(onTop(parts, '', chain))) ?? []).map((one) => [...chain, one]),
    );
    found.push(...open);
  }
  return found;
}

/** All that a stage's key holds but its packages: what stands in one place can stand there for another. */
function placeOf(whole: KeyParts): string {
  const {inputs, params, ...rest} = whole;
  const parts = {...rest, notes: undefined};
  const digests = inputs.map(([, digest]) => digest);
  return canonicalDigest(
    JSON.parse(JSON.stringify({...parts, digests, params: {...params, install: []}})) as JsonObject,
  );
}

/** The best first; none whose content is gone, unless the image was put on it before. */
function rank(
  chains: readonly Chain[],
  {node, parts, store}: {readonly node: StageNode; readonly parts: KeyParts; readonly store: Store},
): readonly Chain[] {
  return chains
    .map((chain) => ({
      chain,
      isKnown: store.find(stageKey(onTop(parts, node.id, chain))).state === 'known',
      has: packagesOf(chain),
      key: chain.map(({key}) => key).join(' '),
    }))
    .filter(({chain, isKnown}) => isKnown || chain.every(({isHere}) => isHere))
    .sort(
      (a, b) =>
        Number(b.isKnown) - Number(a.isKnown) ||
        b.has - a.has ||
        a.chain.length - b.chain.length ||
        (a.key < b.key ? -1 : 1),
    )
    .map(({chain}) => chain);
}

/** The key's parts of a stage that stands on a chain. */
function onTop(parts: KeyParts, id: string, chain: Chain): KeyParts {
  const layers = chain.map(({digest}, layer) => [cloneStage(id, layer).id, digest] as const);
  return {...parts, inputs: [...parts.inputs, ...layers]};
}

function packagesOf(chain: Chain): number {
  return new Set(chain.flatMap(({install}) => install)).size;
}

function reasonOf(
  stage: string,
  {has, wanted, others}: {readonly has: number; readonly wanted: number; readonly others: number},
): string {
  const most = others === 0 ? '' : `, the most of ${String(others + 1)} candidates`;
  return `${stage} has ${String(has)} of ${String(wanted)} packages on the same layers${most}`;
}
