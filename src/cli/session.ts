import {diskError} from '../../cache/disk-error.ts';
import type {RemoteCache} from '../../cache/remote/remote-cache.ts';
import {Store} from '../../cache/store.ts';
import type {Target} from '../../targets/contract.ts';
import {targetFinder} from '../../targets/registry.ts';
import {FgError, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {refuseNetworkFileSystem} from '../host/file-system.ts';
import type {Lock} from '../lock/lock.ts';
import {refuseRpmLock} from '../lock/rpm.ts';
import type {Clones} from '../plan/clones.ts';
import type {StageNode} from '../plan/graph.ts';
import {type Plan, planImages} from '../plan/plan.ts';
import type {BaseChoice} from '../run/base-choice.ts';
import {isDelivered} from '../run/deliver.ts';
import {ProjectDigests} from '../run/digest-cache.ts';
import {archiveUris} from '../run/host-archive.ts';
import {type Peeked, peekGraph} from '../run/peek.ts';
import type {ResolveOptions} from '../run/resolve.ts';
import {RunScope} from '../run/scope.ts';
import {HostTools} from '../run/tools.ts';
import {cleanEnvironment} from '../sandbox/environment.ts';
import type {Image} from '../spec/image.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {planOnClones, whyNotCloned} from './clone-plan.ts';
import {type ReadLock, readLock, StaleLock} from './read-lock.ts';
import {brokenDatabase, readStore} from './read-store.ts';
import type {Caches} from './remote.ts';
import {type ReadSpec, readSpecWithMemory} from './spec.ts';
import {matchStages} from './stage-names.ts';

/** What the commands that plan have in common. */
export interface SessionOptions {
  readonly file: string;
  /** Profiles to merge over it; absent: the spec's own choice. */
  readonly profiles?: ChosenProfiles;
  readonly cacheDir: string | undefined;
  readonly output: string;
  /** Names of images and of targets; empty: all. */
  readonly images: readonly string[];
  readonly targets: readonly string[];
  readonly test: boolean;
  /** Whether trees are vetted. */
  readonly vet?: boolean;
  readonly color: boolean;
  /** Words that name stages which are to run whether or not their key is known. */
  readonly force: readonly string[];
  /** Whether package lists are asked for anew. */
  readonly refresh: boolean;
  /** `--cache`, e.g. `local:rw,remote:r`. */
  readonly cacheMode: string | undefined;
  /** `--remote-cache`, before the spec's own. */
  readonly remoteUrl: string | undefined;
  /** Whether the lock beside the spec counts. */
  readonly useLock: boolean;
  /** Whether a lock must be there and answer the spec. */
  readonly locked: boolean;
  /** Whether images are put on nothing that others have installed, whatever the spec says. */
  readonly fromScratch: boolean;
  /** Whether the network is off limits. */
  readonly offline: boolean;
  /** Whether the host's programs are run where the lock has a tools image. */
  readonly hostTools: boolean;
}

/** A spec, its plan, and a cache to hold it against. */
export interface Session {
  readonly options: SessionOptions;
  readonly store: Store;
  readonly spec: ReadSpec;
  readonly plan: Plan;
  /** The lock that the plan follows. */
  readonly lock: ReadLock | undefined;
  readonly tools: HostTools;
  readonly remote: RemoteCache | undefined;
  readonly scope: RunScope;
  /** What the project's files were when they were planned with. */
  readonly digests: ProjectDigests;
  /** What the images are put on, or why others are not looked at for that. */
  readonly bases: readonly BaseChoice[] | {readonly notCloned: string};
  readonly resolve: Omit<ResolveOptions, 'signal'>;
  /** Whether an artifact, or its documents, has yet to be handed out. */
  readonly wanted: (node: StageNode, digest: string) => boolean;
}

/**
 * Opens the cache (`look`: without writing anything), reads the spec and plans it. Throws `FgError` for what a user can
 * mend. Whoever gets the session closes its store.
 */
export async function openSession(
  options: SessionOptions,
  {look, warn}: {look: boolean; warn: (message: string, hint?: string) => void},
): Promise<Session> {
  const cache = cacheFolder(options.cacheDir);
  const store = look ? readStore(cache) : openStore(cache);
  try {
    const spec = await readSpecWithMemory(options.file, {...options, store});
    const digests = new ProjectDigests(spec.projectDir, store);
    if (options.locked) refuseRpmLock(spec.images);
    const lock = await readLock(spec, {...options, store});
    const scratch = await planSpec(spec, {store, digests, lock: lock?.lock, ...options});
    if (lock !== undefined && scratch.lockProblems.length > 0)
      throw new StaleLock(lock.path, scratch.lockProblems);
    const tools = new HostTools(store);
    const scope = new RunScope(store);
    const {readLocal, remote, trusts} = await openCaches({options, spec, scope, warn});
    const looking = {store, tools, remote, readCache: readLocal, trusts};
    const notCloned = whyNotCloned(options, {spec, lock, remote});
    const {plan, bases} =
      notCloned === undefined
        ? await planOnClones(scratch, {
            looking,
            planAgain: (clones) => planSpec(spec, {store, digests, ...options, clones}),
          })
        : {plan: scratch, bases: {notCloned}};
    digests.save();
    const forced = new Set(options.force.flatMap((word) => matchStages(plan.nodes, word)));
    const force = ({id, kind}: StageNode): boolean =>
      forced.has(id) || (options.refresh && kind === 'archive');
    const packed = new Map(plan.deliveries.map((delivery) => [delivery.pack, delivery]));
    const told = new Map(plan.deliveries.map((delivery) => [delivery.sbom, delivery]));
    return {
      options,
      store,
      spec,
      plan,
      lock,
      tools,
      remote,
      scope,
      digests,
      bases,
      resolve: {...looking, force},
      wanted: ({id}, digest) => {
        const delivery = packed.get(id) ?? told.get(id);
        if (delivery === undefined) return false;
        const place = {image: delivery.image.name, target: delivery.target};
        return !isDelivered(options.output, {...place, ...(packed.has(id) ? {digest} : {documents: digest})});
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

/** What a build would do with each stage. */
export function peekSession(session: Session, signal: AbortSignal): Promise<ReadonlyMap<string, Peeked>> {
  const {plan, resolve: options, wanted} = session;
  return peekGraph({...options, nodes: plan.nodes, wanted, signal});
}

/** The caches as the switches say; what knows remote ones is loaded only where there is one. */
async function openCaches({
  options,
  spec,
  scope,
  warn,
}: {
  options: SessionOptions;
  spec: ReadSpec;
  scope: RunScope;
  warn: (message: string, hint?: string) => void;
}): Promise<Caches> {
  const {FGIMAGE_REMOTE_CACHE: fromEnvironment, FGIMAGE_CACHE_TRUSTED_KEYS: keys = ''} = process.env;
  const settings = options.offline ? undefined : spec.cache.remote;
  const given = options.offline ? undefined : (options.remoteUrl ?? fromEnvironment);
  const isPlain = options.cacheMode === undefined && (given ?? settings?.url ?? '') === '' && keys === '';
  if (isPlain) return {readLocal: true, remote: undefined, trusts: () => false};
  const {connectRemote} = await import('./remote.ts');
  return connectRemote({given, settings, mode: options.cacheMode, scope, warn});
}

/** Plans a spec's images. Throws `FgError` for a name that is not in it. */
export async function planSpec(
  spec: ReadSpec,
  {
    store,
    test,
    vet = false,
    images,
    targets,
    digests,
    lock,
    hostTools = false,
    clones,
  }: {
    store: Store;
    test: boolean;
    vet?: boolean;
    images: readonly string[];
    targets: readonly string[];
    digests?: ProjectDigests;
    /** `to be made`: a plan for a lock, in which archives are asked for what the tools image holds too. */
    lock?: Lock | 'to be made' | undefined;
    hostTools?: boolean;
    clones?: Clones;
  },
): Promise<Plan> {
  if (lock !== undefined) refuseRpmLock(spec.images);
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
    targetOfType: await targetsOf(spec),
    archiveOf,
    test,
    vet,
    onlyImages: images,
    onlyTargets: targets,
    environment: cleanEnvironment,
    salt: spec.cache.salt,
    digests,
    clones,
    lock: lock === 'to be made' ? undefined : lock,
    toolsImage: lock !== undefined && !hostTools,
  });
}

/** Finds the targets that a spec names. */
export function targetsOf({projectDir, images}: ReadSpec): Promise<(type: string) => Target> {
  return targetFinder(projectDir, new Set(images.flatMap(({targets}) => targets.map(({type}) => type))));
}

/** Opens the cache; what a user can mend about the folder is an `FgError`. */
export function openStore(root: string): Store {
  refuseNetworkFileSystem(root);
  try {
    return Store.open(root);
  } catch (error) {
    if (isErrno(error, 'SQLITE_NOTADB', 'SQLITE_CORRUPT')) throw brokenDatabase(root, error);
    if (isErrno(error, ...unusable)) {
      const reason = error instanceof Error ? error.message : '';
      throw new FgError('CACHE_UNUSABLE', `Cannot use ${root} as the cache: ${reason}`, {
        cause: error,
        hint: 'Name a folder on a local file system that you can write, with --cache-dir or $FGIMAGE_CACHE',
      });
    }
    throw diskError(error, root) ?? error;
  }
}

const unusable = [
  ...['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT'],
  ...['SQLITE_CANTOPEN', 'SQLITE_READONLY'],
];

/** Says exactly what keeps an ordinary user from building here. */
export async function refuseUserNamespace(cache: string): Promise<never> {
  const {requireHost} = await import('../host/require-host.ts');
  const host = await requireHost({needs: ['build', 'unprivileged'], cacheFolder: cache});
  throw host.ok
    ? new FgError('HOST_USERNS', 'This host does not let an ordinary user make a user namespace', {
        hint: 'Run "fgimage doctor" to see what to change, or build as root',
      })
    : host.error;
}
