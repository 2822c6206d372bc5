import type {Artifact, PropertyChange, RemoteImage, RemoteProperties} from '../../targets/registrar.ts';
import type {NewRegistration} from '../catalog/registrations.ts';
import {FgError} from '../errors.ts';
import {RemoteError} from '../http/error.ts';
import {formatDuration, printable} from '../ui/format.ts';
import type {RemovalReason, Step} from './reconcile.ts';
import {
  openFor,
  type RegistrationPlaces,
  type RegistrationPlan,
  type RegistrationTask,
  timeoutOf,
} from './registration.ts';

/** What became of one target of an image. */
export interface Registered {
  readonly image: string;
  readonly target: string;
  readonly endpoint: string;
  readonly id: string;
  readonly name: string;
  readonly digest: string;
  readonly did: 'created' | 'finished' | 'updated' | 'kept';
  readonly changes: readonly PropertyChange[];
  readonly removed: readonly {readonly id: string; readonly name: string; readonly why: RemovalReason}[];
  readonly deprecated: readonly string[];
}

export interface PerformOptions {
  readonly places: RegistrationPlaces;
  /** Cancels it; what is begun then stays, and the next run goes on with it. */
  readonly signal: AbortSignal;
  /** The artifact's files; asked for when something is to be uploaded only. */
  readonly artifact: () => Promise<Artifact>;
  readonly report: (message: string, fraction?: number) => void;
}

/** Does what a plan says, and notes each step in the catalog before and after. Throws `FgError`. */
export async function performRegistration(
  plan: RegistrationPlan,
  options: PerformOptions,
): Promise<Registered> {
  const {task, registrar, steps} = plan;
  const {registrations} = options.places;
  for (const {id} of plan.gone) registrations.change(id, {state: 'gone'});
  const done: Done = {did: 'kept', changes: [], removed: [], deprecated: []};
  for (const step of steps) await perform(step, {plan, options, done});
  const {remote, ...rest} = done;
  if (remote === undefined) throw new Error(`Nothing was registered for ${task.lineage}`);
  const {image, target, digest} = task;
  const {endpoint} = registrar;
  return {image: image.name, target, endpoint, id: remote.id, name: remote.name, digest, ...rest};
}

interface Done {
  did: Registered['did'];
  changes: readonly PropertyChange[];
  remote?: RemoteImage;
  readonly removed: {id: string; name: string; why: RemovalReason}[];
  readonly deprecated: string[];
}

interface Performing {
  readonly plan: RegistrationPlan;
  readonly options: PerformOptions;
  readonly done: Done;
}

async function perform(step: Step, performing: Performing): Promise<void> {
  const {plan, options, done} = performing;
  const {registrar} = plan;
  switch (step.do) {
    case 'keep':
      done.remote = step.remote;
      enter(plan, options, step.remote);
      return;
    case 'update':
      options.report(`Updating ${step.changes.map(({name}) => printable(name)).join(', ')}`);
      done.remote = await registrar.update(step.remote, step.changes);
      done.did = 'updated';
      done.changes = step.changes;
      enter(plan, options, done.remote);
      return;
    case 'create':
    case 'finish':
      done.remote = await upload(performing, step.do === 'finish' ? step.remote : undefined);
      done.did = step.do === 'finish' ? 'finished' : 'created';
      return;
    case 'remove': {
      const {id, name} = step.remote;
      options.report(`Removing ${printable(name)} (${printable(id)})`);
      await registrar.remove(step.remote);
      done.removed.push({id, name, why: step.why});
      const row = options.places.registrations.of(registrar.endpoint, id);
      if (row !== undefined) options.places.registrations.change(row.id, {state: 'removed'});
      return;
    }
    case 'deprecate':
      options.report(`Marking ${printable(step.remote.name)} as deprecated`);
      await registrar.deprecate?.(step.remote);
      done.deprecated.push(step.remote.id);
      return;
  }
}

/** Has the catalog say what the infrastructure says of a ready image. */
function enter({task, registrar}: RegistrationPlan, {places}: PerformOptions, remote: RemoteImage): void {
  const {registrations} = places;
  const {id: remoteId, name, properties, belongings = {}} = remote;
  const {endpoint} = registrar;
  const known =
    registrations.of(endpoint, remoteId) ?? registrations.unfinished(task.lineage, endpoint, task.digest);
  const id = known?.id ?? registrations.begin(rowOf(task, {endpoint, name}));
  const same =
    known?.state === 'registered' &&
    known.name === name &&
    isSame(known.properties, properties) &&
    isSame(known.belongings, belongings);
  if (!same) registrations.change(id, {remoteId, name, properties, belongings, state: 'registered'});
}

