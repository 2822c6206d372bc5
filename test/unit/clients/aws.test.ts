import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {openEbs, openEc2, openS3} from '../../../src/clients/aws/clients.ts';
import {awsClientConfig} from '../../../src/clients/aws/config.ts';
import {type AwsCall, awsCall, awsCode, awsError, awsStatus} from '../../../src/clients/aws/errors.ts';
import {FgError} from '../../../src/errors.ts';
import {RemoteError} from '../../../src/http/error.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const call: AwsCall = {service: 'ec2', action: 'RegisterImage', endpoint: 'https://ec2.example.org'};

function answered(name: string, message: string, status = 400): Error {
  return Object.assign(new Error(message), {name, $metadata: {httpStatusCode: status}});
}

function worded(error: Error, more: Partial<AwsCall> = {}): string {
  const told = awsError(error, {...call, ...more});
  if (told instanceof FgError) return `${told.code}: ${told.message} | ${told.hint ?? ''}`;
  if (told instanceof RemoteError)
    return `${told.kind}${told.retriable ? '!' : ''}: ${told.message} | ${told.hint ?? ''}`;
  return 'as it was';
}

describe('awsError()', () => {
  it.each<[Error, string]>([
    [
      answered('InvalidParameterValue', 'Value (x)\n for parameter y\u001B[1m is invalid.'),
      'refused: https://ec2.example.org answers RegisterImage with InvalidParameterValue: Value (x) for parameter y is invalid. | ',
    ],
    [
      answered('RequestLimitExceeded', 'Request limit exceeded.', 503),
      'unreachable!: https://ec2.example.org answers RegisterImage with RequestLimitExceeded: Request limit exceeded. | Too many calls are made in this account and region: try again later.',
    ],
    [
      answered('InternalError', 'UnknownError', 500),
      'unreachable!: https://ec2.example.org answers RegisterImage with 500 InternalError | ',
    ],
    [
      Object.assign(new Error('The SSO session associated with this profile has expired.'), {
        name: 'CredentialsProviderError',
      }),
      'CREDENTIALS_MISSING: There are no credentials for https://ec2.example.org: The SSO session associated with this profile has expired. | Log in: aws sso login',
    ],
    [
      Object.assign(new Error('getaddrinfo ENOTFOUND ec2.example.org'), {code: 'ENOTFOUND'}),
      'unreachable: https://ec2.example.org cannot be reached: getaddrinfo ENOTFOUND ec2.example.org | Check the region and the endpoint.',
    ],
    [
      Object.assign(new Error('self-signed certificate'), {code: 'DEPTH_ZERO_SELF_SIGNED_CERT'}),
      'unreachable: https://ec2.example.org cannot be reached: self-signed certificate | Name a file with the certificate of its authority in AWS_CA_BUNDLE.',
    ],
    [
      Object.assign(
        new AggregateError([Object.assign(new Error('connect ECONNREFUSED ::1:9'), {code: 'ECONNREFUSED'})]),
        {},
      ),
      'unreachable!: https://ec2.example.org cannot be reached: connect ECONNREFUSED ::1:9 | ',
    ],
    [new TypeError('a defect'), 'as it was'],
    [new RemoteError('missing', 'own'), 'missing: own | '],
  ])('words %s', (error, told) => {
    expect(worded(error)).toBe(told);
  });

  it('names the profile to log in with', () => {
    const token = Object.assign(new Error('Token is expired.'), {name: 'TokenProviderError'});
    expect(worded(token, {profile: 'lab'})).toBe(
      'CREDENTIALS_MISSING: There are no credentials for https://ec2.example.org in the profile lab: Token is expired. | Log in: aws sso login --profile lab',
    );
  });

  it('keeps the code and the status of the service within reach', async () => {
    const failing = awsCall(call, new AbortController().signal, () =>
      Promise.reject(answered('InvalidAMIName.Duplicate', 'in use', 409)),
    );
    const error: unknown = await failing.catch((one: unknown) => one);
    expect([awsCode(error), awsStatus(error)]).toEqual(['InvalidAMIName.Duplicate', 409]);
    expect([awsCode(new Error('other')), awsStatus(undefined)]).toEqual([undefined, undefined]);
  });

  it('is the reason of the signal where that has ended the call', async () => {
    const aborted = AbortSignal.abort(new Error('cancelled'));
    await expect(awsCall(call, aborted, () => Promise.resolve(1))).rejects.toThrow('cancelled');
  });
});

describe('clients', () => {
  beforeEach(() => {
    for (const name of ['AWS_REGION', 'AWS_PROFILE', 'AWS_ENDPOINT_URL']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nonexistent');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('say where their calls go to, before any is made', async () => {
    const access = {region: 'eu-central-1'};
    expect((await openEc2(access, 'This')).endpoint).toBe('https://ec2.eu-central-1.amazonaws.com');
    expect((await openEbs(access, 'This')).endpoint).toBe('https://ebs.eu-central-1.amazonaws.com');
    expect((await openS3(access, 'This')).endpoint).toBe('https://s3.eu-central-1.amazonaws.com');
    vi.stubEnv('AWS_ENDPOINT_URL_EC2', 'http://127.0.0.1:8773/services/compute/');
    expect((await openEc2(access, 'This')).endpoint).toBe('http://127.0.0.1:8773/services/compute');
    const endpoint = 'https://s3.site.example.org:8443/services/objectstorage';
    expect((await openS3({...access, endpoint, forcePathStyle: true}, 'This')).endpoint).toBe(endpoint);
  });

  it('take the region of a profile of the shared config', async () => {
    using folder = new TemporaryFolder({config: '[profile lab]\nregion = us-west-2\n'});
    vi.stubEnv('AWS_CONFIG_FILE', folder.join('config'));
    const {endpoint} = await openEc2({profile: 'lab'}, 'This');
    expect(endpoint).toBe('https://ec2.us-west-2.amazonaws.com');
  });

  it('say what they cannot tell the place from', async () => {
    await expect(openEc2({}, 'This')).rejects.toMatchObject({
      code: 'USAGE',
      message: 'Nothing says which AWS region',
    });
    await expect(openEc2({region: 'no region'}, 'This')).rejects.toMatchObject({code: 'USAGE'});
    expect(() => awsClientConfig({}, {AWS_CA_BUNDLE: '/nonexistent.pem'})).toThrow(
      'Cannot read /nonexistent.pem, the certificates that $AWS_CA_BUNDLE names',
    );
  });
});
