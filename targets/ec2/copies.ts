import {createHash} from 'node:crypto';
import type {Image as Ami} from '@aws-sdk/client-ec2';
import {FgError} from '../../src/errors.ts';
import {printable} from '../../src/ui/format.ts';
import type {RemoteProperties} from '../registrar.ts';
import {listAmis, readAmi, snapshotsOf} from './describe.ts';
import {launchPermissions, permissionText, snapshotPermissions, wantedPermissions} from './properties.ts';
import {poll, type Region} from './region.ts';
import {removeAmiById} from './removal.ts';
import type {Ec2RegisterOptions} from './schema.ts';
import type {Session} from './session.ts';
import {copyTag, ownTags} from './tags.ts';

/** A copy of an AMI in another region; it has the same mark, an id of its own and a snapshot of its own. */
export interface Copy {
  readonly region: Region;
  readonly ami: Ami;
}

/** What the copies are to be: there, and for the same users. */
export function copyProperties(register: Ec2RegisterOptions): RemoteProperties {
  const {regions = [], launch_permissions: permissions, share_snapshot: isShared} = register;
  const wanted = wantedPermissions(register);
  const all = regions.flatMap((name): readonly (readonly [string, string])[] => [
    [`${name}/state`, 'available'],
    ...(permissions === undefined ? [] : [[`${name}/${launchPermissions}`, permissionText(wanted)] as const]),
    ...(permissions === undefined || !isShared
      ? []
      : ([
          [
            `${name}/${snapshotPermissions}`,
            permissionText(wanted.filter(({UserId: user}) => user !== undefined)),
          ],
        ] as const)),
  ]);
  return Object.fromEntries(all);
}

/** The copies with a digest, one of each region: the available one where there are several. */
export function copiesOf(
  all: readonly {readonly region: Region; readonly amis: readonly Ami[]}[],
  digest: string | undefined,
): readonly Copy[] {
  return all.flatMap(({region, amis}) => {
    const same = amis.filter(({Tags: tags = []}) =>
      tags.some(({Key: key, Value: value}) => key === 'fgimage_digest' && value === digest),
    );
    const ami = same.find(({State: state}) => state === 'available') ?? same.at(0);
    return ami === undefined ? [] : [{region, ami}];
  });
}

export function copyBelongings(copies: readonly Copy[]): RemoteProperties {
  return Object.fromEntries(
    copies.flatMap(({region, ami}) => [
      [`ami:${region.name}`, ami.ImageId ?? ''],
      [`snapshots:${region.name}`, snapshotsOf(ami).join(' ')],
    ]),
  );
}

/** Copies an AMI to a region, or goes on waiting for the copy that is on its way. */
export async function copyTo(session: Session, ami: Ami, name: string): Promise<Copy> {
  const region = await session.region(name);
  const {home, request, register} = session;
  const source = ami.ImageId ?? '';
  const mine = await listAmis(region, [{Name: 'tag:fgimage_digest', Values: [request.mark.digest]}]);
  const found = copiesOf([{region, amis: mine}], request.mark.digest).at(0)?.ami;
  const isUsable = found?.State === 'available' || found?.State === 'pending';
  if (found !== undefined && !isUsable) await removeAmiById(region, found.ImageId ?? '', snapshotsOf(found));
  const id = isUsable ? found.ImageId : await copyImage(session, {region, source, failed: found?.ImageId});
  await home.call('CreateTags', ({sdk, client}, options) =>
    client.send(
      new sdk.CreateTagsCommand({Resources: [source], Tags: [{Key: copyTag + name, Value: id}]}),
      options,
    ),
  );
  const copy = await waitForAmi(region, id ?? '');
  if (register.tags !== undefined) {
    await region.call('CreateTags', ({sdk, client}, options) =>
      client.send(
        new sdk.CreateTagsCommand({Resources: [id ?? ''], Tags: ownTags(request.mark, register)}),
        options,
      ),
    );
  }
  return {region, ami: copy};
}

async function copyImage(
  {home, request, register, properties}: Session,
  {region, source, failed}: {region: Region; source: string; failed: string | undefined},
): Promise<string | undefined> {
  const tags = ownTags(request.mark, register);
  const {ImageId: id} = await region.call('CopyImage', ({sdk, client}, options) =>
    client.send(
      new sdk.CopyImageCommand({
        Name: request.name,
        Description: properties['description'],
        SourceImageId: source,
        SourceRegion: home.name,
        // The same call made again gives the same copy, but none that has failed.
        ClientToken: digestOf([source, region.name, failed ?? '']),
        ...(register.encrypted === true ? {Encrypted: true} : {}),
        TagSpecifications: [
          {ResourceType: 'image', Tags: tags},
          {ResourceType: 'snapshot', Tags: tags},
        ],
      }),
      options,
    ),
  );
  return id;
}

/** Waits until an AMI is available. Throws the service's reason where it never will be. */
export async function waitForAmi(
  region: Region,
  id: string,
  report: (message: string) => void = () => undefined,
): Promise<Ami> {
  return poll(region.signal, async () => {
    const ami = await readAmi(region, id);
    const state = ami?.State;
    // Just registered, it may not be known everywhere.
    if (ami === undefined || state === 'pending' || state === 'transient') {
      report(`${id} is ${state ?? 'not known yet'} in ${region.name}`);
      return undefined;
    }
    if (state === 'available') return ami;
    const {Code: code = '', Message: message = ''} = ami.StateReason ?? {};
    throw new FgError(
      'REMOTE_REFUSED',
      `${id} in ${region.name} is ${printable(state ?? 'unknown')}: ${printable(`${code} ${message}`.trim() || 'no reason is told')}`,
    );
  });
}

function digestOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 64);
}
