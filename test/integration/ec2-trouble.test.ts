import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {Refusal} from './aws-peer/model.ts';
import {AwsPeer} from './aws-peer/peer.ts';
import {peerCredentials} from './aws-peer/signature.ts';
import {ec2Region, progress, troubleOf} from './ec2-rig.ts';
import {Ec2Site, type Register} from './ec2-site.ts';
import {motoRoot} from './moto-root.ts';

let site: Ec2Site;

beforeEach(async () => {
  site = await Ec2Site.start();
});

afterEach(async () => {
  await site[Symbol.asyncDispose]();
});

describe('what registration in EC2 says of trouble', () => {
  const digest = 'a'.repeat(64);
  const secret = peerCredentials.AWS_SECRET_ACCESS_KEY;
  const find = async (register: Register = {}): Promise<string> => {
    const text = await troubleOf(site.open(digest, register).then((registrar) => registrar.find()));
    expect(text).not.toContain(secret);
    return text;
  };

  it('names what is wrong with credentials', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'another/secret');
    expect(await find()).toBe(
      `refused: ${site.peer.url} answers DescribeImages with SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. | ` +
        'Check the secret access key that belongs to the access key.',
    );
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOTHER');
    expect(await find()).toBe(
      `refused: ${site.peer.url} answers DescribeImages with AuthFailure: AWS was not able to validate the provided access credentials | ` +
        'Check the access key: whether it is of this service and account, and not disabled.',
    );
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', '');
    expect(await find()).toBe(
      `CREDENTIALS_MISSING: There are no credentials for ${site.peer.url}: Could not load credentials from any providers | ` +
        'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login.',
    );
    expect(await find({profile: 'gone'})).toBe(
      `CREDENTIALS_MISSING: There are no credentials for ${site.peer.url} in the profile gone: Could not load credentials from any providers | ` +
        'Check that the profile is in ~/.aws/config or ~/.aws/credentials, or log in with aws sso login.',
    );
  });

  it.each([
    [
      new Refusal('ExpiredToken', 'The provided token has expired.'),
      'ExpiredToken: The provided token has expired. | Get new credentials: aws sso login, or a new session token.',
    ],
    [
      new Refusal(
        'UnauthorizedOperation',
        `You are not authorized to perform this operation. Encoded authorization failure message: ${'x'.repeat(900)}`,
        403,
      ),
      'UnauthorizedOperation: You are not authorized to perform this operation. | Allow these credentials the action ec2:DescribeImages.',
    ],
    [
      new Refusal('OptInRequired', 'You are not subscribed to this service.', 403),
      'OptInRequired: You are not subscribed to this service. | Enable the region, or the service, for this account.',
    ],
    [
      new Refusal('RequestExpired', 'Request has expired.\n\u001B[31mred'),
      "RequestExpired: Request has expired. red | Set this host's clock: signatures are good for minutes.",
    ],
  ])('words what EC2 answers: $code', async (refusal, told) => {
    site.peer.faults.refuse.set('DescribeImages', refusal);
    expect(await find()).toBe(`refused: ${site.peer.url} answers DescribeImages with ${told}`);
  });

  it('names what a region does not have, and what is too much for an account', async () => {
    const disk = site.disk();
    site.peer.faults.volumeTypes = ['standard'];
    const create = async (): Promise<string> =>
      troubleOf((await site.open(disk.digest)).create(disk.artifact, progress()));
    expect(await create()).toBe(
      `refused: ${site.peer.url} answers RegisterImage with UnknownVolumeType: Unsupported volume type 'gp3' for volume creation in ${ec2Region}. | ` +
        'Name a type that the region has with register.volume_type.',
    );
    site.peer.faults.refuse.set(
      'StartSnapshot',
      new Refusal('ServiceQuotaExceededException', 'You have 100000 snapshots', 402),
    );
    expect(await create()).toBe(
      `refused: ${site.peer.url} answers StartSnapshot with ServiceQuotaExceededException: You have 100000 snapshots | ` +
        'Ask for a higher quota, or remove what is not needed there.',
    );
    site.peer.faults.refuse.set(
      'StartSnapshot',
      new Refusal('AccessDeniedException', 'User is not authorized', 403),
    );
    expect(await create()).toBe(
      `refused: ${site.peer.url} answers StartSnapshot with AccessDeniedException: User is not authorized | ` +
        'Allow these credentials the action ebs:StartSnapshot.',
    );
    const importing = await site.open(disk.digest, {
      method: 'import-snapshot',
      bucket: 'nowhere',
      endpoints: {s3: site.peer.url},
    });
    expect(await troubleOf(importing.create(disk.artifact, progress()))).toBe(
      `refused: ${site.peer.url} answers ListBucketMultipartUploads with NoSuchBucket: The specified bucket does not exist | `,
    );
  });

  it('names an endpoint that nobody answers at, and a region that is none', async () => {
    const gone = await AwsPeer.start(motoRoot(), join(site.folder, 'peer'));
    const {url} = gone;
    await gone[Symbol.asyncDispose]();
    expect(await find({endpoints: {ec2: url}})).toBe(
      `unreachable: ${url} cannot be reached: connect ECONNREFUSED ${url.slice('http://'.length)} | `,
    );
    vi.stubEnv('AWS_REGION', undefined);
    expect(await find({region: undefined})).toBe(
      'USAGE: Nothing says which AWS region | Name it as register.region, in AWS_REGION, or in the profile.',
    );
    expect(await troubleOf(site.open(digest, {}, {name: 'a+b'}))).toBe(
      'USAGE: The name of an AMI cannot have "+" in it: a+b | Change targets.ec2.register.name',
    );
  });
});
