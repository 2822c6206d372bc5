import type {Store} from '../../cache/store.ts';
import {asKeyParts, diffParts, type Reason, type SpecPosition} from '../plan/explain.ts';
import type {StageNode} from '../plan/graph.ts';
import type {KeyParts} from '../plan/key.ts';
import type {Path} from '../spec/tree.ts';
import {lastKeyOf, type PastRun, stageOfRun} from './history.ts';
import type {Peeked} from './peek.ts';
import type {Known, Resolution} from './resolve.ts';

/** What reasons are found with: the cache, and the history of the spec. */
export interface ReasonSources {
  readonly store: Store;
  /** Absolute path of the spec. */
  readonly file: string;
  /** Where a value of an image's section was written. */
  readonly locate: (image: string, path: Path) => SpecPosition | undefined;
  /** The run to compare with; absent: the last one that had the stage. */
  readonly against?: PastRun | undefined;
}

/** Why a stage is not a hit; empty when it is one. */
export function reasonsOf(node: StageNode, peeked: Peeked, sources: ReasonSources): readonly Reason[] {
  switch (peeked.state) {
    case 'hit':
      return [];
    case 'blocked':
      return [
        {reason: 'upstream-runs', stage: peeked.waitsFor},
        ...ownDifferences(node, peeked.parts, sources),
      ];
    case 'run':
      return reasonsToRun(node, peeked, sources);
  }
}

/** Why a stage runs. */
export function reasonsToRun(
  node: StageNode,
  {resolution, purged}: {readonly resolution: Resolution; readonly purged?: Known | undefined},
  sources: ReasonSources,
): readonly Reason[] {
  if (purged !== undefined) return [lossOf(purged)];
  switch (resolution.state) {
    case 'refused':
      return resolution.failure.reason === 'tool-missing'
        ? [{reason: 'tool-missing', tool: resolution.failure.tool}]
        : [];
    case 'known':
      return [lossOf(resolution.known)];
    case 'missing':
      return resolution.because === 'no-record'
        ? differences(node, resolution, sources)
        : [{reason: resolution.because}];
  }
}

/** How a stage's parts differ from what they were in an earlier run. */
export function differences(
  node: StageNode,
  {key, parts}: Extract<Resolution, {state: 'missing' | 'known'}>,
  {store, file, locate, against}: ReasonSources,
): readonly Reason[] {
  const before =
    against === undefined
      ? lastKeyOf(store.database, {file, stage: node.id})
      : {key: stageOfRun(store.database, against, node.id)?.key, run: against.id};
  if (before?.key === undefined) return [{reason: 'never-built'}];
  if (before.key === key) return [{reason: 'no-record', run: before.run}];
  const was = asKeyParts(store.keyParts(before.key));
  if (was === undefined) return [{reason: 'key-schema'}];
  const {image} = node;
  return diffParts(was, parts, {
    node,
    locate: (path) => (image === undefined ? undefined : locate(image, path)),
  });
}

/** What has changed about a blocked stage itself, whatever the stages below it will give. */
function ownDifferences(
  node: StageNode,
  parts: KeyParts | undefined,
  {store, file, locate, against}: ReasonSources,
): readonly Reason[] {
  const before =
    against === undefined
      ? lastKeyOf(store.database, {file, stage: node.id})?.key
      : stageOfRun(store.database, against, node.id)?.key;
  const was = before === undefined ? undefined : asKeyParts(store.keyParts(before));
  if (parts === undefined || was === undefined) return [];
  const {image} = node;
  return diffParts(
    was,
    {...parts, inputs: was.inputs},
    {
      node,
      locate: (path) => (image === undefined ? undefined : locate(image, path)),
    },
  );
}

/** How content that is known got lost. */
function lossOf({evicted}: Known): Reason {
  if (evicted === undefined) return {reason: 'content-missing'};
  const {at, why} = evicted;
  return why === 'corrupt' ? {reason: 'corrupt', at} : {reason: 'evicted', at, why};
}
