import {openCatalog} from '../catalog/database.ts';
import {Registrations} from '../catalog/registrations.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {registrationError} from '../register/perform.ts';
import type {RemovalReason, Step} from '../register/reconcile.ts';
import {planRegistration, type RegistrationPlan} from '../register/registration.ts';
import {unreachable} from '../result.ts';
import {printable} from '../ui/format.ts';
import {type PlanOptions, warnOnStderr} from './plan.ts';
import {type Registrable, registrables} from './register-tasks.ts';
import {openSession, peekSession} from './session.ts';

/** `fgimage register --plan`: what would be done there, without building, uploading or changing anything. */
export async function runRegisterPlan(options: PlanOptions): Promise<ExitCode> {
  const session = await openSession(options, {look: true, warn: warnOnStderr});
  const catalog = openCatalog();
  try {
    const {signal} = new AbortController();
    const peeked = await peekSession(session, signal);
    const places = {registrations: new Registrations(catalog), env: process.env, warn: warnOnStderr};
    const planned = await Promise.all(
      (await registrables(session, options.targets)).map(async (task): Promise<Planned> => {
        const pack = peeked.get(task.delivery.pack);
        const digest = pack?.state === 'hit' ? pack.known.action.digest : undefined;
        try {
          const plan = await planRegistration({...task, digest: digest ?? unbuilt}, places, signal);
          return {task, digest, plan};
        } catch (error) {
          const told = registrationError(error);
          if (!(told instanceof FgError)) throw told;
          return {task, digest, error: told};
        }
      }),
    );
    process.stdout.write(options.json ? planJson(planned) : planned.map(planText).join('\n'));
    const failed = planned.find(({error}) => error !== undefined);
    if (failed?.error !== undefined) return failed.error.exitCode;
    const work = planned.some(({plan}) => plan?.steps.some((step) => step.do !== 'keep'));
    return options.detailedExitCode && work ? exitCode.planHasWork : exitCode.done;
  } finally {
    catalog.close();
    session.store.close();
  }
}

/** Stands for the digest of an artifact that was not built yet: no image has it. */
const unbuilt = '0'.repeat(64);

interface Planned {
  readonly task: Registrable;
  /** Of the artifact; absent: a build comes first. */
  readonly digest: string | undefined;
  readonly plan?: RegistrationPlan;
  readonly error?: FgError;
}

function planText({task, digest, plan, error}: Planned): string {
  const title = `${task.image.name}/${task.target}`;
  if (plan === undefined) {
    const mend = error?.hint === undefined ? '' : `  mend: ${printable(error.hint)}\n`;
    return `${printable(title)}\n  error: ${printable(error?.message ?? '')}\n${mend}`;
  }
  const lines = [
    `${printable(title)} at ${printable(plan.registrar.endpoint)}`,
    ...plan.gone.map(
      ({name, remoteId}) =>
        `  ? ${printable(name)} (${printable(remoteId ?? '')}) is gone, or has lost its mark`,
    ),
    ...plan.steps.flatMap((step) => stepLines(step, {plan, digest})),
  ];
  return `${lines.join('\n')}\n`;
}

function stepLines(
  step: Step,
  {plan, digest}: {readonly plan: RegistrationPlan; readonly digest: string | undefined},
): readonly string[] {
  switch (step.do) {
    case 'keep':
      return [`  = keep ${called(step)}`];
    case 'update':
      return [
        `  ~ update ${called(step)}`,
        ...step.changes.map(
          ({name, from, to}) =>
            `      ${printable(name)}: ${printable(from ?? '(not there)')} → ${printable(to ?? '(not there)')}`,
        ),
      ];
    case 'create': {
      const {name} = plan.wanted;
      if (digest === undefined) return ['  + build it, and create it; its digest is known only then'];
      return [`  + create ${printable(name)}, digest ${digest.slice(0, 12)}`];
    }
    case 'finish':
      return [`  + finish the upload of ${called(step)}, which is "${printable(step.remote.status)}"`];
    case 'remove':
      return [`  - remove ${called(step)}: ${removalWords[step.why]}`];
    case 'deprecate':
      return [`  ~ mark ${called(step)} as deprecated`];
    default:
      return unreachable(step);
  }
}

const removalWords: Readonly<Record<RemovalReason, string>> = {
  superseded: 'superseded',
  broken: 'it is not usable',
  'left-behind': 'left of an upload that did not end',
  twice: 'the same image is there twice',
};

function called({remote}: {readonly remote: {readonly name: string; readonly id: string}}): string {
  return `${printable(remote.name)} (${printable(remote.id)})`;
}

function planJson(planned: readonly Planned[]): string {
  const told = planned.map(({task, digest, plan, error}) => ({
    image: task.image.name,
    target: task.target,
    ...(digest === undefined ? {} : {digest}),
    ...(error === undefined ? {} : {error: {code: error.code, message: error.message, hint: error.hint}}),
    ...(plan === undefined
      ? {}
      : {
          endpoint: plan.registrar.endpoint,
          name: plan.wanted.name,
          properties: plan.wanted.properties,
          gone: plan.gone.map(({remoteId}) => remoteId),
          steps: plan.steps.map((step) => ({
            do: step.do,
            ...('remote' in step ? {id: step.remote.id, name: step.remote.name} : {}),
            ...(step.do === 'update' ? {changes: step.changes} : {}),
            ...(step.do === 'remove' ? {why: step.why} : {}),
          })),
        }),
  }));
  return `${JSON.stringify(told, undefined, 2)}\n`;
}
