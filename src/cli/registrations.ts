import {openCatalog} from '../catalog/database.ts';
import {type RegistrationRow, Registrations} from '../catalog/registrations.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {checkRegistration, type Drift} from '../register/check.ts';
import {printable} from '../ui/format.ts';
import {formatTable} from '../ui/table.ts';
import {warnOnStderr} from './plan.ts';

export interface RegistrationsOptions {
  /** Whether the infrastructures are asked. */
  readonly check: boolean;
  /** Whether those that are no more are listed too. */
  readonly all: boolean;
  readonly json: boolean;
}

/** `fgimage registrations`: what is registered where, and with `--check` whether it is still so. */
export async function runRegistrations({check, all, json}: RegistrationsOptions): Promise<ExitCode> {
  const catalog = openCatalog();
  try {
    const registrations = new Registrations(catalog);
    const rows = registrations.list({living: !all});
    const found = check ? await checkAll(rows, registrations) : new Map<number, Drift>();
    if (json)
      process.stdout.write(
        `${JSON.stringify(
          rows.map((row) => rowJson(row, found)),
          undefined,
          2,
        )}\n`,
      );
    else process.stdout.write(rows.length === 0 ? 'Nothing is registered\n' : tableText(rows, found));
    const drifts = [...found.values()];
    const refused = drifts.find(({state}) => state === 'unknown');
    if (refused !== undefined) return exitCode.remoteRefused;
    return drifts.every(({state}) => state === 'as it was') ? exitCode.done : exitCode.differs;
  } finally {
    catalog.close();
  }
}

async function checkAll(
  rows: readonly RegistrationRow[],
  registrations: Registrations,
): Promise<ReadonlyMap<number, Drift>> {
  const places = {registrations, env: process.env, warn: warnOnStderr};
  const {signal} = new AbortController();
  const asked = rows.filter(({state}) => state === 'registered' || state === 'begun');
  const found = await Promise.all(
    asked.map(async (row): Promise<readonly [number, Drift]> => {
      try {
        return [row.id, await checkRegistration(row, places, signal)];
      } catch (error) {
        if (!(error instanceof FgError)) throw error;
        return [row.id, {state: 'unknown', detail: error.message}];
      }
    }),
  );
  return new Map(found);
}

function tableText(rows: readonly RegistrationRow[], found: ReadonlyMap<number, Drift>): string {
  const heads = ['image', 'target', 'state', 'name', 'id', 'digest', 'since (UTC)', 'at'];
  const cells = rows.map((row) => [
    row.image,
    row.target,
    stateText(row, found.get(row.id)),
    row.name,
    row.remoteId ?? '-',
    row.digest.slice(0, 12),
    new Date(row.begunAt).toISOString().slice(0, 16).replace('T', ' '),
    row.endpoint,
  ]);
  const table = formatTable([heads, ...cells].map((line) => line.map((text) => ({text: printable(text)}))));
  const details = rows.flatMap((row) => {
    const detail = found.get(row.id)?.detail;
    return detail === undefined ? [] : [`${row.image}/${row.target} (${row.remoteId ?? '-'}): ${detail}`];
  });
  return [...table, ...details.map(printable), ''].join('\n');
}

function stateText({state}: RegistrationRow, drift: Drift | undefined): string {
  if (drift === undefined || drift.state === 'as it was') return state;
  return drift.state;
}

/** What it takes to ask again is nobody else's business. */
function rowJson(row: RegistrationRow, found: ReadonlyMap<number, Drift>): unknown {
  const told = Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'request'));
  const drift = found.get(row.id);
  return drift === undefined ? told : {...told, check: drift};
}
