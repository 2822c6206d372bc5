import {resolve} from 'node:path';
import {Store} from '../../cache/store.ts';
import {targetOfType} from '../../targets/registry.ts';
import {type CatalogImage, enterImage} from '../catalog/catalog.ts';
import {type ExitCode, exitCode, FgError, isErrno, isNoSpace} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {packageVersion} from '../package-root.ts';
import type {StageNode} from '../plan/graph.ts';
import {type Delivery, type Plan, planImages} from '../plan/plan.ts';
import {deliver} from '../run/deliver.ts';
import {runGraph, type StageState} from '../run/engine.ts';
import type {Output, RunEvent, StageFailure} from '../run/events.ts';
import {RunHistory} from '../run/history.ts';
import {archiveUris} from '../run/host-archive.ts';
import {isComplete} from '../run/peek.ts';
import {HostTools} from '../run/tools.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import type {Image, JsonObject, JsonValue} from '../spec/image.ts';
import {createView, type View, type ViewMode} from '../ui/view.ts';
import {type ReadSpec, readSpecWithMemory} from './spec.ts';

export interface BuildOptions {
  readonly file: string;
  readonly cacheDir: string | undefined;
  readonly output: string;
  readonly images: readonly string[];
  readonly targets: readonly string[];
  readonly jobs: number | undefined;
  readonly mode: ViewMode;
  readonly verbose: boolean;
  readonly color: boolean;
  readonly failFast: boolean;
  readonly test: boolean;
  readonly refresh: boolean;
}

/** `fgimage build`: everything from the spec to booted artifacts in the output folder. */
export async function runBuild(options: BuildOptions): Promise<ExitCode> {
  process.umask(0o022);
  const cache = cacheFolder(options.cacheDir);
  const store = openStore(cache);
  try {
    const spec = await readSpecWithMemory(options.file, {color: options.color, store});
    const plan = await planSpec(spec, {
      store,
      test: options.test,
      images: options.images,
      targets: options.targets,
    });
    const tools = new HostTools(store);
    if (!isRoot() && (options.refresh || !isComplete({nodes: plan.nodes, store, tools}))) {
      store.close();
      if (!canEnterUserNamespace()) await refuseUserNamespace(cache);
      return (await enterUserNamespace()) as ExitCode;
    }
    return await buildPlan({options, spec, plan, store, tools});
  } finally {
    store.close();
  }
}

/** Plans a spec's images. Throws `FgError` for a name that is not in it. */
export async function planSpec(
  spec: ReadSpec,
  {
    store,
    test,
    images,
    targets,
  }: {store: Store; test: boolean; images: readonly string[]; targets: readonly string[]},
): Promise<Plan> {
  const known = spec.images.map(({name}) => name);
  for (const name of images) {
    if (!known.includes(name))
      throw new FgError('USAGE', `There is no image ${name} in ${spec.file}`, {
        hint: `Its images are ${known.join(', ')}`,
      });
  }
  const knownTargets = new Set(spec.images.flatMap((image) => image.targets.map(({name}) => name)));
  for (const name of targets) {
    if (!knownTargets.has(name))
      throw new FgError('USAGE', `There is no target ${name} in ${spec.file}`, {
        hint: `Its targets are ${[...knownTargets].join(', ')}`,
      });
  }
  const archiveOf = (os: Image['os']): ReturnType<typeof archiveUris> => archiveUris(os, store);
  return planImages({
    images: spec.images,
    projectDir: spec.projectDir,
    targetOfType,
    archiveOf,
    test,
    onlyImages: images,
    onlyTargets: targets,
  });
}

interface BuildRun {
  readonly options: BuildOptions;
  readonly spec: ReadSpec;
  readonly plan: Plan;
  readonly store: Store;
  readonly tools: HostTools;
}

