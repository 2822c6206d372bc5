import {FgError} from '../../errors.ts';
import {RemoteError} from '../../http/error.ts';
import {printable} from '../../ui/format.ts';
import type {AwsService} from './sdk.ts';

export interface AwsCall {
  readonly service: AwsService;
  /** The API's name of the call, which is also the name of the permission: `RegisterImage`. */
  readonly action: string;
  /** Where it goes to, without credentials: a URL. */
  readonly endpoint: string;
  /** The profile of shared config that was asked for, for hints. */
  readonly profile?: string | undefined;
}

/** Makes a call of the SDK; what it throws is worded. The signal has to be given to the SDK too (`abortSignal`). */
export async function awsCall<T>(call: AwsCall, signal: AbortSignal, make: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  try {
    return await make();
  } catch (error) {
    signal.throwIfAborted();
    throw awsError(error, call);
  }
}

/** The service's own code of an error, also of one that `awsCall` has worded: `InvalidAMIName.Duplicate`. */
export function awsCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (isServiceError(error)) return error.name;
  return error.cause === undefined ? undefined : awsCode(error.cause);
}

/** The HTTP status of a service's error, also of one that `awsCall` has worded. */
export function awsStatus(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if (isServiceError(error)) return error.$metadata.httpStatusCode;
  return error.cause === undefined ? undefined : awsStatus(error.cause);
}

/**
 * What the SDK throws, as what a user can act on, in the service's own words and without credentials: `FgError` where
 * nothing could be asked, `RemoteError` else. Errors of fgimage's own stay as they are.
 */
export function awsError(error: unknown, call: AwsCall): unknown {
  if (!(error instanceof Error) || error instanceof RemoteError || error instanceof FgError) return error;
  if (isServiceError(error)) return serviceError(error, call);
  return credentialsError(error, call) ?? connectionError(error, call) ?? error;
}

interface ServiceError extends Error {
  readonly $metadata: {readonly httpStatusCode?: number; readonly requestId?: string};
}

/** Only what a service answered has a status. */
function isServiceError(error: Error): error is ServiceError {
  if (!('$metadata' in error)) return false;
  const {$metadata: metadata} = error;
  return typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
}

function serviceError(error: ServiceError, call: AwsCall): RemoteError {
  const {endpoint, service, action} = call;
  const code = printable(error.name);
  const status = error.$metadata.httpStatusCode ?? 0;
  const said = words(error.message, code);
  const answer = `${endpoint} answers ${action} with ${said === '' ? `${status} ${code}` : `${code}: ${said}`}`;
  if (isThrottling(error)) {
    return new RemoteError('unreachable', answer, {
      hint: 'Too many calls are made in this account and region: try again later.',
      cause: error,
    });
  }
  if (status >= 500 && status !== 501) return new RemoteError('unreachable', answer, {cause: error});
  const hint = hintFor(error.name, {service, action, profile: call.profile});
  return new RemoteError('refused', answer, {hint, cause: error});
}

/** The encoded message of an UnauthorizedOperation is a kilobyte that only sts:DecodeAuthorizationMessage reads. */
function words(message: string, code: string): string {
  const text = oneLine(message)
    .replace(/\s*Encoded authorization failure message:.*$/i, '')
    .trim();
  return text === code || text === 'UnknownError' ? '' : text;
}

function isThrottling(error: unknown): boolean {
  const code = awsCode(error) ?? '';
  return /^(RequestLimitExceeded|Throttling|ThrottlingException|RequestThrottled|RequestThrottledException|SlowDown|TooManyRequestsException)$/.test(
    code,
  );
}

const expired = /^(ExpiredToken|ExpiredTokenException|TokenRefreshRequired)$/;
const skewed = /^(RequestExpired|RequestTimeTooSkewed|RequestInTheFuture)$/;
const unknownKey =
  /^(AuthFailure|InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|MissingAuthenticationToken|InvalidToken)$/;
