import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {compiled} from '../rig/compiled.ts';
import {until} from '../rig/until.ts';
import {Refusal} from './aws-peer/model.ts';
import {
  countOf,
  digestOfFile,
  ec2Region,
  lineage,
  only,
  progress,
  troubleOf,
  writeSparse,
} from './ec2-rig.ts';
import {Ec2Site, mebibyte} from './ec2-site.ts';

const gibibyte = 2 ** 30;
let site: Ec2Site;

beforeEach(async () => {
  site = await Ec2Site.start();
});

afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

describe('registration in EC2, at a strict stand-in', () => {
  it('uploads the blocks with data, registers the AMI, and finds it again in one call', async () => {
    const disk = site.disk(gibibyte + 3 * 524_288, [0, 1, 7, 100, 2047, 2049]);
    const {digest, artifact} = disk;
    site.peer.faults.pendingPolls = 1;
    const options = {tags: {Team: 'web'}, description: 'A web server', timeout: '90m'};
    const registrar = await site.open(digest, options);
    expect(await registrar.find()).toEqual([]);
    site.peer.takeCalls();
    const told = progress();
    const made = await registrar.create(artifact, told);
    expect([...new Set(site.peer.takeCalls())]).toEqual([
      'ebs:StartSnapshot',
      'ebs:PutSnapshotBlock',
      'ebs:CompleteSnapshot',
      'ec2:DescribeSnapshots',
      'ec2:RegisterImage',
      'ec2:DescribeImages',
    ]);
    const snapshot = only(site.peer.state.snapshots.values());
    expect(snapshot).toMatchObject({sizeGib: 2, state: 'completed', encrypted: false, timeoutMinutes: 90});
    expect(snapshot.blocks.size).toBe(6);
    expect(digestOfFile(snapshot.path, artifact.virtualSizeBytes)).toBe(digest);
    expect(Object.fromEntries(snapshot.tags)).toEqual({
      Team: 'web',
      fgimage_digest: digest,
      fgimage_lineage: lineage,
    });
    expect(made).toMatchObject({
      id: only(site.peer.state.images.keys()),
      name: `web-${digest.slice(0, 12)}`,
      health: 'ready',
      status: 'available',
      mark: {digest, lineage},
      deprecated: false,
      belongings: {snapshots: snapshot.id},
    });
    expect(made.properties).toEqual({
      architecture: 'x86_64',
      'boot-mode': 'uefi-preferred',
      description: 'A web server',
      'ena-support': 'true',
      'imds-support': 'v2.0',
      'root-device-name': '/dev/xvda',
      'tag:Team': 'web',
      'virtualization-type': 'hvm',
      'volume-type': 'gp3',
    });
    expect(told.ids).toEqual([snapshot.id, made.id]);
    expect(readdirSync(join(site.folder, 'ec2-uploads'))).toEqual([]);

    const second = await site.open(digest, options);
    expect(second.properties).toEqual(made.properties);
    const found = only(await second.find());
    expect(found).toEqual(made);
    expect(site.peer.takeCalls()).toEqual(['ec2:DescribeImages']);
    await second.remove(found);
    expect(site.left()).toBe(0);
    await second.remove(found);
  });

  it('goes on with what a killed process has left, and puts no block twice that is noted', async () => {
    const blocks = Array.from({length: 160}, (_, index) => index * 3);
    const {digest, artifact} = site.disk(256 * mebibyte, blocks);
    const child = spawn(
      process.execPath,
      [compiled('test/integration/ec2-child.js'), artifact.folder, digest, site.folder],
      {
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    const ended = once(child, 'exit');
    await until(() => countOf(site.peer.calls, 'ebs:PutSnapshotBlock') >= 70);
    child.kill('SIGKILL');
    await ended;
    const snapshot = only(site.peer.state.snapshots.values());
    const registrar = await site.open(digest);
    const unfinished = only(await registrar.find());
    expect(unfinished).toMatchObject({
      id: snapshot.id,
      health: 'pending',
      status: 'pending',
      mark: {digest, lineage},
    });
    const before = countOf(site.peer.takeCalls(), 'ebs:PutSnapshotBlock');
    await registrar.create(artifact, progress(), unfinished);
    expect(only(site.peer.state.snapshots.keys())).toBe(snapshot.id);
    expect(digestOfFile(snapshot.path, artifact.virtualSizeBytes)).toBe(digest);
    const after = countOf(site.peer.takeCalls(), 'ebs:PutSnapshotBlock');
    // What was on its way when the process died is not noted: 32 blocks at most.
    expect(before + after).toBeGreaterThanOrEqual(160);
    expect(before + after).toBeLessThanOrEqual(160 + 32);
  });

  it('registers the snapshot that was completed when the process died', async () => {
    const {digest, artifact} = site.disk();
    site.peer.faults.refuse.set(
      'RegisterImage',
      new Refusal('InternalError', 'An internal error has occurred', 500),
    );
    const failing = (await site.open(digest)).create(artifact, progress());
    expect(await troubleOf(failing)).toBe(
      `unreachable: ${site.peer.url} answers RegisterImage with InternalError: An internal error has occurred | `,
    );
    site.peer.faults.refuse.clear();
    site.peer.takeCalls();
    const registrar = await site.open(digest);
    const unfinished = only(await registrar.find());
    const made = await registrar.create(artifact, progress(), unfinished);
    expect(made.belongings).toEqual({snapshots: unfinished.id});
    expect(site.peer.takeCalls().filter((call) => call.startsWith('ebs:'))).toEqual([]);
  });

  it('waits for a snapshot that was completed but is pending, and begins anew where it fails', async () => {
    const {digest, artifact} = site.disk();
    site.peer.faults.pendingPolls = Number.POSITIVE_INFINITY;
    const stop = new AbortController();
    const told = progress();
    const creating = (await site.open(digest, {}, {signal: stop.signal})).create(artifact, {
      begun: told.begun,
      report: (message) => {
        if (message.includes('is pending, 42%')) stop.abort(new Error('stopped by the test'));
      },
    });
    await expect(creating).rejects.toThrow('stopped by the test');
    site.peer.takeCalls();
    const snapshot = only(site.peer.state.snapshots.values());
    snapshot.pollsLeft = 2;
    const registrar = await site.open(digest);
    expect(await registrar.get(snapshot.id)).toMatchObject({health: 'pending', status: 'pending'});
    const unfinished = only(await registrar.find());
    site.peer.faults.pendingPolls = 0;
    await registrar.create(artifact, progress(), unfinished);
    expect(site.peer.takeCalls().filter((call) => call.startsWith('ebs:'))).toEqual([]);
    expect(only(site.peer.state.snapshots.keys())).toBe(snapshot.id);
  });

  it('takes an unfinished snapshot away that takes no blocks, and starts another', async () => {
    const {digest, artifact} = site.disk();
    site.peer.faults.refuse.set('CompleteSnapshot', new Refusal('InternalServerException', 'Try again', 500));
    expect(await troubleOf((await site.open(digest)).create(artifact, progress()))).toContain('Try again');
    site.peer.faults.refuse.clear();
    const first = only(site.peer.state.snapshots.values());
    // Completed by another host, which has the notes.
    first.state = 'pending';
    first.pollsLeft = Number.POSITIVE_INFINITY;
    const registrar = await site.open(digest);
    await registrar.create(artifact, progress(), only(await registrar.find()));
    expect(only(site.peer.state.snapshots.keys())).not.toBe(first.id);
  });

  it('is throttled, unknown at first, and loses an answer: one AMI comes of it', async () => {
    const blocks = Array.from({length: 40}, (_, index) => index);
    const disk = site.disk(32 * mebibyte, blocks);
    site.peer.faults.throttleEvery = 4;
    site.peer.faults.unknownPuts = 5;
    site.peer.faults.loseAnswer.add('RegisterImage');
    const {id} = await site.registered(disk);
    expect(only(site.peer.state.images.keys())).toBe(id);
    const calls = site.peer.takeCalls();
    expect(calls).toContain('ebs:PutSnapshotBlock RequestThrottledException');
    expect(calls).toContain('ebs:PutSnapshotBlock ResourceNotFoundException');
    expect(calls).toContain('ec2:RegisterImage InvalidAMIName.Duplicate');
    expect(digestOfFile(only(site.peer.state.snapshots.values()).path, 32 * mebibyte)).toBe(disk.digest);
  });

  it('leaves an AMI alone that has the name and is not of this lineage', async () => {
    const disk = site.disk();
    const {id} = await site.registered(disk);
    const theirs = only(site.peer.state.images.values());
    theirs.tags.clear();
    const registrar = await site.open('f'.repeat(64), {}, {name: theirs.name});
    expect(await registrar.find()).toMatchObject([{id, name: theirs.name, health: 'ready'}]);
    expect((await registrar.find())[0]?.mark).toBeUndefined();
    expect(await troubleOf(registrar.create(disk.artifact, progress()))).toBe(
      `NAME_TAKEN: ${ec2Region} has an AMI with the name ${theirs.name} already: ${id}, which fgimage did not register | ` +
        'Choose another name with targets.ec2.register.name, with {digest} in it',
    );
    expect(site.peer.state.images.has(id)).toBe(true);
  });

  it('ends with its signal while an AMI stays pending, and the rest can be taken away', async () => {
    const {digest, artifact} = site.disk();
    const stop = new AbortController();
    const told = progress();
    const creating = (await site.open(digest, {}, {signal: stop.signal})).create(artifact, {
      begun: (id) => {
        told.begun(id);
        site.peer.faults.pendingPolls = Number.POSITIVE_INFINITY;
      },
      report: (message) => {
        if (/^ami-\w+ is pending/.test(message)) stop.abort(new Error('the time is over'));
      },
    });
    await until(() => told.ids.length === 1);
    only(site.peer.state.snapshots.values()).pollsLeft = 0;
    await expect(creating).rejects.toThrow('the time is over');
    const registrar = await site.open(digest);
    const rest = await registrar.get(told.ids.at(-1) ?? '');
    expect(rest).toMatchObject({health: 'pending', status: 'pending'});
    if (rest !== undefined) await registrar.remove(rest);
    expect(site.left()).toBe(0);
    expect(await registrar.get(told.ids.at(-1) ?? '')).toBeUndefined();
  });

  it('keeps below 300 MB of memory with a disk of 4 GiB', async () => {
    const blocks = Array.from({length: 400}, (_, index) => index * 20);
    const disk = join(site.folder, 'disk');
    writeSparse(disk, 4 * gibibyte, blocks);
    // Whoever made it knows its digest; nobody hashes the whole again.
    const args = [compiled('test/integration/ec2-child.js'), disk, 'd'.repeat(64), site.folder];
    const {stdout} = await promisify(execFile)(process.execPath, args);
    const [id, maxRssKib] = stdout.trim().split(' ');
    expect(site.peer.state.images.has(id ?? '')).toBe(true);
    expect(only(site.peer.state.snapshots.values()).blocks.size).toBe(400);
    expect(Number(maxRssKib)).toBeLessThan(300 * 1000);
  });
});
