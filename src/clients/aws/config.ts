import {readFileSync} from 'node:fs';
import {FgError} from '../../errors.ts';
import {defaultSilenceMs} from '../../http/client.ts';

/**
 * How a service is reached. What is left out is found by the SDK's own chain: environment (`AWS_REGION`,
 * `AWS_PROFILE`, `AWS_ENDPOINT_URL_EC2`, …), shared config and credentials files, SSO, roles, instance metadata.
 */
export interface AwsAccess {
  readonly region?: string | undefined;
  readonly profile?: string | undefined;
  /** For other servers than Amazon's. */
  readonly endpoint?: string | undefined;
  /** For services whose credentials are in a file of their own (eucarc); absent: by the chain. */
  readonly credentials?: {readonly accessKeyId: string; readonly secretAccessKey: string} | undefined;
  /** Certificates that the server is verified with, PEM; absent: the file in `AWS_CA_BUNDLE`, else Node's own. */
  readonly ca?: string | undefined;
  readonly silenceMs?: number | undefined;
  /** How often the SDK makes a call that was throttled or broken off, with back-off and jitter. */
  readonly maxAttempts?: number | undefined;
}

/** With the SDK's back-off (jittered, up to 20 s) this bridges about half a minute of throttling. */
const defaultAttempts = 7;

/** What the constructors of all clients of the SDK take. */
export function awsClientConfig(access: AwsAccess, env: NodeJS.ProcessEnv = process.env) {
  const {region, profile, endpoint, credentials, silenceMs = defaultSilenceMs} = access;
  const ca = access.ca ?? caBundle(env);
  return {
    ...(region === undefined ? {} : {region}),
    ...(profile === undefined ? {} : {profile}),
    ...(endpoint === undefined ? {} : {endpoint}),
    ...(credentials === undefined ? {} : {credentials}),
    logger: silentLogger,
    maxAttempts: access.maxAttempts ?? defaultAttempts,
    requestHandler: {
      connectionTimeout: Math.min(10_000, silenceMs),
      socketTimeout: silenceMs,
      ...(ca === undefined ? {} : {httpsAgent: {ca, keepAlive: true}}),
    },
  };
}

function silent(): void {
  // What went wrong is in the error that is thrown.
}

/** The SDK would write to the terminal by itself otherwise. */
export const silentLogger = {trace: silent, debug: silent, info: silent, warn: silent, error: silent};

/** AWS's own variable for it, which the SDK for JavaScript does not read. */
function caBundle({AWS_CA_BUNDLE: path}: NodeJS.ProcessEnv): string | undefined {
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FgError('USAGE', `Cannot read ${path}, the certificates that $AWS_CA_BUNDLE names`, {
      hint: 'Name a file with certificates in PEM form, or unset AWS_CA_BUNDLE.',
      cause: error,
    });
  }
}