const wrongSecret = /^(SignatureDoesNotMatch|InvalidSignatureException|IncompleteSignature)$/;
const notAllowed = /^(UnauthorizedOperation|AccessDenied|AccessDeniedException|Forbidden)$/;
const quota =
  /(LimitExceeded|QuotaExceeded|ServiceQuotaExceededException|ConcurrentSnapshotLimitExceeded|TooManyParts)$/;

function hintFor(
  code: string,
  {service, action, profile}: {service: AwsService; action: string; profile: string | undefined},
): string | undefined {
  const login = profile === undefined ? 'aws sso login' : `aws sso login --profile ${profile}`;
  if (expired.test(code)) return `Get new credentials: ${login}, or a new session token.`;
  if (skewed.test(code)) return "Set this host's clock: signatures are good for minutes.";
  if (unknownKey.test(code)) {
    return 'Check the access key: whether it is of this service and account, and not disabled.';
  }
  if (wrongSecret.test(code)) return 'Check the secret access key that belongs to the access key.';
  if (notAllowed.test(code)) return `Allow these credentials the action ${service}:${action}.`;
  if (code === 'OptInRequired') return 'Enable the region, or the service, for this account.';
  if (code === 'UnknownVolumeType') return 'Name a type that the region has with register.volume_type.';
  if (quota.test(code)) return 'Ask for a higher quota, or remove what is not needed there.';
  return undefined;
}

/** What the SDK finds wrong before it asks: no credentials. */
function credentialsError(error: Error, {profile, endpoint}: AwsCall): FgError | undefined {
  if (!/^(CredentialsProviderError|TokenProviderError|ProviderError)$/.test(error.name)) return undefined;
  const said = oneLine(error.message);
  const login = profile === undefined ? 'aws sso login' : `aws sso login --profile ${profile}`;
  const isSso = /\bSSO\b|aws sso login|token is expired/i.test(said);
  const place = profile === undefined ? endpoint : `${endpoint} in the profile ${profile}`;
  return new FgError('CREDENTIALS_MISSING', `There are no credentials for ${place}: ${said}`, {
    hint: isSso
      ? `Log in: ${login}`
      : profile === undefined
        ? 'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with aws sso login.'
        : 'Check that the profile is in ~/.aws/config or ~/.aws/credentials, or log in with aws sso login.',
    cause: error,
  });
}

/** Why the SDK cannot tell where a call goes to: no region, or one or an endpoint that cannot be. */
export function placeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (/^Region is missing/.test(error.message)) {
    return new FgError('USAGE', 'Nothing says which AWS region', {
      hint: 'Name it as register.region, in AWS_REGION, or in the profile.',
      cause: error,
    });
  }
  if (/^Region not accepted/.test(error.message) || /Invalid URL/i.test(error.message)) {
    return new FgError('USAGE', `The AWS SDK takes no such region or endpoint: ${oneLine(error.message)}`, {
      hint: 'Check register.region and register.endpoint, AWS_REGION and AWS_ENDPOINT_URL, and the profile.',
      cause: error,
    });
  }
  return error;
}

function oneLine(message: string): string {
  return printable(message.replaceAll(/\s*\n\s*/g, ' '));
}

function connectionError(error: Error, {endpoint}: AwsCall): RemoteError | undefined {
  // Node tries every address of a name, and the error for all of them has no message.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const {message} = inner instanceof Error ? inner : error;
  const code = codeOf(inner) ?? codeOf(error);
  if (code === undefined && error.name !== 'TimeoutError') return undefined;
  const isUnknown = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  const isCertificate = code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO/.test(code);
  return new RemoteError('unreachable', `${endpoint} cannot be reached: ${printable(message)}`, {
    hint: isUnknown
      ? 'Check the region and the endpoint.'
      : isCertificate
        ? 'Name a file with the certificate of its authority in AWS_CA_BUNDLE.'
        : undefined,
    cause: error,
    retriable: !isUnknown && !isCertificate,
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
