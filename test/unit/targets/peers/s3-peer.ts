import {createHash, createHmac} from 'node:crypto';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

/**
 * A stand-in for object stores that are in no package archive, as strict as they are: `cumulus`, by the source of
 * Nimbus (cumulus/cb/pycb), and `walrus`, by that of Eucalyptus (clc/modules/object-storage). Signatures of version 2.
 */
export interface S3PeerOptions {
  readonly kind: 'cumulus' | 'walrus';
  readonly users?: readonly S3User[];
  readonly buckets?: readonly string[];
  /** Path of the service. */
  readonly base?: string;
  /** Objects in one page of a listing; Cumulus gives all at once. */
  readonly pageSize?: number;
}

export interface S3User {
  readonly id: string;
  readonly secret: string;
}

export interface PeerObject {
  bytes: Buffer;
  readonly md5: string;
  readonly acl: string;
  readonly metadata: Readonly<Record<string, string>>;
  modifiedAt: Date;
}

/** Handles a request in its own way and gives true, or leaves it to the store. */
export type S3Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

export const alice: S3User = {id: 'ALICE', secret: 'alice+secret/='};

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class S3Peer {
  readonly buckets = new Map<string, Map<string, PeerObject>>();
  /** Method, path and query of each request, in order. */
  readonly requests: string[] = [];
  fault: S3Fault = () => false;
  /** Most bytes that an object may have. */
  quotaBytes = Number.POSITIVE_INFINITY;
  readonly #options: Required<S3PeerOptions>;
  readonly #server: Server;

  private constructor(options: S3PeerOptions) {
    this.#options = {users: [alice], buckets: [], base: '', pageSize: 1000, ...options};
    for (const bucket of this.#options.buckets) this.buckets.set(bucket, new Map());
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  static async start(options: S3PeerOptions): Promise<S3Peer> {
    const peer = new S3Peer(options);
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}${this.#options.base}`;
  }

  object(bucket: string, key: string): PeerObject | undefined {
    return this.buckets.get(bucket)?.get(key);
  }

  keys(bucket: string): readonly string[] {
    return [...(this.buckets.get(bucket)?.keys() ?? [])].sort();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (this.fault(request, response)) {
      request.resume();
      return;
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // Whoever sent it is gone: nothing of it is kept.
    }
    try {
      this.#answer(request, response, Buffer.concat(chunks));
    } catch (error) {
      const {status, code, message} =
        error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
      const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
      response
        .writeHead(status, {'content-type': 'application/xml'})
        .end(request.method === 'HEAD' ? '' : body);
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const {method = '', url = '', headers} = request;
    const {base, kind} = this.#options;
    const [path = '', query = ''] = url.split('?', 2);
    if (!path.startsWith(`${base}/`)) throw new Refusal(404, 'NotFound', 'No such service');
    const resource = path.slice(base.length);
    this.#authorize(request, resource);
    const [, bucketName = '', ...rest] = resource.split('/').map((part) => decodeURIComponent(part));
    const key = rest.join('/');
    if (key === '' && method === 'PUT') {
      if (this.buckets.has(bucketName)) throw new Refusal(409, 'BucketAlreadyExists', 'The name is taken');
      this.buckets.set(bucketName, new Map());
      response.writeHead(200).end();
      return;
    }
    const bucket = this.buckets.get(bucketName);
    if (bucket === undefined) throw new Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
    if (key === '') {
      if (method !== 'GET') throw new Refusal(405, 'MethodNotAllowed', 'Not here');
      response
        .writeHead(200, {'content-type': 'application/xml'})
        .end(this.#listing(bucket, new URLSearchParams(query)));
      return;
    }
    const object = bucket.get(key);
    switch (method) {
      case 'PUT': {
        if (body.length > this.quotaBytes)
          throw new Refusal(403, 'AccountProblem', 'There is a problem with your account');
        const stored = this.#stored(headers, body);
        bucket.set(key, stored);
        response
          .writeHead(200, {etag: `"${stored.md5}"`, ...(kind === 'cumulus' ? {connection: 'close'} : {})})
          .end();
        return;
      }
      case 'DELETE':
        // Amazon's says 204 of what is not there; Cumulus does not.
        if (object === undefined && kind === 'cumulus')
          throw new Refusal(404, 'NoSuchKey', 'There is no such key');
        bucket.delete(key);
        response.writeHead(204).end();
        return;
      case 'GET':
      case 'HEAD':
        if (object === undefined) throw new Refusal(404, 'NoSuchKey', 'There is no such key');
        response.writeHead(200, {
          etag: `"${object.md5}"`,
          'content-length': object.bytes.length,
          ...Object.fromEntries(Object.entries(object.metadata)),
        });
        response.end(method === 'HEAD' ? undefined : object.bytes);
        return;
      default:
        throw new Refusal(400, 'InvalidArgument', 'No such method');
    }
  }

  /** Amazon S3 API Reference, "Signing and authenticating REST requests (AWS signature version 2)". */
  #authorize({method = '', headers}: IncomingMessage, resource: string): void {
    const found = /^AWS (?<id>[^:]+):(?<signature>.+)$/.exec(headers.authorization ?? '')?.groups;
    const user = this.#options.users.find(({id}) => id === found?.['id']);
    if (user === undefined)
      throw new Refusal(403, 'InvalidAccessKeyId', 'The AWS Access Key Id does not exist in our records.');
    const {date = '', 'content-md5': md5 = '', 'content-type': type = ''} = headers as Record<string, string>;
    const age = Math.abs(Date.now() - Date.parse(date));
    if (Number.isNaN(age) || age > 900_000)
      throw new Refusal(403, 'RequestTimeTooSkewed', 'The difference is too large');
    const amazon = Object.entries(headers)
      .filter(([name]) => name.startsWith('x-amz-'))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => `${name}:${String(value)}\n`)
      .join('');
    const signed = [method, md5, type, date, amazon + resource].join('\n');
    const wanted = createHmac('sha1', user.secret).update(signed).digest('base64');
    if (wanted === found?.['signature']) return;
    throw this.#options.kind === 'cumulus'
      ? new Refusal(403, 'AccessDenied', 'Access Denied')
      : new Refusal(403, 'SignatureDoesNotMatch', 'The request signature we calculated does not match');
  }

  #stored(headers: IncomingMessage['headers'], bytes: Buffer): PeerObject {
    const md5 = createHash('md5').update(bytes).digest();
    const {kind} = this.#options;
    const told = headers['content-md5'];
    // Cumulus overwrites what it was told with what it has computed.
    if (kind === 'walrus' && told !== undefined && told !== md5.toString('base64')) {
      throw new Refusal(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
    }
    const metadata = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
    return {
      bytes,
      md5: md5.toString('hex'),
      acl: String(headers['x-amz-acl'] ?? 'private'),
      // Cumulus has no place for metadata.
      metadata:
        kind === 'cumulus' ? {} : Object.fromEntries(metadata.map(([name, value]) => [name, String(value)])),
      modifiedAt: new Date(),
    };
  }

  #listing(bucket: Map<string, PeerObject>, query: URLSearchParams): string {
    const {kind, pageSize} = this.#options;
    const prefix = query.get('prefix') ?? '';
    const marker = query.get('marker') ?? '';
    const keys = [...bucket.keys()]
      .filter((key) => (kind === 'cumulus' ? isLike(key, prefix) : key.startsWith(prefix) && key > marker))
      .sort();
    const page = kind === 'cumulus' ? keys : keys.slice(0, pageSize);
    const contents = page.map((key) => {
      const {md5, bytes, modifiedAt} = bucket.get(key) as PeerObject;
      // Cumulus writes the MD5 without quotes.
      const etag = kind === 'cumulus' ? md5 : `&quot;${md5}&quot;`;
      const name = key.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
      return `<Contents><Key>${name}</Key><LastModified>${modifiedAt.toISOString()}</LastModified><Size>${bytes.length}</Size><StorageClass>STANDARD</StorageClass><ETag>${etag}</ETag></Contents>`;
    });
    return `<?xml version="1.0" ?><ListBucketResult xmlns="http://doc.s3.amazonaws.com/2006-03-01"><Name>b</Name><IsTruncated>${String(page.length < keys.length)}</IsTruncated>${contents.join('')}</ListBucketResult>`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** SQLite's `LIKE 'prefix%'`: case does not count, `_` is any character, `%` any text. */
function isLike(key: string, prefix: string): boolean {
  const pattern = prefix
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('_', '.')
    .replaceAll('%', '.*');
  return new RegExp(`^${pattern}`, 'is').test(key);
}
