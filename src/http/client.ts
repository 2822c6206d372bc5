import {createReadStream} from 'node:fs';
import http, {type ClientRequest, type IncomingHttpHeaders, type IncomingMessage} from 'node:http';
import https from 'node:https';
import {pipeline} from 'node:stream';
import {printable} from '../ui/format.ts';
import {isDiskError} from './body.ts';
import {RemoteError} from './error.ts';

/** A part of a file, or all of it. */
export interface FileBody {
  readonly path: string;
  readonly offset?: number;
  readonly sizeBytes: number;
  /** Told now and then how many bytes of it were read to be sent. */
  readonly onProgress?: (sentBytes: number) => void;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | FileBody;
  readonly signal: AbortSignal;
  /** `refuse`: a body that holds credentials goes to this URL and to no other; the redirect is given as the answer. */
  readonly redirects?: 'refuse';
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Has to be read to its end or be discarded. */
  readonly body: IncomingMessage;
}

/** How long a connection may be silent, in either direction, before it is given up. */
export const defaultSilenceMs = 30_000;
const connectMs = 10_000;
const mostRedirects = 5;
const continueMs = 3000;

export interface HttpOptions {
  readonly silenceMs?: number | undefined;
  /** Certificates that servers are verified with in the place of Node's own, PEM. */
  readonly ca?: string | undefined;
  /** Whether certificates are not verified at all, where a user's configuration says so. */
  readonly insecure?: boolean;
  /** `given`: 429 and 5xx are answers too, for services that say in them what is wrong. */
  readonly serverErrors?: 'thrown' | 'given';
}

/**
 * HTTP/1.1 with what caches and registrations need and fetch lacks: bodies from and to files with their length told, and a limit for
 * silence instead of one for the whole. Follows redirects; an `authorization` header goes to its own origin only.
 */
export class HttpClient {
  readonly #name: string;
  readonly #silenceMs: number;
  readonly #tls: https.RequestOptions;
  readonly #givesServerErrors: boolean;

  /** `name`: the remote, for messages. */
  constructor(name: string, {silenceMs = defaultSilenceMs, ca, insecure, serverErrors}: HttpOptions = {}) {
    this.#name = name;
    this.#silenceMs = silenceMs;
    this.#givesServerErrors = serverErrors === 'given';
    this.#tls = {...(ca !== undefined && {ca}), ...(insecure === true && {rejectUnauthorized: false})};
  }

  /** Gives every answer but redirects, 429 and 5xx; 501 does not pass by itself and is given too. Throws `RemoteError` `unreachable` for these and without an answer. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let {url, headers} = request;
    for (let redirects = 0; ; redirects += 1) {
      const response = await this.#once({...request, url, ...(headers === undefined ? {} : {headers})});
      const {location} = response.headers;
      const isFinal = request.redirects === 'refuse' || !isRedirect(response.status, request.method);
      if (isFinal || location === undefined) {
        if (!this.#givesServerErrors && isPassing(response.status)) throw this.#overloaded(response);
        return response;
      }
      discard(response);
      if (redirects === mostRedirects) throw this.refused(response, 'It redirects in circles');
      const next = this.#redirect(response, url, location);
      if (next.origin !== url.origin) headers = withoutAuthorization(headers);
      url = next;
    }
  }

  /** An answer that ends a call: 401, 403, 413, whatever is not foreseen. Discards it. */
  refused(response: HttpResponse, what: string): RemoteError {
    discard(response);
    const {status} = response;
    const hint =
      status === 401 || status === 403 ? 'Check the credentials for it, and what they allow.' : undefined;
    return new RemoteError('refused', `${what}: ${this.#name} answers ${statusText(response)}`, {hint});
  }

