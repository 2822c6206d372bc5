import {FgError} from '../../src/errors.ts';
import type {OpenRegistrar, Registrar, RegistrarRequest, RemoteImage} from '../registrar.ts';
import {findAll, readOne} from './amis.ts';
import {applyChanges, settle} from './changes.ts';
import {registerAmi} from './register-image.ts';
import {removeRemote} from './remove.ts';
import type {Ec2Options, Ec2RegisterOptions} from './schema.ts';
import {openSession, type Session} from './session.ts';

/** Registration as an AMI: a snapshot with the disk, RegisterImage, permissions, copies in other regions. */
export const openRegistrar: OpenRegistrar = async (request) => {
  const {schema} = await import('./schema.ts');
  // Checked with the spec; again for the defaults of a `register` that the spec does not have.
  const options = schema.parse({...request.options, register: request.options['register'] ?? {}});
  const {register} = options;
  if (register === undefined) throw new Error('The schema drops register');
  checkName(request.name, request);
  return registrarOf(
    await openSession(request, options satisfies Ec2Options, register satisfies Ec2RegisterOptions),
  );
};

function registrarOf(session: Session): Registrar {
  return {
    endpoint: session.home.ec2.endpoint,
    properties: session.properties,
    hasUniqueNames: true,
    find: () => findAll(session),
    get: (id) => readOne(session, id),
    create: async (artifact, progress, unfinished) => {
      const id = await registerAmi(session, artifact, {progress, unfinished});
      return settle(session, id, progress.report);
    },
    update: async (remote, changes) => {
      await applyChanges(session, remote, changes);
      return settle(session, remote.id, () => undefined);
    },
    remove: (remote) => removeRemote(session, remote),
    deprecate: (remote) => deprecate(session, remote),
  };
}

/** RegisterImage, parameter Name. */
function checkName(name: string, {target}: RegistrarRequest): void {
  const mend = {hint: `Change targets.${target}.register.name`};
  if (name.length < 3 || name.length > 128)
    throw new FgError(
      'USAGE',
      `The name of an AMI has 3 to 128 characters, and ${name} has ${name.length}`,
      mend,
    );
  const odd = /[^A-Za-z0-9()[\] ./'@_-]/.exec(name)?.[0];
  if (odd !== undefined)
    throw new FgError('USAGE', `The name of an AMI cannot have ${JSON.stringify(odd)} in it: ${name}`, mend);
}

/** A date in the past is refused, and seconds are rounded. */
const deprecationAheadMs = 120_000;

async function deprecate(session: Session, {id, belongings = {}}: RemoteImage): Promise<void> {
  const copies = Object.entries(belongings).flatMap(([name, copy]) =>
    name.startsWith('ami:') ? [{region: name.slice('ami:'.length), copy}] : [],
  );
  const all = [
    ...(await Promise.all(
      copies.map(async ({region, copy}) => ({region: await session.region(region), copy})),
    )),
    {region: session.home, copy: id},
  ];
  for (const {region, copy} of all) {
    await region.call('EnableImageDeprecation', ({sdk, client}, options) =>
      client.send(
        new sdk.EnableImageDeprecationCommand({
          ImageId: copy,
          DeprecateAt: new Date(Date.now() + deprecationAheadMs),
        }),
        options,
      ),
    );
  }
}