async function buildPlan({options, spec, plan, store, tools}: BuildRun): Promise<ExitCode> {
  const startedAt = Date.now();
  const view = createView({
    mode: options.mode,
    verbose: options.verbose,
    stream: process.stdout,
    color: options.color,
  });
  const history = new RunHistory(store.database, spec.file);
  const emit = (event: RunEvent): void => {
    history.note(event);
    view.handle(event);
  };
  const abort = cancelOnSignal(view);
  try {
    store.sweep();
    emit({
      type: 'run-started',
      version: 1,
      time: startedAt,
      runId: history.id,
      file: spec.file,
      images: [...new Set(plan.deliveries.map(({image}) => image.name))],
    });
    for (const {id, kind, title, image, target, dependsOn} of plan.nodes) {
      emit({
        type: 'stage-planned',
        time: Date.now(),
        stage: id,
        kind: id.split(':')[0] ?? kind,
        title,
        dependsOn,
        ...(image === undefined ? {} : {image}),
        ...(target === undefined ? {} : {target}),
      });
    }
    for (const message of spec.warnings) emit({type: 'warning', time: Date.now(), message});
    const states = await runGraph({
      nodes: plan.nodes,
      store,
      tools,
      projectDir: spec.projectDir,
      emit,
      signal: abort.signal,
      jobs: options.jobs,
      failFast: options.failFast,
      force: (node) => options.refresh && node.kind === 'archive',
      gate: async (outputOf) => {
        const {checkPackageNames} = await import('./package-check.ts');
        const diagnostics = checkPackageNames({
          plan,
          spec,
          pathOf: (id) => outputOf(id)?.path,
          color: options.color,
        });
        return diagnostics.length === 0 ? undefined : {reason: 'unknown-package', diagnostics};
      },
    });
    const cancelled = abort.signal.aborted;
    const outputs = plan.deliveries.map((delivery) =>
      finishDelivery(delivery, {options, spec, plan, store, tools, states}),
    );
    store.flush();
    const counts = countStates(states);
    emit({
      type: 'run-finished',
      time: Date.now(),
      outcome: cancelled ? 'cancelled' : counts.failed + counts.skipped > 0 ? 'failed' : 'done',
      durationMs: Date.now() - startedAt,
      stages: counts,
      outputs,
    });
    return cancelled ? exitCode.cancelled : exitCodeOf(states);
  } finally {
    await view.close();
    abort.dispose();
  }
}

/** The first signal ends the run in good order, the second at once. */
function cancelOnSignal(view: View): {readonly signal: AbortSignal; dispose: () => void} {
  const controller = new AbortController();
  const cancel = (): void => {
    if (controller.signal.aborted) {
      void view.close();
      process.exit(exitCode.cancelled);
    }
    controller.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, cancel);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) process.off(signal, cancel);
    },
  };
}

/** Hands out an artifact that passed what was asked of it, and enters it into the catalog. */
function finishDelivery(
  delivery: Delivery,
  run: BuildRun & {states: ReadonlyMap<string, StageState>},
): Output {
  const {options, spec, plan, store, states} = run;
  const image = delivery.image.name;
  const {target} = delivery;
  const pack = states.get(delivery.pack);
  const test = delivery.test === undefined ? undefined : states.get(delivery.test);
  const own = plan.nodes.filter((node) => node.image === image && node.target === target);
  const ownStates = own.map(({id}) => states.get(id));
  const failed = ownStates.some((state) => state?.state === 'failed');
  const made = pack?.state === 'run' || pack?.state === 'cached' ? pack : undefined;
  const tested =
    delivery.test === undefined
      ? 'not tested'
      : test?.state === 'failed'
        ? 'failed'
        : test?.state === 'skipped'
          ? 'not tested'
          : 'passed';
  if (made === undefined || failed || test?.state === 'skipped') {
    return {image, target, state: failed ? 'failed' : 'skipped', ...(failed ? {tested} : {})};
  }
  const {result} = made.output;
  const {path} = deliver(store, options.output, {
    image,
    target,
    digest: made.output.digest,
    manifest: manifest(delivery, run, made.key),
  });
  const file = typeof result['artifact'] === 'string' ? result['artifact'] : '';
  const sizeBytes = Number(result['size_bytes']);
  const row: CatalogImage = {
    image,
    target,
    digest: made.output.digest,
    key: made.key,
    specDigest: spec.digest,
    path,
    file,
    sizeBytes,
    tested: tested === 'passed' ? 'passed' : 'not tested',
    builtAt: store.lookup(made.key)?.startedAt ?? Date.now(),
  };
  enterImage(store.database, row);
  const durationMs = ownStates.reduce(
    (sum, state) => sum + (state?.state === 'run' ? state.durationMs : 0),
    0,
  );
  const state = ownStates.some((one) => one?.state === 'run') ? 'built' : 'cached';
  return {image, target, state, path, file, sizeBytes, digest: made.output.digest, tested, durationMs};
}

