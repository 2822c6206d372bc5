import {createHmac} from 'node:crypto';
import {readAll} from '../http/body.ts';
import {discard, type FileBody, HttpClient, type HttpResponse, whileReading} from '../http/client.ts';
import {withRetries} from '../http/retry.ts';
import {ServiceRefusal, serviceRefusal} from './service-refusal.ts';
import {elementsAt, readXml, textAt} from './xml-tree.ts';

export interface S3V2Access {
  /** What it is called in messages. */
  readonly name: string;
  /** With a path where the service is not at the root: `http://site:8773/services/objectstorage`. */
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly signal: AbortSignal;
  /** Certificates that the server is verified with, PEM. */
  readonly ca?: string | undefined;
  readonly insecure?: boolean;
}

/** Where an object is. */
export interface ObjectPlace {
  readonly bucket: string;
  readonly key: string;
}

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Of its bytes, hexadecimal; absent: the service says something else in its place. */
  readonly md5?: string;
  /** Milliseconds since the epoch. */
  readonly modifiedAt?: number;
}

export interface PutRequest extends ObjectPlace {
  readonly body: Buffer | FileBody;
  /** Of the body, hexadecimal. */
  readonly md5: string;
  /** `x-amz-acl`, `x-amz-meta-…`, in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

const answerLimitBytes = 16 * 2 ** 20;
/** Servers look at a large object before they answer. */
const silenceMs = 120_000;
/** Putting and deleting may be done again: the outcome is the same. */
const delaysMs = [500, 2000, 8000];

/**
 * S3 with path-style addresses and signatures of version 2 (Amazon S3 API Reference, "Signing and authenticating REST
 * requests"): what Cumulus of Nimbus, Walrus of Eucalyptus and Swift's S3 API have in common. Bodies are streamed.
 */
export class S3V2 {
  readonly #access: S3V2Access;
  readonly #http: HttpClient;
  readonly #base: string;

  constructor(access: S3V2Access) {
    const {name, endpoint, ca, insecure = false} = access;
    this.#access = access;
    this.#http = new HttpClient(name, {silenceMs, ca, insecure, serverErrors: 'given'});
    this.#base = endpoint.pathname.replace(/\/+$/, '');
  }

  /** Gives the MD5 that the service says it has received, hexadecimal; undefined where it says none. */
  async put({bucket, key, body, md5, headers = {}}: PutRequest): Promise<string | undefined> {
    const response = await this.#call(
      'PUT',
      {bucket, key},
      {
        body,
        headers: {
          ...headers,
          'content-md5': Buffer.from(md5, 'hex').toString('base64'),
          'content-type': 'application/octet-stream',
        },
      },
    );
    discard(response);
    return md5Of(response.headers.etag);
  }

  async get({bucket, key}: ObjectPlace, limitBytes: number): Promise<Buffer | undefined> {
    const response = await this.#orMissing(() => this.#call('GET', {bucket, key}));
    if (response === undefined) return undefined;
    const {name, signal} = this.#access;
    return whileReading(name, signal, () => readAll(response.body, limitBytes));
  }

  async head({bucket, key}: ObjectPlace): Promise<StoredObject | undefined> {
    const response = await this.#orMissing(() => this.#call('HEAD', {bucket, key}));
    if (response === undefined) return undefined;
    discard(response);
    const {etag, 'content-length': length} = response.headers;
    const md5 = md5Of(etag);
    return {key, sizeBytes: Number(length), ...(md5 === undefined ? {} : {md5})};
  }

  /** Gone is fine. */
  async remove({bucket, key}: ObjectPlace): Promise<void> {
    const response = await this.#orMissing(() => this.#call('DELETE', {bucket, key}));
    if (response !== undefined) discard(response);
  }

