import type {Image as Ami} from '@aws-sdk/client-ec2';
import {FgError} from '../../src/errors.ts';
import {changesBetween} from '../../src/register/reconcile.ts';
import type {PropertyChange, RemoteImage} from '../registrar.ts';
import {readOne} from './amis.ts';
import {type Copy, copyTo} from './copies.ts';
import {readAmi, snapshotsOf} from './describe.ts';
import {setPermissions} from './permissions.ts';
import {isFixed, launchPermissions, snapshotPermissions, tagOf} from './properties.ts';
import {pause} from './region.ts';
import {removeAmiById} from './removal.ts';
import type {Session} from './session.ts';
import {copyTag} from './tags.ts';

/** Between readings: what was changed is not told everywhere at once. */
const readAgainMs = [500, 1000, 2000, 4000];

/** Makes an AMI what it is to be, reads everything back, and gives it. Throws where the service did not keep something. */
export async function settle(
  session: Session,
  id: string,
  report: (message: string) => void,
): Promise<RemoteImage> {
  let remote = await read(session, id);
  const changes = changesBetween(remote.properties, session.properties);
  const due = changes.filter(({name, to}) => !isFixed(name, to));
  if (due.length > 0) {
    report(`Setting ${due.map(({name}) => name).join(', ')}`);
    await applyChanges(session, remote, due);
  }
  let left = changes;
  for (const pauseMs of [0, ...readAgainMs]) {
    // What RegisterImage was told is there from the beginning, or never.
    if (left.every(({name, to}) => isFixed(name, to))) break;
    if (pauseMs > 0) await pause(pauseMs, session.request.signal);
    remote = await read(session, id);
    left = changesBetween(remote.properties, session.properties);
  }
  if (left.length === 0) return remote;
  const told = left.map(({name, from = 'nothing', to = 'nothing'}) => `${name} is ${from} and not ${to}`);
  throw new FgError('REMOTE_REFUSED', `EC2 took ${id}, but did not keep all of it: ${told.join('; ')}`, {
    hint: 'Look at it in the console: something else may change it there.',
  });
}

async function read(session: Session, id: string): Promise<RemoteImage> {
  const remote = await readOne(session, id);
  if (remote !== undefined) return remote;
  throw new FgError('REMOTE_REFUSED', `${id} is gone from ${session.home.name} while it was worked on`, {
    hint: 'Run it again: it is registered anew.',
  });
}

/** Changes what can be changed of an AMI that is there. */
export async function applyChanges(
  session: Session,
  {id}: RemoteImage,
  changes: readonly PropertyChange[],
): Promise<void> {
  const fixed = changes.filter(({name, to}) => isFixed(name, to));
  if (fixed.length > 0) throw fixedError(session, id, fixed);
  const ami = await readAmi(session.home, id);
  if (ami === undefined) return;
  const all = [{region: session.home, ami}, ...(await copiesWanted(session, ami))];
  for (const place of all) await setTags(place, changes);
  for (const change of changes) {
    if (tagOf(change.name) !== undefined) continue;
    if (change.name.includes('/')) await changeCopy(session, ami, change);
    else if (isOfCopiesToo(change.name)) for (const place of all) await modify(place, change);
    else await setPermissions(session.home, {ami, change: change.name, register: session.register});
  }
}

function isOfCopiesToo(name: string): boolean {
  return name === 'description' || name === 'imds-support';
}

async function modify({region, ami}: Copy, {name, to = ''}: PropertyChange): Promise<void> {
  const change = name === 'description' ? {Description: {Value: to}} : {ImdsSupport: {Value: to}};
  await region.call('ModifyImageAttribute', ({sdk, client}, options) =>
    client.send(new sdk.ModifyImageAttributeCommand({ImageId: ami.ImageId, ...change}), options),
  );
}

/** The copies that an AMI names, in the regions that still are to have one. */
async function copiesWanted(session: Session, {Tags: tags = []}: Ami): Promise<readonly Copy[]> {
  const found = await Promise.all(
    tags.map(async ({Key: key = '', Value: id = ''}): Promise<readonly Copy[]> => {
      const name = key.startsWith(copyTag) ? key.slice(copyTag.length) : undefined;
      if (name === undefined || session.register.regions?.includes(name) !== true) return [];
      const region = await session.region(name);
      const ami = await readAmi(region, id);
      return ami === undefined ? [] : [{region, ami}];
    }),
  );
  return found.flat();
}

/** `us-west-2/state` and what else is told of copies. */
async function changeCopy(session: Session, ami: Ami, {name, to}: PropertyChange): Promise<void> {
  const [regionName = '', property = ''] = name.split('/');
  const {register} = session;
  if (property === 'state' && to === undefined) {
    await removeCopy(session, ami, regionName);
    return;
  }
  const copy = await copyTo(session, ami, regionName);
  const wanted = [launchPermissions, snapshotPermissions].filter(
    (one) => `${regionName}/${one}` in session.properties,
  );
  const due = property === 'state' ? wanted : [property];
  for (const change of due) await setPermissions(copy.region, {ami: copy.ami, change, register});
}

/** A copy in a region that the options do not name any more. */
async function removeCopy(session: Session, ami: Ami, name: string): Promise<void> {
  const {home} = session;
  const Key = copyTag + name;
  const id = ami.Tags?.find((tag) => tag.Key === Key)?.Value;
  if (id !== undefined) await removeAmiById(await session.region(name), id);
  await home.call('DeleteTags', ({sdk, client}, options) =>
    client.send(new sdk.DeleteTagsCommand({Resources: [ami.ImageId ?? ''], Tags: [{Key}]}), options),
  );
}

async function setTags({region, ami}: Copy, changes: readonly PropertyChange[]): Promise<void> {
  const tags = changes.flatMap(({name, to}) => {
    const Key = tagOf(name);
    return Key === undefined || to === undefined ? [] : [{Key, Value: to}];
  });
  if (tags.length === 0) return;
  await region.call('CreateTags', ({sdk, client}, options) =>
    client.send(
      new sdk.CreateTagsCommand({Resources: [ami.ImageId ?? '', ...snapshotsOf(ami)], Tags: tags}),
      options,
    ),
  );
}

function fixedError({request}: Session, id: string, changes: readonly PropertyChange[]): FgError {
  const told = changes.map(({name, from = 'nothing', to = 'nothing'}) => `${name} from ${from} to ${to}`);
  return new FgError(
    'REMOTE_REFUSED',
    `EC2 cannot change ${told.join(', ')} of an AMI: ${id} has to be registered anew`,
    {
      hint: `Run "fgimage deregister ${request.image.name} ${request.target}", and register it again`,
    },
  );
}
