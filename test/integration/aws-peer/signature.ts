import {createHash, createHmac} from 'node:crypto';
import type {IncomingHttpHeaders} from 'node:http';
import {Refusal} from './model.ts';

/** Signature Version 4, checked with the known secret (IAM user guide, "Create a signed AWS API request"). */
export const peerCredentials = {
  AWS_ACCESS_KEY_ID: 'AKIAPEERPEERPEERPEER',
  AWS_SECRET_ACCESS_KEY: 'peer/secret+that/no/answer/may/show/0123',
} as const;

export interface SignedRequest {
  readonly method: string;
  /** As it was sent, with the query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Scope {
  readonly region: string;
  readonly service: string;
}

const scheme =
  /^AWS4-HMAC-SHA256 Credential=(?<key>[^/]+)\/(?<day>\d{8})\/(?<region>[^/]+)\/(?<service>[^/]+)\/aws4_request, ?SignedHeaders=(?<names>[^,]+), ?Signature=(?<signature>[0-9a-f]{64})$/;

/** Gives what a request is signed for. Throws `Refusal` in the words of EC2. */
export function checkSignature({method, target, headers, body}: SignedRequest): Scope {
  const found = scheme.exec(headers.authorization ?? '')?.groups;
  if (found === undefined)
    throw new Refusal('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
  const {key = '', day = '', region = '', service = '', names = '', signature = ''} = found;
  if (key !== peerCredentials.AWS_ACCESS_KEY_ID)
    throw new Refusal('AuthFailure', 'AWS was not able to validate the provided access credentials', 401);
  const date = String(headers['x-amz-date']);
  const time = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(time - Date.now()) < 300_000)) throw new Refusal('RequestExpired', 'Request has expired.');
  const payload = payloadHash({headers, body, service});
  const [path, query] = splitOnce(target, '?');
  const signed = names.split(';');
  for (const name of ['host', 'x-amz-date']) {
    if (!signed.includes(name)) throw new Refusal('AuthFailure', `The header ${name} is not signed`, 401);
  }
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-amz-') && !signed.includes(name) && name !== 'x-amz-user-agent')
      throw new Refusal('AuthFailure', `The header ${name} is not signed`, 401);
  }
  const canonical = [
    method,
    // All services but S3 want the path encoded once more.
    service === 's3' ? path : path.split('/').map(encode).join('/'),
    [...query.split('&')]
      .filter((pair) => pair !== '')
      .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
      .sort()
      .join('&'),
    ...signed.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}`),
    '',
    names,
    payload,
  ].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256Hex(canonical)].join('\n');
  const secret = `AWS4${peerCredentials.AWS_SECRET_ACCESS_KEY}`;
  const signingKey = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, secret);
  if (hmac(signingKey, toSign).toString('hex') !== signature) {
    throw new Refusal(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
      403,
    );
  }
  return {region, service};
}

/** Only a block's data may be unsigned: its checksum is in a header that is. */
function payloadHash({
  headers,
  body,
  service,
}: {
  headers: IncomingHttpHeaders;
  body: Buffer;
  service: string;
}): string {
  const told = headers['x-amz-content-sha256'];
  const real = sha256Hex(body);
  if (told === undefined) return real;
  const mayBeUnsigned = service === 'ebs' && headers['x-amz-checksum'] !== undefined;
  if (told === 'UNSIGNED-PAYLOAD' && mayBeUnsigned) return told;
  if (told !== real)
    throw new Refusal(
      'XAmzContentSHA256Mismatch',
      'The provided x-amz-content-sha256 header does not match what was computed.',
    );
  return real;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256Hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
