import type {Image as Ami, LaunchPermission} from '@aws-sdk/client-ec2';
import type {PropertyChange, RemoteProperties} from '../registrar.ts';
import {snapshotsOf} from './describe.ts';
import {
  launchPermissions,
  permissionName,
  permissionText,
  snapshotPermissions,
  wantedPermissions,
} from './properties.ts';
import type {Region} from './region.ts';
import type {Ec2RegisterOptions} from './schema.ts';

/** Who may launch an AMI, and use its snapshots, as far as `wanted` says that it matters. */
export async function permissionsOf(
  region: Region,
  ami: Ami,
  wanted: RemoteProperties,
): Promise<RemoteProperties> {
  const [launch, volume] = await Promise.all([
    launchPermissions in wanted ? readLaunchPermissions(region, ami) : undefined,
    snapshotPermissions in wanted ? readSnapshotPermissions(region, ami) : undefined,
  ]);
  return {
    ...(launch === undefined ? {} : {[launchPermissions]: permissionText(launch)}),
    ...(volume === undefined ? {} : {[snapshotPermissions]: permissionText(volume)}),
  };
}

/** Makes the permissions of an AMI or its snapshots those of the options: what is missing is added, what is not named goes. */
export async function setPermissions(
  region: Region,
  {ami, change, register}: {ami: Ami; change: PropertyChange['name']; register: Ec2RegisterOptions},
): Promise<void> {
  if (change === launchPermissions) {
    const changes = difference(await readLaunchPermissions(region, ami), wantedPermissions(register));
    if (changes === undefined) return;
    await region.call('ModifyImageAttribute', ({sdk, client}, options) =>
      client.send(
        new sdk.ModifyImageAttributeCommand({ImageId: ami.ImageId, LaunchPermission: changes}),
        options,
      ),
    );
    return;
  }
  const users = wantedPermissions(register).filter(({UserId: user}) => user !== undefined);
  for (const snapshotId of snapshotsOf(ami)) {
    const changes = difference(await readVolumePermissions(region, snapshotId), users);
    if (changes === undefined) continue;
    await region.call('ModifySnapshotAttribute', ({sdk, client}, options) =>
      client.send(
        new sdk.ModifySnapshotAttributeCommand({
          SnapshotId: snapshotId,
          Attribute: 'createVolumePermission',
          CreateVolumePermission: changes,
        }),
        options,
      ),
    );
  }
}

function difference(
  found: readonly LaunchPermission[],
  wanted: readonly LaunchPermission[],
): {Add?: LaunchPermission[]; Remove?: LaunchPermission[]} | undefined {
  const without = (
    from: readonly LaunchPermission[],
    what: readonly LaunchPermission[],
  ): LaunchPermission[] => {
    const names = new Set(what.map(permissionName));
    return from.filter((one) => !names.has(permissionName(one)));
  };
  const [add, remove] = [without(wanted, found), without(found, wanted)];
  if (add.length + remove.length === 0) return undefined;
  return {...(add.length === 0 ? {} : {Add: add}), ...(remove.length === 0 ? {} : {Remove: remove})};
}

async function readLaunchPermissions(region: Region, {ImageId}: Ami): Promise<readonly LaunchPermission[]> {
  const {LaunchPermissions: found = []} = await region.call(
    'DescribeImageAttribute',
    ({sdk, client}, options) =>
      client.send(new sdk.DescribeImageAttributeCommand({ImageId, Attribute: 'launchPermission'}), options),
  );
  return found;
}

async function readSnapshotPermissions(region: Region, ami: Ami): Promise<readonly LaunchPermission[]> {
  const all = await Promise.all(snapshotsOf(ami).map((id) => readVolumePermissions(region, id)));
  return all.flat();
}

async function readVolumePermissions(
  region: Region,
  SnapshotId: string,
): Promise<readonly LaunchPermission[]> {
  const {CreateVolumePermissions: found = []} = await region.call(
    'DescribeSnapshotAttribute',
    ({sdk, client}, options) =>
      client.send(
        new sdk.DescribeSnapshotAttributeCommand({SnapshotId, Attribute: 'createVolumePermission'}),
        options,
      ),
  );
  return found;
}
