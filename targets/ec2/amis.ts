import type {Image as Ami, Filter, Snapshot} from '@aws-sdk/client-ec2';
import {printable} from '../../src/ui/format.ts';
import {markNames, type RemoteImage, type RemoteProperties} from '../registrar.ts';
import {copiesOf, copyBelongings} from './copies.ts';
import {listAmis, readAmi, readSnapshot, snapshotsOf} from './describe.ts';
import {findImportTasks, importTask} from './import-tasks.ts';
import {permissionsOf} from './permissions.ts';
import {foundProperties} from './properties.ts';
import type {Session} from './session.ts';
import {copyTag, markOf, tagsOf} from './tags.ts';

/**
 * Every AMI of the lineage, in one call to each region. Where the wanted one is not among them, what may have been left
 * on the way to it, and whoever has its name.
 */
export async function findAll(session: Session): Promise<readonly RemoteImage[]> {
  const {home, request, register} = session;
  const lineage: Filter = {Name: `tag:${markNames.lineage}`, Values: [request.mark.lineage]};
  const [amis, ...copies] = await Promise.all([
    listAmis(home, [lineage]),
    ...(register.regions ?? []).map(async (name) => {
      const region = await session.region(name);
      return {region, amis: await listAmis(region, [lineage])};
    }),
  ]);
  const found = await Promise.all(
    amis.map((ami) => remoteImage(session, ami, copiesOf(copies, markOf(tagsOf(ami.Tags))?.digest))),
  );
  if (found.some(({mark}) => mark?.digest === request.mark.digest)) return found;
  const [named, unfinished] = await Promise.all([
    listAmis(home, [{Name: 'name', Values: [request.name]}]),
    findUnfinished(session, lineage, amis),
  ]);
  const others = named.filter(({ImageId: id}) => amis.every(({ImageId: other}) => other !== id));
  return [...found, ...others.map((ami) => amiState(ami, {})), ...unfinished];
}

/** One AMI, snapshot or import task with everything about it; undefined where it is gone. */
export async function readOne(session: Session, id: string): Promise<RemoteImage | undefined> {
  const {home, register} = session;
  if (id.startsWith('import-')) return importTask(session, id);
  if (id.startsWith('snap-')) {
    const snapshot = await readSnapshot(home, id);
    return snapshot === undefined ? undefined : snapshotState(snapshot);
  }
  const ami = await readAmi(home, id);
  if (ami === undefined) return undefined;
  const mark = markOf(tagsOf(ami.Tags));
  const filters: Filter[] = [{Name: `tag:${markNames.lineage}`, Values: [mark?.lineage ?? '']}];
  const copies = await Promise.all(
    (register.regions ?? []).map(async (name) => {
      const region = await session.region(name);
      return {region, amis: await listAmis(region, filters)};
    }),
  );
  return remoteImage(session, ami, copiesOf(copies, mark?.digest));
}

async function remoteImage(
  session: Session,
  ami: Ami,
  copies: ReturnType<typeof copiesOf>,
): Promise<RemoteImage> {
  const {request, properties: wanted, register} = session;
  const properties = {...foundProperties(ami, wanted), ...(await copyState(session, ami, copies))};
  const state = amiState(ami, properties, copyBelongings(copies));
  const isWanted = state.mark?.digest === request.mark.digest && state.health === 'ready';
  if (!isWanted || register.launch_permissions === undefined) return state;
  const permissions = await permissionsOf(session.home, ami, wanted);
  return {...state, properties: {...properties, ...permissions}};
}

/** What is said of copies: those in the regions that are wanted, and that there are others. */
async function copyState(
  session: Session,
  ami: Ami,
  copies: ReturnType<typeof copiesOf>,
): Promise<RemoteProperties> {
  const {register, request, properties: wanted} = session;
  const isWanted = markOf(tagsOf(ami.Tags))?.digest === request.mark.digest;
  if (!isWanted) return {};
  const known = Object.keys(tagsOf(ami.Tags)).flatMap((key) =>
    key.startsWith(copyTag) ? [key.slice(copyTag.length)] : [],
  );
  const others = known.filter((region) => register.regions?.includes(region) !== true);
  const found = await Promise.all(
    copies.map(async ({region, ami: copy}): Promise<RemoteProperties> => {
      const at = (name: string): string => `${region.name}/${name}`;
      const state = {[at('state')]: copy.State ?? 'unknown'};
      if (copy.State !== 'available' || register.launch_permissions === undefined) return state;
      const permissions = await permissionsOf(region, copy, wanted);
      return {
        ...state,
        ...Object.fromEntries(Object.entries(permissions).map(([name, value]) => [at(name), value])),
      };
    }),
  );
  return Object.assign(
    {},
    ...others.map((region) => ({[`${region}/state`]: 'available'})),
    ...found,
  ) as RemoteProperties;
}

