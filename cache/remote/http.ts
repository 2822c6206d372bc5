import {readAll} from '../../src/http/body.ts';
import {discard, HttpClient, type HttpResponse, whileReading} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {type Blob, largestRecordBytes, type PutRecordOptions, type RemoteBackend} from './backend.ts';
import {saveBlob} from './transfer.ts';

export interface HttpBackendOptions {
  /** Sent as a bearer token (RFC 6750), unless the URL has a user. */
  readonly token?: string | undefined;
  readonly silenceMs?: number | undefined;
}

/**
 * A remote cache behind HTTP: GET, HEAD and PUT of `/ac/<key>` and `/cas/<sha256>` below a URL, as Bazel's. Any
 * server will do that takes PUT.
 */
export class HttpBackend implements RemoteBackend {
  readonly name: string;
  readonly #base: URL;
  readonly #client: HttpClient;
  readonly #authorization: Readonly<Record<string, string>>;

  constructor(url: URL, {token, silenceMs}: HttpBackendOptions = {}) {
    const base = new URL(url);
    this.#authorization = authorization(base, token);
    base.username = '';
    base.password = '';
    base.pathname = base.pathname.replace(/\/*$/, '/');
    this.#base = base;
    this.name = `${base.origin}${base.pathname.slice(0, -1)}`;
    this.#client = new HttpClient(this.name, {silenceMs});
  }

  async getRecord(key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const response = await this.#send('GET', `ac/${key}`, {signal});
    if (isAbsent(response)) return undefined;
    if (response.status !== 200) throw this.#client.refused(response, 'A record cannot be read');
    return await whileReading(this.name, signal, () => readAll(response.body, largestRecordBytes));
  }

  async putRecord(key: string, record: Buffer, {replace, signal}: PutRecordOptions): Promise<void> {
    if (replace !== true) {
      // For servers that do not know If-None-Match on PUT.
      const there = await this.#send('HEAD', `ac/${key}`, {signal});
      discard(there);
      if (there.status === 200) return;
    }
    const headers = {'content-type': 'application/json'};
    const createOnly = replace === true ? {} : {'if-none-match': '*'};
    const put = (more: object): Promise<HttpResponse> =>
      this.#send('PUT', `ac/${key}`, {signal, headers: {...headers, ...more}, body: record});
    let response = await put(createOnly);
    if (response.status === 501 && replace !== true) {
      discard(response);
      response = await put({});
    }
    if (response.status !== 412 && !isDone(response)) {
      throw this.#client.refused(response, 'A record is not taken');
    }
    discard(response);
  }

  async hasBlob(blob: Blob, signal: AbortSignal): Promise<boolean> {
    const response = await this.#send('HEAD', `cas/${blob.sha256}`, {signal});
    discard(response);
    // A server without HEAD: the blob is sent again at worst.
    if (isAbsent(response) || response.status === 405 || response.status === 501) return false;
    if (response.status !== 200) throw this.#client.refused(response, 'A blob cannot be asked for');
    const length = response.headers['content-length'];
    return length === undefined || Number(length) === blob.sizeBytes;
  }

  async getBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    const response = await this.#send('GET', `cas/${blob.sha256}`, {signal});
    if (isAbsent(response)) {
      throw new RemoteError('missing', `The blob ${blob.sha256.slice(0, 12)} is not there any more`);
    }
    if (response.status !== 200) throw this.#client.refused(response, 'A blob cannot be read');
    await whileReading(this.name, signal, () => saveBlob(response.body, blob, {path, signal}));
  }

  async putBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    const headers = {'content-type': 'application/octet-stream'};
    const body = {path, sizeBytes: blob.sizeBytes};
    const response = await this.#send('PUT', `cas/${blob.sha256}`, {signal, headers, body});
    if (!isDone(response)) throw this.#client.refused(response, 'A blob is not taken');
    discard(response);
  }

  #send(
    method: 'GET' | 'HEAD' | 'PUT',
    path: string,
    {signal, headers, body}: Pick<Parameters<HttpClient['send']>[0], 'signal' | 'headers' | 'body'>,
  ): Promise<HttpResponse> {
    const url = new URL(path, this.#base);
    url.search = this.#base.search;
    return this.#client.send({
      method,
      url,
      signal,
      headers: {...headers, ...this.#authorization},
      ...(body === undefined ? {} : {body}),
    });
  }
}

function authorization(url: URL, token: string | undefined): Readonly<Record<string, string>> {
  if (url.username !== '' || url.password !== '') {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
    return {authorization: `Basic ${Buffer.from(pair).toString('base64')}`};
  }
  return token === undefined || token === '' ? {} : {authorization: `Bearer ${token}`};
}

/** 404, and 410 of servers that remember; the answer is discarded then. */
function isAbsent(response: HttpResponse): boolean {
  if (response.status !== 404 && response.status !== 410) return false;
  discard(response);
  return true;
}

function isDone({status}: HttpResponse): boolean {
  return status >= 200 && status < 300;
}
