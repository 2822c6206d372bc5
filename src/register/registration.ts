import {createHash} from 'node:crypto';
import type {OpenRegistrar, Registrar, RegistrarRequest} from '../../targets/registrar.ts';
import type {RegistrationRow, Registrations} from '../catalog/registrations.ts';
import {parseDuration} from '../duration.ts';
import {FgError} from '../errors.ts';
import type {Image, JsonObject} from '../spec/image.ts';
import {registeredName} from './name.ts';
import {type Conflict, reconcile, type Step, type WantedRegistration} from './reconcile.ts';

/** One target of one image that is to be registered. */
export interface RegistrationTask {
  readonly image: Image;
  /** The key under `targets`. */
  readonly target: string;
  readonly type: string;
  readonly options: JsonObject;
  /** Of the artifact. */
  readonly digest: string;
  /** `<project>/<image>/<target>`. */
  readonly lineage: string;
  readonly usualName: string;
  readonly openRegistrar: () => Promise<OpenRegistrar>;
  readonly projectDir: string;
}

export interface RegistrationPlaces {
  readonly registrations: Registrations;
  readonly env: NodeJS.ProcessEnv;
  readonly warn: (message: string, hint?: string) => void;
}

/** A registrar that was asked, and what is to be done there. */
export interface RegistrationPlan {
  readonly task: RegistrationTask;
  readonly registrar: Registrar;
  readonly wanted: WantedRegistration;
  readonly steps: readonly Step[];
  /** Rows of the catalog that the infrastructure knows no more: somebody else deleted them, or took our mark away. */
  readonly gone: readonly RegistrationRow[];
}

const usualTimeoutMs = 3_600_000;

/** How long a registration may take. */
export function timeoutOf(task: Pick<RegistrationTask, 'options'>): number {
  return durationOf(registerOptions(task.options)['timeout']) ?? usualTimeoutMs;
}

/** Asks the infrastructure, once, and says what is to be done. Changes nothing anywhere. Throws what registrars throw. */
export async function planRegistration(
  task: RegistrationTask,
  places: RegistrationPlaces,
  signal: AbortSignal,
): Promise<RegistrationPlan> {
  const registrar = await openFor(task, places, signal);
  const wanted = wantedOf(task, registrar);
  const found = await registrar.find();
  const steps = reconcile(wanted, found, Date.now());
  if (!steps.ok) throw conflictError(steps.error, {task, registrar, wanted});
  const ids = new Set(found.map(({id}) => id));
  const gone = places.registrations
    .list({living: true})
    .filter(
      (row) =>
        row.state === 'registered' &&
        row.lineage === task.lineage &&
        row.endpoint === registrar.endpoint &&
        !ids.has(row.remoteId ?? ''),
    );
  return {task, registrar, wanted, steps: steps.value, gone};
}

/** A registrar for a task. */
export async function openFor(
  task: RegistrationTask,
  {env, warn}: RegistrationPlaces,
  signal: AbortSignal,
): Promise<Registrar> {
  const open = await task.openRegistrar();
  const request: RegistrarRequest = {
    image: task.image,
    target: task.target,
    options: task.options,
    name: nameOf(task),
    mark: {digest: task.digest, lineage: task.lineage},
    projectDir: task.projectDir,
    env,
    signal,
    warn,
  };
  return open(request);
}

function nameOf(task: RegistrationTask): string {
  const template = registerOptions(task.options)['name'];
  return registeredName(typeof template === 'string' ? template : task.usualName, task);
}

function wantedOf(task: RegistrationTask, registrar: Registrar): WantedRegistration {
  const {keep_last: last, replace, deprecate_after: deprecateAfter} = registerOptions(task.options);
  const keepLast = replace === true ? 1 : typeof last === 'number' ? last : undefined;
  const deprecateAfterMs = registrar.deprecate === undefined ? undefined : durationOf(deprecateAfter);
  return {
    digest: task.digest,
    lineage: task.lineage,
    name: nameOf(task),
    properties: registrar.properties,
    hasUniqueNames: registrar.hasUniqueNames,
    timeoutMs: timeoutOf(task),
    ...(keepLast === undefined ? {} : {keepLast}),
    ...(deprecateAfterMs === undefined ? {} : {deprecateAfterMs}),
  };
}

export function registerOptions({register}: JsonObject): JsonObject {
  return typeof register === 'object' && register !== null && !Array.isArray(register)
    ? (register as JsonObject)
    : {};
}

function durationOf(value: unknown): number | undefined {
  return typeof value === 'string' ? parseDuration(value) : undefined;
}

/** One process at a time works on a lineage at an endpoint: the name of its lock. */
export function lockName({lineage}: RegistrationTask, {endpoint}: Registrar): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([lineage, endpoint]))
    .digest('hex');
  return `registration-${digest.slice(0, 32)}`;
}

function conflictError(
  {reason, remote}: Conflict,
  {
    task,
    registrar,
    wanted,
  }: {readonly task: RegistrationTask; readonly registrar: Registrar; readonly wanted: WantedRegistration},
): FgError {
  const where = `targets.${task.target}.register.name`;
  if (reason === 'name-taken') {
    const whose =
      remote.mark === undefined
        ? 'an image that fgimage did not register'
        : `an image of ${remote.mark.lineage}`;
    return new FgError(
      'NAME_TAKEN',
      `${registrar.endpoint} has the name ${wanted.name} already: ${remote.id} is ${whose}`,
      {
        hint: `Choose another name with ${where}, e.g. "${task.image.name}-{digest}", or take that image away`,
      },
    );
  }
  return new FgError(
    'NAME_TAKEN',
    `${registrar.endpoint} has the name ${wanted.name} already: ${remote.id} is an older ${task.lineage}`,
    {hint: `Put {digest} into ${where}, or let the old one go with register.replace`},
  );
}