function amiState(ami: Ami, properties: RemoteProperties, copies: RemoteProperties = {}): RemoteImage {
  const {ImageId: id = '', Name: name = '', State: state = 'unknown', StateReason: why} = ami;
  const tags = tagsOf(ami.Tags);
  const mark = markOf(tags);
  const createdAt = Date.parse(ami.CreationDate ?? '');
  const deprecatedAt = Date.parse(ami.DeprecationTime ?? '');
  const copyTags = Object.entries(tags).flatMap(([key, value]) =>
    key.startsWith(copyTag) ? [[`ami:${key.slice(copyTag.length)}`, value] as const] : [],
  );
  return {
    id,
    name,
    ...(mark === undefined ? {} : {mark}),
    health: amiHealth(state),
    status: state,
    ...(why?.Message === undefined ? {} : {reason: printable(`${why.Code ?? ''} ${why.Message}`.trim())}),
    properties,
    ...(Number.isNaN(createdAt) ? {} : {createdAt}),
    // A mark that was set a moment ago is a minute or two ahead.
    deprecated: !Number.isNaN(deprecatedAt) && deprecatedAt < Date.now() + 600_000,
    belongings: {
      ...Object.fromEntries(copyTags),
      ...copies,
      ...(snapshotsOf(ami).length === 0 ? {} : {snapshots: snapshotsOf(ami).join(' ')}),
    },
  };
}

function amiHealth(state: string): RemoteImage['health'] {
  if (state === 'available') return 'ready';
  return state === 'pending' || state === 'transient' ? 'pending' : 'broken';
}

/** Snapshots and import tasks with the mark of the lineage that are no AMI yet. */
async function findUnfinished(
  session: Session,
  lineage: Filter,
  amis: readonly Ami[],
): Promise<readonly RemoteImage[]> {
  const {home, register} = session;
  const used = new Set(amis.flatMap(snapshotsOf));
  const [{Snapshots: snapshots = []}, tasks] = await Promise.all([
    home.call('DescribeSnapshots', ({sdk, client}, options) =>
      client.send(new sdk.DescribeSnapshotsCommand({OwnerIds: ['self'], Filters: [lineage]}), options),
    ),
    register.method === 'import-snapshot' ? findImportTasks(session) : [],
  ]);
  const candidates = snapshots.filter(({SnapshotId: id = ''}) => !used.has(id));
  const others = await usersOf(session, candidates);
  const unused = candidates.filter(({SnapshotId: id = ''}) => !others.has(id)).map(snapshotState);
  const known = new Set([...used, ...unused.map(({id}) => id)]);
  return [...unused, ...tasks.filter(({belongings}) => !known.has(belongings?.['snapshots'] ?? ''))];
}

/** Those of the snapshots that AMIs are made of which have lost our mark: they are not ours to finish. */
async function usersOf({home}: Session, snapshots: readonly Snapshot[]): Promise<ReadonlySet<string>> {
  const ids = snapshots.flatMap(({SnapshotId: id}) => id ?? []);
  if (ids.length === 0) return new Set();
  const amis = await listAmis(home, [{Name: 'block-device-mapping.snapshot-id', Values: ids}]);
  return new Set(amis.flatMap(snapshotsOf));
}

function snapshotState(snapshot: Snapshot): RemoteImage {
  const {SnapshotId: id = '', State: state = 'unknown', StateMessage: message, StartTime: at} = snapshot;
  const mark = markOf(tagsOf(snapshot.Tags));
  return {
    id,
    name: printable(snapshot.Description ?? ''),
    ...(mark === undefined ? {} : {mark}),
    // What is completed wants an AMI still.
    health: state === 'pending' || state === 'completed' ? 'pending' : 'broken',
    status: state,
    ...(message === undefined || message === '' ? {} : {reason: printable(message)}),
    properties: {},
    ...(at === undefined ? {} : {createdAt: at.getTime()}),
    belongings: {snapshots: id},
  };
}
