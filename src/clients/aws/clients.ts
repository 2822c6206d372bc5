import type {EBSClient} from '@aws-sdk/client-ebs';
import type {EC2Client} from '@aws-sdk/client-ec2';
import type {S3Client} from '@aws-sdk/client-s3';
import {FgError} from '../../errors.ts';
import {RemoteError} from '../../http/error.ts';
import {type AwsAccess, awsClientConfig} from './config.ts';
import {placeError} from './errors.ts';
import {type AwsSdk, type AwsService, loadAwsSdk} from './sdk.ts';

/** A service's SDK with a client of it, and where its calls go to. */
export interface Ec2 {
  readonly sdk: AwsSdk<'ec2'>;
  readonly client: EC2Client;
  readonly endpoint: string;
}

export interface Ebs {
  readonly sdk: AwsSdk<'ebs'>;
  readonly client: EBSClient;
  readonly endpoint: string;
}

export interface S3 {
  readonly sdk: AwsSdk<'s3'>;
  readonly client: S3Client;
  readonly endpoint: string;
}

/** Opens clients. Nobody is asked yet, but files of the shared config are read. `purpose`: see `loadAwsSdk`. */
export async function openEc2(access: AwsAccess, purpose: string): Promise<Ec2> {
  const sdk = await load('ec2', purpose);
  const config = awsClientConfig(access);
  const endpoint = await endpointOf('/', (capture) =>
    new sdk.EC2Client({...config, ...capture}).send(new sdk.DescribeRegionsCommand({})),
  );
  return {sdk, client: new sdk.EC2Client(config), endpoint};
}

export async function openEbs(access: AwsAccess, purpose: string): Promise<Ebs> {
  const sdk = await load('ebs', purpose);
  const config = awsClientConfig(access);
  const endpoint = await endpointOf('/snapshots', (capture) =>
    new sdk.EBSClient({...config, ...capture}).send(new sdk.StartSnapshotCommand({VolumeSize: 1})),
  );
  return {sdk, client: new sdk.EBSClient(config), endpoint};
}

export async function openS3(
  access: AwsAccess & {readonly forcePathStyle?: boolean},
  purpose: string,
): Promise<S3> {
  const sdk = await load('s3', purpose);
  const config = {
    ...awsClientConfig(access),
    // Newer checksums of the SDK are unknown to other servers.
    requestChecksumCalculation: 'WHEN_REQUIRED' as const,
    responseChecksumValidation: 'WHEN_REQUIRED' as const,
    ...(access.forcePathStyle === undefined ? {} : {forcePathStyle: access.forcePathStyle}),
  };
  const endpoint = await endpointOf('/', (capture) =>
    new sdk.S3Client({...config, ...capture}).send(new sdk.ListBucketsCommand({})),
  );
  return {sdk, client: new sdk.S3Client(config), endpoint};
}

/** A package that is not there is something that the host lacks. */
async function load<Service extends AwsService>(service: Service, purpose: string): Promise<AwsSdk<Service>> {
  try {
    return await loadAwsSdk(service, purpose);
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    const {message, hint, cause} = error;
    throw new FgError('HOST_TOOL_MISSING', message, {cause, ...(hint === undefined ? {} : {hint})});
  }
}

interface Capture {
  readonly credentials: {readonly accessKeyId: string; readonly secretAccessKey: string};
  readonly maxAttempts: number;
  readonly requestHandler: {handle(request: CapturedRequest): Promise<never>};
}

interface CapturedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
}

/**
 * Where the SDK would send a call to: it decides by region, options, environment and shared config, and says so in the
 * request only. The request is caught before it leaves; `callPath` is what the call has added to the endpoint's path.
 */
async function endpointOf(callPath: string, send: (capture: Capture) => Promise<unknown>): Promise<string> {
  let endpoint: string | undefined;
  const caught = new Error('The request is caught');
  try {
    await send({
      // Signs what nobody gets; the real ones may have to be fetched.
      credentials: {accessKeyId: 'none', secretAccessKey: 'none'},
      maxAttempts: 1,
      requestHandler: {
        handle: ({protocol, hostname, port, path}) => {
          const base = path.slice(0, path.lastIndexOf(callPath)).replace(/\/$/, '');
          endpoint = `${protocol}//${hostname}${port === undefined ? '' : `:${String(port)}`}${base}`;
          return Promise.reject(caught);
        },
      },
    });
  } catch (error) {
    if (error !== caught && endpoint === undefined) throw placeError(error);
  }
  return endpoint ?? '';
}
