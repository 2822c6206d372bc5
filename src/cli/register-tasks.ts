import {FgError} from '../errors.ts';
import type {Delivery} from '../plan/plan.ts';
import {type RegistrationTask, registerOptions} from '../register/registration.ts';
import {type Session, targetsOf} from './session.ts';

/** What of a plan is to be registered. */
export type Registrable = Omit<RegistrationTask, 'digest'> & {readonly delivery: Delivery};

/**
 * The targets that have a registration. Where none is named: those with `register` in the spec, or where none has it, all
 * that can. Throws `FgError` USAGE for a named one that is files and nothing more, and where there is nothing at all.
 */
export async function registrables(
  {plan, spec}: Pick<Session, 'plan' | 'spec'>,
  named: readonly string[],
): Promise<readonly Registrable[]> {
  const targetOfType = await targetsOf(spec);
  const all = plan.deliveries.flatMap((delivery): readonly Registrable[] => {
    const {image, target} = delivery;
    const found = image.targets.find(({name}) => name === target);
    if (found === undefined) throw new Error(`The image ${image.name} lost its target ${target}`);
    const {type, options} = found;
    const {registrar, usualName = '{image}'} = targetOfType(type);
    if (registrar === undefined && named.includes(target)) {
      throw new FgError('USAGE', `The target ${target} (${type}) makes files, and nothing registers those`, {
        hint: 'Take them from the output folder',
      });
    }
    if (registrar === undefined) return [];
    const lineage = `${spec.name}/${image.name}/${target}`;
    const {projectDir} = spec;
    return [
      {delivery, image, target, type, options, lineage, usualName, openRegistrar: registrar, projectDir},
    ];
  });
  const told = all.filter(({options}) => Object.keys(registerOptions(options)).length > 0);
  const chosen = named.length > 0 || told.length === 0 ? all : told;
  if (chosen.length > 0) return chosen;
  const types = [...new Set(plan.deliveries.map(({target}) => target))];
  throw new FgError('USAGE', `Nothing registers what these targets make: ${types.join(', ')}`, {
    hint: 'Name an infrastructure under `targets`, e.g. openstack: {register: {…}}',
  });
}
