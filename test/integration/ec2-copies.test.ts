import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {countOf, digestOfFile, ec2Region, only, progress, troubleOf} from './ec2-rig.ts';
import {Ec2Site, mebibyte} from './ec2-site.ts';

const other = 'us-west-2';
const accounts = ['222233334444', '333344445555'] as const;
let site: Ec2Site;

beforeEach(async () => {
  site = await Ec2Site.start();
});

afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

describe('registration in EC2: copies, permissions, and the way by S3', () => {
  it('copies to another region, shares with accounts, changes that in place, deprecates, and takes all away', async () => {
    const disk = site.disk();
    const organization = 'arn:aws:organizations::111122223333:organization/o-abcdef';
    const first = {
      regions: [other],
      launch_permissions: {users: [accounts[0]], organizations: [organization]},
    };
    site.peer.faults.pendingPolls = 1;
    const made = await site.registered(disk, first);
    const copy = only([...site.peer.state.images.values()].filter(({region}) => region === other));
    expect(made.properties).toMatchObject({
      'launch-permissions': `${accounts[0]} ${organization}`,
      'snapshot-permissions': accounts[0],
      'us-west-2/state': 'available',
      'us-west-2/launch-permissions': `${accounts[0]} ${organization}`,
      'us-west-2/snapshot-permissions': accounts[0],
    });
    expect(made.belongings).toMatchObject({[`ami:${other}`]: copy.id});
    expect(copy.permissions).toEqual([{OrganizationArn: organization}, {UserId: accounts[0]}].toReversed());
    expect(copy.tags.get('fgimage_digest')).toBe(disk.digest);
    expect(
      digestOfFile(site.peer.state.snapshot(copy.mappings[0]?.snapshotId ?? '', other).path, 16 * mebibyte),
    ).toBe(disk.digest);

    const again = await site.open(disk.digest, first);
    expect(only(await again.find()).properties).toEqual(again.properties);

    const second = {
      ...first,
      launch_permissions: {users: [accounts[1]]},
      description: 'Now with a text',
      tags: {'our/Team': 'web'},
    };
    const changed = await site.open(disk.digest, second);
    const found = only(await changed.find());
    const updated = await changed.update(found, [
      {name: 'description', to: 'Now with a text'},
      {name: 'tag:our/Team', to: 'web'},
      {name: 'launch-permissions', from: 'x', to: accounts[1]},
    ]);
    expect(updated.id).toBe(made.id);
    expect(updated.properties).toEqual(changed.properties);
    expect(site.peer.state.image(copy.id, other)).toMatchObject({
      description: 'Now with a text',
      permissions: [{UserId: accounts[1]}],
    });
    expect(site.peer.state.image(copy.id, other).tags.get('our/Team')).toBe('web');

    const third = await site.open(disk.digest, {launch_permissions: {}});
    const alone = only(await third.find());
    expect(alone.properties[`${other}/state`]).toBe('available');
    const settled = await third.update(alone, [
      {name: `${other}/state`, from: 'available'},
      {name: 'launch-permissions', from: accounts[1], to: 'nobody'},
    ]);
    expect(settled.properties).toEqual({...third.properties, description: undefined});
    expect(
      [...site.peer.state.images.values()].map(({region, permissions}) => ({region, permissions})),
    ).toEqual([{region: ec2Region, permissions: []}]);

    await third.deprecate?.(settled);
    expect(only(await third.find()).deprecated).toBe(true);
    await third.remove(settled);
    expect(site.left()).toBe(0);
  });

  it('copies again where a copy has failed, and says why where it fails again', async () => {
    const disk = site.disk();
    site.peer.faults.copyFails = 'The KMS key is disabled';
    const registrar = await site.open(disk.digest, {regions: [other]});
    expect(await troubleOf(registrar.create(disk.artifact, progress()))).toMatch(
      /^REMOTE_REFUSED: ami-\w+ in us-west-2 is failed: Client.Failure The KMS key is disabled \| $/,
    );
    delete site.peer.faults.copyFails;
    const found = only(await registrar.find());
    expect(found.properties).toMatchObject({[`${other}/state`]: 'failed'});
    const updated = await registrar.update(found, [
      {name: `${other}/state`, from: 'failed', to: 'available'},
    ]);
    expect(updated.properties).toEqual(registrar.properties);
    expect(site.peer.state.images.size).toBe(2);
    await registrar.remove(updated);
    expect(site.left()).toBe(0);
  });

  it('encrypts, and says what an AMI was registered with that cannot be changed', async () => {
    const disk = site.disk();
    const key = 'arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d';
    const made = await site.registered(disk, {
      encrypted: true,
      kms_key_id: key,
      volume_type: 'io2',
      iops: 4000,
    });
    expect(only(site.peer.state.snapshots.values())).toMatchObject({encrypted: true, kmsKey: key});
    expect(made.properties).toMatchObject({encrypted: 'true', iops: '4000', 'volume-type': 'io2'});
    const registrar = await site.open(disk.digest, {encrypted: true, boot_mode: 'uefi', tpm: true});
    const changes = [
      {name: 'boot-mode', from: 'uefi-preferred', to: 'uefi'},
      {name: 'tpm-support', to: 'v2.0'},
    ];
    expect(await troubleOf(registrar.update(made, changes))).toBe(
      `REMOTE_REFUSED: EC2 cannot change boot-mode from uefi-preferred to uefi, tpm-support from nothing to v2.0 of an AMI: ${made.id} has to be registered anew | ` +
        'Run "fgimage deregister web ec2", and register it again',
    );
  });

  it('goes by way of S3 and ImportSnapshot, and leaves no object there', async () => {
    const disk = site.disk(40 * mebibyte, [0, 3, 40, 79]);
    site.peer.state.buckets.set('images', new Map());
    site.peer.s3.uploads.set('old', {bucket: 'images', key: `fgimage/${disk.digest}.raw`, parts: new Map()});
    site.peer.faults.pendingPolls = 2;
    const options = {method: 'import-snapshot', bucket: 'images', endpoints: {s3: site.peer.url}};
    const made = await site.registered(disk, options);
    const snapshot = only(site.peer.state.snapshots.values());
    expect(digestOfFile(snapshot.path)).toBe(disk.digest);
    expect(snapshot.tags.get('fgimage_digest')).toBe(disk.digest);
    expect(site.peer.state.buckets.get('images')?.size).toBe(0);
    expect(site.peer.s3.uploads.size).toBe(0);
    const calls = site.peer.takeCalls();
    expect(countOf(calls, 's3:UploadPart')).toBe(3);
    const again = await site.open(disk.digest, options);
    expect(only(await again.find())).toEqual(made);
    expect(site.peer.takeCalls()).toEqual(['ec2:DescribeImages']);
    await again.remove(made);
    expect(site.left()).toBe(0);
  });

  it('goes on with an import that was left, and tells why one failed', async () => {
    const disk = site.disk(12 * mebibyte, [0]);
    site.peer.state.buckets.set('images', new Map());
    const options = {method: 'import-snapshot', bucket: 'images', endpoints: {s3: site.peer.url}};
    site.peer.faults.pendingPolls = Number.POSITIVE_INFINITY;
    const stop = new AbortController();
    const creating = (await site.open(disk.digest, options, {signal: stop.signal})).create(disk.artifact, {
      begun: () => undefined,
      report: (message) => {
        if (/^import-snap-\w+ is pending, 19 %$/.test(message)) stop.abort(new Error('stopped by the test'));
      },
    });
    await expect(creating).rejects.toThrow('stopped by the test');
    const task = only(site.peer.state.imports.values());
    task.pollsLeft = 0;
    site.peer.faults.pendingPolls = 0;
    site.peer.takeCalls();
    const registrar = await site.open(disk.digest, options);
    // Asking for it is what brings it to its end here.
    const unfinished = only(await registrar.find());
    expect(unfinished).toMatchObject({id: task.id, health: 'pending', status: 'completed'});
    const made = await registrar.create(disk.artifact, progress(), unfinished);
    expect(
      site.peer.takeCalls().filter((call) => call.includes('Upload') || call === 'ec2:ImportSnapshot'),
    ).toEqual([]);
    await registrar.remove(made);
    expect(site.left()).toBe(0);

    site.peer.faults.importFails = 'ClientError: Disk validation failed [no partition]';
    const told = progress();
    expect(await troubleOf(registrar.create(disk.artifact, told))).toBe(
      `REMOTE_REFUSED: EC2 gave up ${told.ids[0] ?? ''}: ClientError: Disk validation failed [no partition] | ` +
        'Check that the role of VM Import/Export (register.role_name, vmimport) may read the bucket.',
    );
    const rest = await registrar.get(told.ids[0] ?? '');
    expect(rest).toMatchObject({
      health: 'broken',
      reason: 'ClientError: Disk validation failed [no partition]',
    });
    if (rest !== undefined) await registrar.remove(rest);
    expect(site.left()).toBe(0);
  });
});
