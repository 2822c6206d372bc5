import {type CatalogImage, enterImage} from '../catalog/catalog.ts';
import {packageVersion} from '../package-root.ts';
import type {StageNode} from '../plan/graph.ts';
import type {Delivery} from '../plan/plan.ts';
import {deliver} from '../run/deliver.ts';
import type {StageState} from '../run/engine-options.ts';
import type {Output} from '../run/events.ts';
import type {JsonObject, JsonValue} from '../spec/image.ts';
import {provenanceOf} from './provenance.ts';
import type {Session} from './session.ts';

export interface FinishedRun {
  readonly session: Session;
  readonly states: ReadonlyMap<string, StageState>;
}

/** What became of a delivery; `spoilt`: a file of it in the cache that is not what was made. */
export type Finished =
  | {readonly ok: true; readonly output: Output}
  | {readonly ok: false; readonly stage: string; readonly digest: string; readonly spoilt: string};

/** Hands out an artifact that passed what was asked of it, and enters it into the catalog. */
export function finishDelivery(delivery: Delivery, run: FinishedRun): Finished {
  const {session, states} = run;
  const {options, spec, plan, store} = session;
  const image = delivery.image.name;
  const {target} = delivery;
  const pack = states.get(delivery.pack);
  const sbom = states.get(delivery.sbom);
  const test = delivery.test === undefined ? undefined : states.get(delivery.test);
  const own = plan.nodes.filter((node) => node.image === image && node.target === target);
  const ownStates = own.map(({id}) => states.get(id));
  const failed = ownStates.some((state) => state?.state === 'failed');
  const made = pack?.state === 'run' || pack?.state === 'cached' ? pack : undefined;
  const told = sbom?.state === 'run' || sbom?.state === 'cached' ? sbom : undefined;
  const tested =
    delivery.test === undefined
      ? 'not tested'
      : test?.state === 'failed'
        ? 'failed'
        : test?.state === 'skipped'
          ? 'not tested'
          : 'passed';
  if (made === undefined || told === undefined || failed || test?.state === 'skipped') {
    return {
      ok: true,
      output: {image, target, state: failed ? 'failed' : 'skipped', ...(failed ? {tested} : {})},
    };
  }
  const {digest, result} = made.output;
  const madeAt = startedAt(session, made.key);
  const delivered = deliver(store, options.output, {
    image,
    target,
    digest,
    documents: told.output.digest,
    proof: provenanceOf(delivery, run, usedStages(delivery, plan.nodes)),
    manifest: manifest(delivery, run, madeAt),
  });
  if (!delivered.ok) {
    const {digest: spoiltDigest, path: spoilt} = delivered.error;
    return {
      ok: false,
      stage: spoiltDigest === digest ? delivery.pack : delivery.sbom,
      digest: spoiltDigest,
      spoilt,
    };
  }
  const {path} = delivered.value;
  const file = typeof result['artifact'] === 'string' ? result['artifact'] : '';
  const sizeBytes = Number(result['size_bytes']);
  const row: CatalogImage = {
    image,
    target,
    digest,
    key: made.key,
    specDigest: spec.digest,
    path,
    file,
    sizeBytes,
    tested: tested === 'passed' ? 'passed' : 'not tested',
    builtAt: madeAt ?? Date.now(),
  };
  enterImage(store.database, row);
  const durationMs = ownStates.reduce(
    (sum, state) => sum + (state?.state === 'run' ? state.durationMs : 0),
    0,
  );
  const state = ownStates.some((one) => one?.state === 'run') ? 'built' : 'cached';
  return {ok: true, output: {image, target, state, path, file, sizeBytes, digest, tested, durationMs}};
}

/** manifest.json but for the files: what an artifact is and how it was made. */
function manifest(
  delivery: Delivery,
  {session, states}: FinishedRun,
  madeAt: number | undefined,
): JsonObject {
  const {spec, plan, tools} = session;
  const used = usedStages(delivery, plan.nodes);
  const pack = states.get(delivery.pack);
  const result = pack?.state === 'run' || pack?.state === 'cached' ? pack.output.result : {};
  const {packages, kernels, artifact, format, virtual_size_bytes: virtualSize} = result;
  const test = delivery.test === undefined ? undefined : states.get(delivery.test);
  const toolVersions = Object.fromEntries(
    [...new Set(used.flatMap((node) => node.tools))]
      .sort()
      .map((name) => [name, tools.find(name)?.version ?? '']),
  );
  return {
    version: 1,
    generator: `fgimage ${packageVersion()}`,
    image: delivery.image.name,
    ...(delivery.image.description === undefined ? {} : {description: delivery.image.description}),
    tags: delivery.image.tags,
    target: delivery.target,
    type: delivery.image.targets.find(({name}) => name === delivery.target)?.type ?? '',
    os: {...delivery.image.os},
    spec: {sha256: spec.digest},
    artifact: artifact ?? '',
    format: format ?? '',
    ...(virtualSize === undefined ? {} : {virtual_size_bytes: virtualSize}),
    built_at: new Date(madeAt ?? 0).toISOString(),
    tested: test === undefined || (test.state !== 'run' && test.state !== 'cached') ? 'not tested' : 'passed',
    stages: used.flatMap(({id}): JsonValue[] => {
      const state = states.get(id);
      if (state === undefined || (state.state !== 'run' && state.state !== 'cached')) return [];
      return [{stage: id, key: state.key, digest: state.output.digest, duration_ms: state.durationMs}];
    }),
    tools: toolVersions,
    kernels: kernels ?? [],
    packages: packages ?? [],
  };
}

function startedAt({store}: Session, key: string): number | undefined {
  const found = store.find(key);
  return found.state === 'known' ? found.action.startedAt : undefined;
}

/** A delivery's stages, in the plan's order. */
function usedStages(delivery: Delivery, nodes: readonly StageNode[]): readonly StageNode[] {
  const placeOf = placesOf(nodes);
  const wanted = new Set<number>();
  const open = [delivery.pack, delivery.sbom, ...(delivery.test === undefined ? [] : [delivery.test])];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const place = placeOf.get(id);
    if (place === undefined || wanted.has(place)) continue;
    wanted.add(place);
    open.push(...(nodes[place]?.dependsOn ?? []));
  }
  return [...wanted].sort((a, b) => a - b).flatMap((place) => nodes[place] ?? []);
}

/** Where each stage stands in its plan; asked for every delivery of it. */
const places = new WeakMap<readonly StageNode[], ReadonlyMap<string, number>>();

function placesOf(nodes: readonly StageNode[]): ReadonlyMap<string, number> {
  const known = places.get(nodes) ?? new Map(nodes.map(({id}, place) => [id, place]));
  places.set(nodes, known);
  return known;
}