/** manifest.json but for the files: what an artifact is and how it was made. */
function manifest(
  delivery: Delivery,
  {spec, plan, store, states, tools}: BuildRun & {states: ReadonlyMap<string, StageState>},
  packKey: string,
): JsonObject {
  const used = usedStages(delivery, plan.nodes);
  const record = store.lookup(packKey);
  const {
    packages,
    kernels,
    artifact,
    format,
    virtual_size_bytes: virtualSize,
  } = (record?.result ?? {}) as JsonObject;
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
    built_at: new Date(record?.startedAt ?? 0).toISOString(),
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

/** A delivery's stages, in the plan's order. */
function usedStages(delivery: Delivery, nodes: readonly StageNode[]): readonly StageNode[] {
  const wanted = new Set([delivery.pack, ...(delivery.test === undefined ? [] : [delivery.test])]);
  for (const node of nodes.toReversed()) {
    if (wanted.has(node.id)) for (const id of node.dependsOn) wanted.add(id);
  }
  return nodes.filter(({id}) => wanted.has(id));
}

function countStates(states: ReadonlyMap<string, StageState>): {
  run: number;
  cached: number;
  failed: number;
  skipped: number;
} {
  const counts = {run: 0, cached: 0, failed: 0, skipped: 0};
  for (const {state} of states.values()) counts[state] += 1;
  return counts;
}

function exitCodeOf(states: ReadonlyMap<string, StageState>): ExitCode {
  const failures = [...states.values()].flatMap((state) => (state.state === 'failed' ? [state.failure] : []));
  const codes = failures.map(exitCodeOfFailure);
  return codes.length === 0
    ? exitCode.done
    : codes.includes(exitCode.usage)
      ? exitCode.usage
      : (codes[0] ?? exitCode.stageFailed);
}

function exitCodeOfFailure({reason}: StageFailure): ExitCode {
  switch (reason) {
    case 'unknown-package':
      return exitCode.usage;
    case 'no-space':
    case 'tool-missing':
      return exitCode.hostLacks;
    case 'command-failed':
    case 'timed-out':
    case 'checks-failed':
    case 'input-changed':
    case 'refused':
      return exitCode.stageFailed;
  }
}

/** Opens the cache; what a user can mend about the folder is an `FgError`. */
export function openStore(root: string): Store {
  try {
    return Store.open(root);
  } catch (error) {
    if (isNoSpace(error)) {
      throw new FgError('NO_SPACE', `No space left for the cache in ${root}`, {
        cause: error,
        hint: 'Free some space there, or name another folder with --cache-dir',
      });
    }
    if (
      isErrno(
        error,
        'EACCES',
        'EPERM',
        'EROFS',
        'ENOTDIR',
        'EEXIST',
        'ENOENT',
        'SQLITE_IOERR',
        'SQLITE_CANTOPEN',
        'SQLITE_READONLY',
        'SQLITE_NOTADB',
        'SQLITE_CORRUPT',
      )
    ) {
      throw new FgError(
        'CACHE_UNUSABLE',
        `Cannot use ${root} as the cache: ${error instanceof Error ? error.message : ''}`,
        {
          cause: error,
          hint: 'Name a folder on a local file system that you can write, with --cache-dir or $FGIMAGE_CACHE',
        },
      );
    }
    throw error;
  }
}

/** Says exactly what keeps an ordinary user from building here. */
async function refuseUserNamespace(cache: string): Promise<never> {
  const {requireHost} = await import('../host/require-host.ts');
  const host = await requireHost({needs: ['build', 'unprivileged'], cacheFolder: cache});
  throw host.ok
    ? new FgError('HOST_USERNS', 'This host does not let an ordinary user make a user namespace', {
        hint: 'Run "fgimage doctor" to see what to change, or build as root',
      })
    : host.error;
}

/** The default output folder lies beside the spec. */
export function outputFolder(option: string | undefined): string {
  return resolve(option ?? 'artifacts');
}
