import {mkdirSync} from 'node:fs';
import {open, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {EBSClient, GetSnapshotBlockCommand, ListSnapshotBlocksCommand} from '@aws-sdk/client-ebs';
import {DescribeImagesCommand, DescribeSnapshotsCommand, EC2Client} from '@aws-sdk/client-ec2';
import {CreateBucketCommand, GetObjectCommand, S3Client} from '@aws-sdk/client-s3';
import {afterAll, beforeAll, describe, expect, inject, it, vi} from 'vitest';
import {ec2Region, only, openEc2Registrar, progress, sampleDisk, troubleOf} from './ec2-rig.ts';
import {motoRoot} from './moto-root.ts';
import {freePort, RealServer} from './remote-servers.ts';

/**
 * Wire format and signatures against moto, which somebody else has written. It takes what AWS does not (any block
 * size, any checksum, any snapshot) and forgets most of what an AMI is registered with: the strict stand-in is for that.
 */
const folder = join(inject('testRoot'), 'ec2-moto');
let moto: RealServer;

beforeAll(async () => {
  mkdirSync(folder);
  moto = new RealServer(await freePort(), join(folder, 'log'));
  const server = ['/usr/bin/python3', '-m', 'moto.server', '-H', '127.0.0.1', '-p', String(moto.port)];
  moto.spawn(['chroot', motoRoot(), ...server]);
  await moto.answers('/moto-api/');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAMOTO');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_ENDPOINT_URL', url());
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await moto[Symbol.asyncDispose]();
});

const url = (): string => `http://127.0.0.1:${moto.port}`;
const config = () => ({region: ec2Region, endpoint: url(), forcePathStyle: true});

describe('registration in EC2, at moto', () => {
  it('puts blocks that moto gives back, and notices what moto forgets of the AMI', async () => {
    const blocks = [0, 3, 31];
    const {digest, artifact, path} = sampleDisk(join(folder, 'disk'), 16 * 2 ** 20, blocks);
    const registrar = await openEc2Registrar({digest, folder});
    expect(await registrar.find()).toEqual([]);
    const told = progress();
    const trouble = await troubleOf(registrar.create(artifact, told));
    const [snapshotId = '', amiId = ''] = told.ids;
    expect(trouble).toContain(`REMOTE_REFUSED: EC2 took ${amiId}, but did not keep all of it: `);
    expect(trouble).toContain('boot-mode is nothing and not uefi-preferred; ');

    const ebs = new EBSClient(config());
    const listed = await ebs.send(new ListSnapshotBlocksCommand({SnapshotId: snapshotId}));
    // moto has texts where AWS has numbers.
    const indexes = (listed.Blocks ?? []).map(({BlockIndex: index}) => Number.parseInt(String(index), 10));
    expect(indexes.toSorted((a, b) => a - b)).toEqual(blocks);
    await using file = await open(path);
    for (const {BlockIndex: index = 0, BlockToken} of listed.Blocks ?? []) {
      const answer = await ebs.send(
        new GetSnapshotBlockCommand({SnapshotId: snapshotId, BlockIndex: index, BlockToken}),
      );
      const wanted = Buffer.alloc(524_288);
      await file.read(wanted, 0, wanted.length, Number.parseInt(String(index), 10) * wanted.length);
      expect(wanted.equals((await answer.BlockData?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
    }

    const ec2 = new EC2Client(config());
    const {Snapshots: snapshots = []} = await ec2.send(
      new DescribeSnapshotsCommand({SnapshotIds: [snapshotId]}),
    );
    expect(only(snapshots)).toMatchObject({State: 'completed', VolumeSize: 1});
    await registrar.remove({
      id: amiId,
      name: '',
      health: 'ready',
      status: '',
      properties: {},
      belongings: {snapshots: snapshotId},
    });
    expect((await ec2.send(new DescribeImagesCommand({Owners: ['self']}))).Images).toEqual([]);
    expect(await registrar.get(amiId)).toBeUndefined();
    expect(await registrar.get(snapshotId)).toBeUndefined();
  });

  it('uploads an object in parts, and says that moto has no ImportSnapshot', async () => {
    const {digest, artifact, path} = sampleDisk(join(folder, 'object'), 40 * 2 ** 20, [0, 70]);
    const s3 = new S3Client(config());
    const CreateBucketConfiguration = {LocationConstraint: ec2Region} as const;
    await s3.send(new CreateBucketCommand({Bucket: 'images', CreateBucketConfiguration}));
    const register = {method: 'import-snapshot', bucket: 'images', endpoints: {s3: url()}};
    const registrar = await openEc2Registrar({digest, folder, register});
    expect(await troubleOf(registrar.create(artifact, progress()))).toMatch(
      /^(unreachable|refused): .* answers ImportSnapshot with /,
    );
    const {Body: body} = await s3.send(
      new GetObjectCommand({Bucket: 'images', Key: `fgimage/${digest}.raw`}),
    );
    expect((await readFile(path)).equals((await body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
  });
});
