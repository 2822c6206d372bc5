import {awsCode} from '../../src/clients/aws/errors.ts';
import {isGone, readAmi, snapshotsOf} from './describe.ts';
import {pause, type Region} from './region.ts';

/** `known`: its snapshots as they are remembered; those that it names itself go too. */
export async function removeAmiById(
  region: Region,
  imageId: string,
  known: readonly string[] = [],
): Promise<void> {
  const ami = await readAmi(region, imageId);
  const snapshots = new Set([...known, ...(ami === undefined ? [] : snapshotsOf(ami))]);
  await unlessGone(() =>
    region.call('DeregisterImage', ({sdk, client}, options) =>
      client.send(new sdk.DeregisterImageCommand({ImageId: imageId}), options),
    ),
  );
  for (const snapshot of snapshots) await removeSnapshot(region, snapshot);
}

/** Between tries to delete the snapshot of an AMI that was deregistered a moment ago. */
const stillInUseMs = [1000, 2000, 4000, 8000, 15_000];

export async function removeSnapshot(region: Region, snapshotId: string): Promise<void> {
  for (const pauseMs of [...stillInUseMs, undefined]) {
    try {
      await unlessGone(() =>
        region.call('DeleteSnapshot', ({sdk, client}, options) =>
          client.send(new sdk.DeleteSnapshotCommand({SnapshotId: snapshotId}), options),
        ),
      );
      return;
    } catch (error) {
      if (pauseMs === undefined || awsCode(error) !== 'InvalidSnapshot.InUse') throw error;
      await pause(pauseMs, region.signal);
    }
  }
}

async function unlessGone(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}