  #overloaded(response: HttpResponse): RemoteError {
    discard(response);
    return new RemoteError('unreachable', `${this.#name} answers ${statusText(response)}`, {
      retryAfterMs: retryAfterMs(response.headers['retry-after']),
    });
  }

  #redirect(response: HttpResponse, from: URL, location: string): URL {
    const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    const isWeb = next?.protocol === 'https:' || (next?.protocol === 'http:' && from.protocol === 'http:');
    if (next === undefined || !isWeb)
      throw this.refused(response, 'It redirects to where fgimage does not go');
    return next;
  }

  #once({method, url, headers, body, signal}: HttpRequest): Promise<HttpResponse> {
    signal.throwIfAborted();
    const {request: start} = url.protocol === 'https:' ? https : http;
    const length = body === undefined ? undefined : Buffer.isBuffer(body) ? body.length : body.sizeBytes;
    return new Promise((resolve, reject) => {
      let answer: IncomingMessage | undefined;
      const request = start(url, {
        ...this.#tls,
        method,
        signal,
        headers: {
          'user-agent': 'fgimage',
          'accept-encoding': 'identity',
          ...headers,
          ...(length === undefined && method !== 'POST' ? {} : {'content-length': String(length ?? 0)}),
        },
      });
      const silence = this.#watch(request, (error) => (answer ?? request).destroy(error));
      request.once('error', (error) => {
        silence.stop();
        reject(signal.aborted ? asError(signal.reason) : this.#broken(error));
      });
      request.once('response', (response) => {
        answer = response;
        // Errors that come later are told to whoever reads; without a reader they are nobody's.
        response.on('error', () => undefined);
        response.once('close', () => {
          silence.stop();
          // Answered before everything was sent: the rest is not wanted.
          if (!request.writableFinished) request.destroy();
        });
        resolve({status: response.statusCode ?? 0, headers: response.headers, body: response});
      });
      if (body === undefined || Buffer.isBuffer(body)) request.end(body);
      else if (headers?.['expect'] === '100-continue') whenWanted(request, () => sendFile(request, body));
      else sendFile(request, body);
    });
  }

  /** Ends a request on whose connection nothing moves. */
  #watch(request: ClientRequest, end: (error: RemoteError) => void): {readonly stop: () => void} {
    const everyMs = Math.max(10, Math.min(1000, this.#silenceMs / 4));
    let seenBytes = -1;
    let silentMs = 0;
    let checkedAt = performance.now();
    const timer = setInterval(() => {
      const {socket} = request;
      const isConnecting = socket === null || socket.connecting;
      const bytes = isConnecting ? -1 : socket.bytesRead + socket.bytesWritten;
      // While this process was busy itself, nothing could be heard.
      const passedMs = Math.min(performance.now() - checkedAt, 2 * everyMs);
      checkedAt = performance.now();
      silentMs = bytes === seenBytes ? silentMs + passedMs : 0;
      seenBytes = bytes;
      const limitMs = isConnecting ? Math.min(connectMs, this.#silenceMs) : this.#silenceMs;
      if (silentMs < limitMs) return;
      clearInterval(timer);
      const message = `${this.#name} says nothing for ${limitMs / 1000} s`;
      // A host that takes no connections keeps every further try waiting as long.
      end(new RemoteError('unreachable', message, {retriable: !isConnecting}));
    }, everyMs);
    timer.unref();
    return {stop: () => clearInterval(timer)};
  }

  #broken(error: Error): RemoteError {
    if (error instanceof RemoteError) return error;
    // Node tries every address of a name, and the error for all of them has no message.
    const inner: unknown = error instanceof AggregateError ? error.errors[0] : error;
    const message = inner instanceof Error ? inner.message : error.message;
    return new RemoteError('unreachable', `${this.#name} cannot be reached: ${printable(message)}`, {
      cause: error,
      retriable: !('code' in error && (error.code === 'ENOTFOUND' || isCertificateError(error.code))),
    });
  }
}

/** The answer's bytes are not wanted: a short rest is read, so that the connection can be used again. */
export function discard(response: HttpResponse): void {
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  if (length <= 65_536) response.body.resume();
  else response.body.destroy();
}

/** What a connection that breaks while an answer is read means. */
export async function whileReading<T>(name: string, signal: AbortSignal, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RemoteError || isDiskError(error)) throw error;
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new RemoteError('unreachable', `${name} broke off an answer: ${printable(error.message)}`, {
      cause: error,
    });
  }
}

/** RFC 9110, 10.1.1: a server that refuses says so before anything is sent; one that says nothing gets it nevertheless. */
function whenWanted(request: ClientRequest, send: () => void): void {
  const timer = setTimeout(begin, continueMs);
  function begin(): void {
    clearTimeout(timer);
    request.off('continue', begin);
    send();
  }
  request.once('continue', begin);
  for (const end of ['response', 'error', 'close']) request.once(end, () => clearTimeout(timer));
}

function sendFile(request: ClientRequest, {path, offset = 0, sizeBytes, onProgress}: FileBody): void {
  if (sizeBytes === 0) {
    request.end();
    return;
  }
  const file = createReadStream(path, {start: offset, end: offset + sizeBytes - 1});
  if (onProgress !== undefined) file.on('data', () => onProgress(file.bytesRead));
  // A server may answer, and hang up, before it has read everything: its answer counts.
  pipeline(file, request, () => undefined);
}

function isRedirect(status: number, method: HttpRequest['method']): boolean {
  const isReading = method === 'GET' || method === 'HEAD';
  return status === 307 || status === 308 || (isReading && [301, 302, 303].includes(status));
}

function isPassing(status: number): boolean {
  return status === 429 || (status >= 500 && status !== 501);
}

const credentialHeaders = new Set(['authorization', 'x-auth-token']);

function withoutAuthorization(headers: HttpRequest['headers']): HttpRequest['headers'] {
  return Object.fromEntries(
    Object.entries(headers ?? {}).filter(([name]) => !credentialHeaders.has(name.toLowerCase())),
  );
}

function statusText({status, body}: HttpResponse): string {
  return `${status} ${printable(body.statusMessage ?? '')}`.trim();
}

/** RFC 9110, 10.2.3: seconds or a date. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function isCertificateError(code: unknown): boolean {
  return typeof code === 'string' && /CERT|SELF_SIGNED|UNABLE_TO/.test(code);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('cancelled', {cause: reason});
}
