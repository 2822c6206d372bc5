import type {Image as Ami, Filter, Snapshot} from '@aws-sdk/client-ec2';
import {awsCode} from '../../src/clients/aws/errors.ts';
import type {Region} from './region.ts';

/** What EC2 says of AMIs and snapshots, and which of its answers mean that there is none. */

export async function readAmi(region: Region, id: string): Promise<Ami | undefined> {
  try {
    const amis = await listAmis(region, [{Name: 'image-id', Values: [id]}]);
    return amis.at(0);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

export async function listAmis(region: Region, filters: readonly Filter[]): Promise<readonly Ami[]> {
  const {Images: amis = []} = await region.call('DescribeImages', ({sdk, client}, options) =>
    client.send(
      new sdk.DescribeImagesCommand({
        Owners: ['self'],
        IncludeDeprecated: true,
        IncludeDisabled: true,
        Filters: [...filters],
      }),
      options,
    ),
  );
  // One that was deregistered is told for a while.
  return amis.filter(({State: state}) => state !== 'deregistered');
}

export async function readSnapshot(region: Region, id: string): Promise<Snapshot | undefined> {
  try {
    const {Snapshots: snapshots = []} = await region.call('DescribeSnapshots', ({sdk, client}, options) =>
      client.send(new sdk.DescribeSnapshotsCommand({SnapshotIds: [id]}), options),
    );
    return snapshots.at(0);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Whether an AMI, a snapshot or a task is not there, by the service's own word. */
export function isGone(error: unknown): boolean {
  return /^(InvalidAMIID\.(NotFound|Unavailable)|InvalidSnapshot\.NotFound|InvalidConversionTaskId(\.\w+)?)$/.test(
    awsCode(error) ?? '',
  );
}

/** The snapshots of an AMI's disks. */
export function snapshotsOf(ami: Ami): readonly string[] {
  return (ami.BlockDeviceMappings ?? []).flatMap(({Ebs: ebs}) => ebs?.SnapshotId ?? []);
}