function rowOf(
  {lineage, image, target, type, digest, options, projectDir}: RegistrationTask,
  at: Pick<NewRegistration, 'endpoint' | 'name'>,
): NewRegistration {
  return {lineage, image: image.name, target, type, digest, request: {image, options, projectDir}, ...at};
}

function isSame(a: RemoteProperties, b: RemoteProperties): boolean {
  const names = Object.keys({...a, ...b});
  return names.every((name) => a[name] === b[name]);
}

async function upload({plan, options}: Performing, unfinished?: RemoteImage): Promise<RemoteImage> {
  const {task, registrar, wanted} = plan;
  const {places, signal, report} = options;
  const {registrations} = places;
  const {endpoint} = registrar;
  const {digest, lineage} = task;
  const artifact = await options.artifact();
  const row =
    registrations.unfinished(lineage, endpoint, digest)?.id ??
    registrations.begin(rowOf(task, {endpoint, name: wanted.name}));
  if (unfinished !== undefined) registrations.change(row, {remoteId: unfinished.id});
  const timeoutMs = timeoutOf(task);
  const deadline = AbortSignal.timeout(timeoutMs);
  const limited = await openFor(task, places, AbortSignal.any([signal, deadline]));
  try {
    const begun = (remoteId: string, belongings?: RemoteProperties): void =>
      registrations.change(row, {remoteId, ...(belongings === undefined ? {} : {belongings})});
    const remote = await limited.create(artifact, {begun, report}, unfinished);
    const {id: remoteId, name, properties, belongings = {}} = remote;
    registrations.change(row, {remoteId, name, properties, belongings, state: 'registered'});
    return remote;
  } catch (error) {
    if (signal.aborted) throw error;
    if (!deadline.aborted && isPassing(error)) throw error;
    const left = await cleanUp(task, {places, row, report});
    if (!deadline.aborted) throw error;
    throw timeoutError(left, {task, endpoint, timeoutMs, cause: error});
  }
}

/** Another time it may work, and what was begun is worth something then. */
function isPassing(error: unknown): boolean {
  return error instanceof RemoteError
    ? error.kind === 'unreachable'
    : error instanceof FgError && error.code === 'REMOTE_UNREACHABLE';
}

/** How long cleaning up may take. */
const cleaningMs = 120_000;

/** Takes away what was begun, and gives what the service last said of it. */
async function cleanUp(
  task: RegistrationTask,
  {
    places,
    row,
    report,
  }: {readonly places: RegistrationPlaces; readonly row: number; readonly report: PerformOptions['report']},
): Promise<RemoteImage | undefined> {
  const {registrations, warn} = places;
  const remoteId = registrations.get(row)?.remoteId;
  let left: RemoteImage | undefined;
  try {
    const registrar = await openFor(task, places, AbortSignal.timeout(cleaningMs));
    left = remoteId === undefined ? undefined : await registrar.get(remoteId);
    if (left !== undefined && left.mark?.digest === task.digest) {
      report(`Taking ${printable(left.id)} away again`);
      await registrar.remove(left);
    }
    registrations.change(row, {state: 'failed', reason: left?.reason ?? left?.status ?? 'nothing was made'});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(
      `What was begun of ${task.lineage} could not be taken away${remoteId === undefined ? '' : ` (${remoteId})`}: ${printable(reason)}`,
      'The next "fgimage register" finds it by its mark, and goes on with it or takes it away',
    );
  }
  return left;
}

function timeoutError(
  left: RemoteImage | undefined,
  {
    task,
    endpoint,
    timeoutMs,
    cause,
  }: {
    readonly task: RegistrationTask;
    readonly endpoint: string;
    readonly timeoutMs: number;
    readonly cause: unknown;
  },
): FgError {
  const said =
    left === undefined
      ? 'nothing is there'
      : `${left.id} stays in "${left.status}"${left.reason === undefined ? '' : `: ${left.reason}`}`;
  return new FgError(
    'REMOTE_TIMEOUT',
    `${endpoint} did not get ready in ${formatDuration(timeoutMs)}: ${printable(said)}`,
    {
      cause,
      hint: `Ask whoever runs it, or give it more time with targets.${task.target}.register.timeout; what was begun was taken away`,
    },
  );
}

/** Trouble with a service in the words of the command line; anything else is what it was. */
export function registrationError(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error;
  const code =
    error.kind === 'unreachable'
      ? 'REMOTE_UNREACHABLE'
      : error.kind === 'usage'
        ? 'CREDENTIALS_MISSING'
        : 'REMOTE_REFUSED';
  const hint =
    error.hint ??
    (error.kind === 'unreachable'
      ? 'Check the address, and that it can be reached from here; then run it again'
      : undefined);
  return new FgError(code, error.message, {cause: error, ...(hint === undefined ? {} : {hint})});
}
