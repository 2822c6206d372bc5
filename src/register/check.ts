import type {Registrar} from '../../targets/registrar.ts';
import {targetFinder} from '../../targets/registry.ts';
import type {RegistrationRow} from '../catalog/registrations.ts';
import {FgError} from '../errors.ts';
import {printable} from '../ui/format.ts';
import {registrationError} from './perform.ts';
import {changesBetween} from './reconcile.ts';
import {openFor, type RegistrationPlaces, type RegistrationTask} from './registration.ts';

/** What became of a registration behind our back. */
export interface Drift {
  readonly state: 'as it was' | 'gone' | 'altered' | 'unfinished' | 'broken' | 'unknown';
  /** What is different, for people. */
  readonly detail?: string;
}

/** Asks the infrastructure for one registration. Throws `FgError`. */
export async function checkRegistration(
  row: RegistrationRow,
  places: RegistrationPlaces,
  signal: AbortSignal,
): Promise<Drift> {
  try {
    const registrar = await registrarOf(row, places, signal);
    const remote = row.remoteId === undefined ? undefined : await registrar.get(row.remoteId);
    if (remote === undefined) {
      return row.state === 'begun'
        ? {state: 'unfinished', detail: 'nothing of it is there'}
        : {state: 'gone', detail: 'somebody deleted it'};
    }
    const {mark, health, status, reason} = remote;
    if (mark?.digest !== row.digest || mark.lineage !== row.lineage)
      return {state: 'altered', detail: 'it has lost its mark: fgimage does not know it any more'};
    if (health === 'broken')
      return {state: 'broken', detail: `${status}${reason === undefined ? '' : `: ${reason}`}`};
    if (health === 'pending') return {state: 'unfinished', detail: `it is "${status}"`};
    const changes = changesBetween(row.properties, remote.properties);
    if (changes.length === 0) return {state: 'as it was'};
    const told = changes.map(
      ({name, from, to}) => `${name}: ${from ?? '(not there)'} → ${to ?? '(not there)'}`,
    );
    return {state: 'altered', detail: told.join(', ')};
  } catch (error) {
    throw registrationError(error);
  }
}

/** The registrar that a row was made with, by what the row says. Throws `FgError` where it leads elsewhere now. */
export async function registrarOf(
  row: RegistrationRow,
  places: RegistrationPlaces,
  signal: AbortSignal,
): Promise<Registrar> {
  const registrar = await openFor(await taskOf(row), places, signal);
  if (registrar.endpoint === row.endpoint) return registrar;
  throw new FgError(
    'CREDENTIALS_MISSING',
    `${row.image}/${row.target} is registered at ${printable(row.endpoint)}, and the credentials here are for ${printable(registrar.endpoint)}`,
    {hint: 'Use the configuration or the variables that it was registered with'},
  );
}

async function taskOf(row: RegistrationRow): Promise<RegistrationTask> {
  const {request, target, type, digest, lineage, name} = row;
  const targetOfType = await targetFinder(request.projectDir, [type]);
  const {registrar} = targetOfType(type);
  if (registrar === undefined) throw new Error(`The target type ${type} has lost its registration`);
  const {image, options, projectDir} = request;
  return {
    image,
    target,
    type,
    options,
    digest,
    lineage,
    usualName: name,
    openRegistrar: registrar,
    projectDir,
  };
}
