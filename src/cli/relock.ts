import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {FgError} from '../errors.ts';
import {parseLock, writeLock} from '../lock/file.ts';
import type {Lock} from '../lock/lock.ts';
import {lockPathOf, lockText} from '../lock/path.ts';
import {type ResolveRequest, resolveLock} from '../lock/resolve.ts';
import {droppedStanzas} from '../lock/stanza.ts';
import type {Plan} from '../plan/plan.ts';
import {isOnline} from '../plan/provision-parts.ts';
import {ProjectDigests} from '../run/digest-cache.ts';
import {runGraph} from '../run/engine.ts';
import type {StageState} from '../run/engine-options.ts';
import type {RunEvent} from '../run/events.ts';
import {hostCapacity, Pools} from '../run/pools.ts';
import {RunScope} from '../run/scope.ts';
import {HostTools} from '../run/tools.ts';
import {CommandLog} from '../sandbox/process.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {failureDetails, failureReason} from '../ui/failure.ts';
import {checkPackageNames} from './package-check.ts';
import {planSpec} from './session.ts';
import {type ReadSpec, readSpecWithMemory, SpecError} from './spec.ts';

export interface RelockOptions {
  readonly file: string;
  readonly color: boolean;
  readonly profiles?: ChosenProfiles;
  readonly store: Store;
  readonly update: ResolveRequest['update'];
  /** Whether the file is left as it is. */
  readonly dryRun?: boolean;
  readonly signal: AbortSignal;
  readonly progress: (message: string) => void;
  readonly warn: (message: string) => void;
}

export interface Relocked {
  readonly path: string;
  readonly before: Lock | undefined;
  readonly lock: Lock;
}

/**
 * Asks the archives anew and resolves all that a spec's stages install, on the base of the lock as it is. Throws
 * `FgError` for what a user can mend.
 */
export async function relock(options: RelockOptions): Promise<Relocked> {
  const {store, file, color, signal} = options;
  const spec = await readSpecWithMemory(file, {color, profiles: options.profiles, store});
  refuseImports(spec);
  const path = lockPathOf(spec.file, spec.profiles);
  const text = lockText(path);
  const before = text === undefined ? undefined : parseLock(text, path);
  const digests = new ProjectDigests(spec.projectDir, store);
  const plan = await planSpec(spec, {
    store,
    digests,
    test: false,
    images: [],
    targets: [],
    lock: 'to be made',
  });
  for (const {id} of plan.nodes.filter(isOnline))
    options.warn(`${id} has a network: what it fetches is in no lock`);
  const scope = new RunScope(store);
  const log = new CommandLog(join(scope.folder.path, 'lock.log'), () => undefined);
  try {
    const outputs = await readArchives(plan, {options, spec, scope, digests});
    checkNames(plan, {spec, outputs, color});
    const tools = new HostTools(store);
    const resolved = await resolveLock({
      nodes: plan.nodes,
      outputOf: (stage) => outputs.get(stage) ?? '',
      previous: before,
      update: options.update,
      work: scope.scratch('lock'),
      aptGet: tools.find('apt-get')?.path ?? 'apt-get',
      stanzasOf: (packages, from) =>
        droppedStanzas(packages, from, {
          packages: store.layout.packages,
          work: scope.scratch('dropped'),
          offline: false,
          log,
          signal,
          progress: options.progress,
        }),
      log,
      signal,
      progress: options.progress,
      warn: options.warn,
    });
    if (!resolved.ok) {
      const {stage, lines} = resolved.error;
      throw new FgError('STAGE_FAILED', [`apt finds no solution for ${stage}:`, ...lines].join('\n  '), {
        hint: 'Look at packages and repositories of the spec; a version that is asked for must be in an archive',
      });
    }
    if (options.dryRun !== true) writeLock(path, resolved.value);
    return {path, before, lock: resolved.value};
  } finally {
    await log.close();
    scope.close();
  }
}

/** What an imported image has is not asked of an archive: a resolver has nothing to begin with. */
function refuseImports({file, images}: ReadSpec): void {
  const imported = images.filter(({base}) => base !== undefined);
  if (imported.length === 0) return;
  throw new FgError(
    'LOCK_INVALID',
    `An image with an imported base cannot be locked: ${imported.map(({name}) => name).join(', ')} of ${file}`,
    {
      hint: 'Keep it in a project of its own; what it installs is asked of the archives at each build',
    },
  );
}

/** Runs the archive stages whether or not their lists are known; gives their outputs' folders by stage. */
async function readArchives(
  plan: Plan,
  {
    options,
    spec,
    scope,
    digests,
  }: {options: RelockOptions; spec: ReadSpec; scope: RunScope; digests: ProjectDigests},
): Promise<ReadonlyMap<string, string>> {
  const {store, signal, progress} = options;
  const states = await runGraph({
    nodes: plan.nodes.filter(({kind}) => kind === 'archive'),
    store,
    scope,
    tools: new HostTools(store),
    projectDir: spec.projectDir,
    hasChanged: (path) => digests.hasChanged(join(spec.projectDir, path)),
    emit: (event: RunEvent) => {
      if (event.type === 'stage-started') progress(`Reading ${event.stage.replace(/^archive:/, '')}`);
    },
    signal,
    pools: new Pools(hostCapacity({jobs: undefined, pools: {}})),
    fail: 'fast',
    force: () => true,
    readCache: true,
    trusts: () => false,
    failedBefore: () => false,
    wanted: () => true,
    estimateMs: () => 1000,
    lastDigest: () => undefined,
    reasonsFor: () => Promise.resolve([]),
    keepWork: 'never',
    gate: () => Promise.resolve(undefined),
  });
  if (signal.aborted) throw new FgError('CANCELLED', 'Cancelled');
  return new Map([...states].map(([stage, state]) => [stage, outputPath(stage, state)]));
}

function outputPath(stage: string, state: StageState): string {
  if (state.state === 'run' || state.state === 'cached') return state.output.path;
  if (state.state !== 'failed') throw new FgError('CANCELLED', `${stage} did not run`);
  const {failure} = state;
  const lines = [`${stage} failed: ${failureReason(failure)}`, ...failureDetails({failure})];
  throw new FgError('STAGE_FAILED', lines.join('\n  '), {
    hint: 'A lock is made from the package lists of the archives: the lock there is stays as it is',
  });
}

function checkNames(
  plan: Plan,
  {spec, outputs, color}: {spec: ReadSpec; outputs: ReadonlyMap<string, string>; color: boolean},
): void {
  const diagnostics = checkPackageNames({plan, spec, pathOf: (id) => outputs.get(id), color});
  if (diagnostics.length > 0) throw new SpecError(diagnostics.join('\n'));
}