  /** A bucket that is ours already is fine. */
  async createBucket(bucket: string): Promise<void> {
    try {
      discard(await this.#call('PUT', {bucket}));
    } catch (error) {
      if (!(error instanceof ServiceRefusal) || error.code !== 'BucketAlreadyOwnedByYou') throw error;
    }
  }

  /**
   * All objects whose key begins so; undefined where there is no such bucket. No `max-keys`: Cumulus would leave out
   * what is beyond and not say so.
   */
  async list(bucket: string, prefix: string): Promise<readonly StoredObject[] | undefined> {
    const objects: StoredObject[] = [];
    for (let marker = ''; ; ) {
      const query = new URLSearchParams({prefix, ...(marker === '' ? {} : {marker})});
      const page = await this.#page(bucket, query);
      if (page === undefined) return undefined;
      // Cumulus compares as SQL's LIKE does: `_` is any character, and case does not count.
      objects.push(...page.objects.filter(({key}) => key.startsWith(prefix)));
      const last = page.objects.at(-1)?.key ?? '';
      if (!page.isTruncated || last <= marker) return objects;
      marker = last;
    }
  }

  async #page(bucket: string, query: URLSearchParams) {
    const {name, signal} = this.#access;
    return this.#orMissing(async () => {
      const response = await this.#call('GET', {bucket}, {query});
      const body = await whileReading(name, signal, () => readAll(response.body, answerLimitBytes));
      const tree = readXml(body.toString('utf8'), 'ListBucketResult', name);
      return {
        objects: elementsAt(tree, 'Contents').map((content) => {
          const md5 = md5Of(textAt(content, 'ETag'));
          const modifiedAt = Date.parse(textAt(content, 'LastModified') ?? '');
          return {
            key: textAt(content, 'Key') ?? '',
            sizeBytes: Number(textAt(content, 'Size') ?? Number.NaN),
            ...(md5 === undefined ? {} : {md5}),
            ...(Number.isNaN(modifiedAt) ? {} : {modifiedAt}),
          };
        }),
        isTruncated: textAt(tree, 'IsTruncated') === 'true',
      };
    });
  }

  async #orMissing<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof ServiceRefusal && error.status === 404) return undefined;
      throw error;
    }
  }

  #call(
    method: Method,
    {bucket, key = ''}: {readonly bucket: string; readonly key?: string},
    {query, body, headers = {}}: CallOptions = {},
  ): Promise<HttpResponse> {
    const {name, endpoint, signal} = this.#access;
    const resource = `/${encoded(bucket)}${key === '' ? '' : `/${encoded(key)}`}`;
    const url = new URL(endpoint);
    url.pathname = `${this.#base}${resource}`;
    url.search = query === undefined ? '' : `?${query.toString()}`;
    return withRetries(
      async () => {
        const dated = {...headers, date: new Date().toUTCString()};
        const authorization = this.#authorization(method, resource, dated);
        const response = await this.#http.send({
          method,
          url,
          headers: {...dated, authorization},
          signal,
          ...(body === undefined ? {} : {body}),
        });
        if (response.status >= 200 && response.status < 300) return response;
        throw await serviceRefusal(response, {
          name,
          signal,
          what: `${wordOf[method]} ${key === '' ? bucket : key}`,
        });
      },
      {signal, delaysMs},
    );
  }

  #authorization(method: Method, resource: string, headers: Readonly<Record<string, string>>): string {
    const {accessKeyId, secretAccessKey} = this.#access;
    const signature = createHmac('sha1', secretAccessKey)
      .update(stringToSign(method, resource, headers))
      .digest('base64');
    return `AWS ${accessKeyId}:${signature}`;
  }
}

type Method = 'GET' | 'HEAD' | 'PUT' | 'DELETE';

interface CallOptions {
  readonly query?: URLSearchParams;
  readonly body?: Buffer | FileBody;
  readonly headers?: Readonly<Record<string, string>>;
}

const wordOf: Readonly<Record<Method, string>> = {
  GET: 'Reading',
  HEAD: 'Looking at',
  PUT: 'Writing',
  DELETE: 'Deleting',
};

/** What is signed; `headers` with names in lower case, `date` among them. */
export function stringToSign(
  method: string,
  resource: string,
  headers: Readonly<Record<string, string>>,
): string {
  const amazon = Object.keys(headers)
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${headers[name] ?? ''}\n`);
  const {'content-md5': md5 = '', 'content-type': type = '', date = ''} = headers;
  return `${method}\n${md5}\n${type}\n${date}\n${amazon.join('')}${resource}`;
}

/** Slashes stay: the path that is signed is the one that is sent. */
function encoded(path: string): string {
  return path
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll(/[!'()*]/g, percent))
    .join('/');
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function md5Of(etag: string | undefined): string | undefined {
  return /^"?(?<md5>[0-9a-f]{32})"?$/i.exec(etag?.trim() ?? '')?.groups?.['md5']?.toLowerCase();
}
