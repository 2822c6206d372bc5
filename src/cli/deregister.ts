import {forgetRegistered} from '../../cache/registration-roots.ts';
import {openCatalog} from '../catalog/database.ts';
import {type RegistrationRow, Registrations} from '../catalog/registrations.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {registrarOf} from '../register/check.ts';
import {registrationError} from '../register/perform.ts';
import {printable} from '../ui/format.ts';
import {warnOnStderr} from './plan.ts';
import {openStore} from './session.ts';

export interface DeregisterOptions {
  readonly image: string;
  /** Names of targets; empty: all. */
  readonly targets: readonly string[];
  /** Only what has this id there, or an artifact whose digest begins so. */
  readonly only?: string | undefined;
  /** Whether it is only said what would go. */
  readonly dryRun: boolean;
  readonly cacheDir: string | undefined;
}

/** `fgimage deregister`: takes away what fgimage registered of an image, and nothing else. */
export async function runDeregister(options: DeregisterOptions): Promise<ExitCode> {
  const {image, targets, only, dryRun} = options;
  const catalog = openCatalog();
  const store = openStore(cacheFolder(options.cacheDir));
  try {
    const registrations = new Registrations(catalog);
    const living = registrations.list({living: true});
    const rows = living.filter(
      (row) =>
        row.image === image &&
        (targets.length === 0 || targets.includes(row.target)) &&
        (only === undefined || row.remoteId === only || (only.length >= 7 && row.digest.startsWith(only))),
    );
    if (rows.length === 0) throw nothingFound(options, living);
    let code: ExitCode = exitCode.done;
    for (const row of rows) {
      const what = `${row.image}/${row.target}: ${row.name} (${row.remoteId ?? 'never begun'}) at ${row.endpoint}`;
      if (dryRun) {
        process.stdout.write(`${printable(`would take away ${what}`)}\n`);
        continue;
      }
      try {
        const was = await takeAway(row, registrations);
        if (row.remoteId !== undefined) forgetRegistered(store, {endpoint: row.endpoint, id: row.remoteId});
        process.stdout.write(`${printable(`${was} ${what}`)}\n`);
      } catch (error) {
        const told = registrationError(error);
        if (!(told instanceof FgError)) throw told;
        process.stderr.write(`error: ${printable(`${what}: ${told.message}`)}\n`);
        if (told.hint !== undefined) process.stderr.write(`  mend: ${printable(told.hint)}\n`);
        code = told.exitCode;
      }
    }
    return code;
  } finally {
    store.close();
    catalog.close();
  }
}

async function takeAway(row: RegistrationRow, registrations: Registrations): Promise<string> {
  const {signal} = new AbortController();
  const registrar = await registrarOf(row, {registrations, env: process.env, warn: warnOnStderr}, signal);
  const remote = row.remoteId === undefined ? undefined : await registrar.get(row.remoteId);
  if (remote === undefined) {
    registrations.change(row.id, {state: 'gone'});
    return 'was gone already:';
  }
  if (remote.mark?.digest !== row.digest || remote.mark.lineage !== row.lineage) {
    throw new FgError(
      'REMOTE_REFUSED',
      'it has lost the mark of fgimage, and may be somebody else’s by now',
      {
        hint: 'Delete it with the tools of that infrastructure, if it is to go',
      },
    );
  }
  await registrar.remove({...remote, belongings: {...row.belongings, ...remote.belongings}});
  registrations.change(row.id, {state: 'removed'});
  return 'took away';
}

function nothingFound({image, targets}: DeregisterOptions, living: readonly RegistrationRow[]): FgError {
  const wanted = [image, ...targets].join(' ');
  const known = [...new Set(living.map((row) => `${row.image} ${row.target}`))];
  const hint =
    known.length === 0
      ? 'Nothing is registered; see "fgimage registrations --all"'
      : `Registered are: ${known.join(', ')}`;
  return new FgError('USAGE', `No registration of ${printable(wanted)} is in the catalog`, {hint});
}
