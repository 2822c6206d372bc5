import {FgError} from '../../src/errors.ts';
import {discard, HttpClient, type HttpRequest, type HttpResponse} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {withRetries} from '../../src/http/retry.ts';
import {jsonOf, type Refusal, refusalOf} from './answer.ts';
import type {Cloud} from './credentials.ts';
import {type Grant, GrantCache} from './grant-cache.ts';
import {authenticate} from './keystone.ts';

export interface Call {
  readonly method: HttpRequest['method'];
  /** Below `/v2`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly body?: HttpRequest['body'];
  /** Whether it may be made again when nobody knows what became of it. */
  readonly isSafe?: boolean;
}

/** A holder of a token who talks to Glance. Asks Keystone only when there is no token, or Glance does not take it. */
export class Session {
  readonly #cloud: Cloud;
  readonly #signal: AbortSignal;
  readonly #cache: GrantCache;
  readonly #keystone: HttpClient;
  readonly #glance: HttpClient;
  #grant: Promise<Grant> | undefined;

  constructor(cloud: Cloud, {env, signal}: {readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal}) {
    this.#cloud = cloud;
    this.#signal = signal;
    this.#cache = new GrantCache(cloud, env);
    const tls = {ca: cloud.ca, insecure: cloud.isInsecure};
    this.#keystone = new HttpClient('Keystone', tls);
    // After the last byte of an upload, a store may need its time.
    this.#glance = new HttpClient('Glance', {...tls, silenceMs: 180_000, serverErrors: 'given'});
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  /** A token that lives for some time yet. */
  async grant(leastMs = leastLifeMs): Promise<Grant> {
    this.#grant ??= this.#obtain();
    const grant = await this.#grant;
    if (grant.expiresAt - Date.now() >= leastMs) return grant;
    const fresh = this.#authenticate();
    this.#grant = fresh;
    return fresh;
  }

  /** Makes a call, a second time with a new token where the first was not taken. */
  async send(call: Call): Promise<HttpResponse> {
    const grant = await this.grant(call.body === undefined ? leastLifeMs : uploadLifeMs);
    const response = await this.#once(call, grant);
    if (response.status !== 401) return response;
    discard(response);
    await this.#cache.forget(grant.token);
    this.#grant = this.#authenticate();
    return this.#once(call, await this.#grant);
  }

  /** The JSON of an answer with one of these statuses. */
  async json(call: Call, what: string, statuses: readonly number[] = [200, 201]): Promise<unknown> {
    const response = await this.send(call);
    if (!statuses.includes(response.status)) throw refusal(what, await refusalOf(response));
    return jsonOf(response, 'Glance', this.#signal);
  }

  async #once({method, path, headers, json, body, isSafe}: Call, grant: Grant): Promise<HttpResponse> {
    const request: HttpRequest = {
      method,
      url: new URL(`${grant.imageUrl}${path}`),
      headers: {
        accept: 'application/json',
        'x-auth-token': grant.token,
        ...(json !== undefined && {'content-type': 'application/json'}),
        ...headers,
      },
      signal: this.#signal,
      ...(json !== undefined && {body: Buffer.from(JSON.stringify(json))}),
      ...(body !== undefined && {body}),
    };
    const isIdempotent = isSafe ?? (method === 'GET' || method === 'DELETE');
    const delaysMs = isIdempotent ? safeDelaysMs : [];
    return this.#trusted(() => withRetries(() => this.#answerOf(request), {signal: this.#signal, delaysMs}));
  }

  /** What may pass by itself is thrown as such, with what Glance says of it. */
  async #answerOf(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.#glance.send(request);
    if (response.status < 500 && response.status !== 429) return response;
    const retryAfterMs = 1000 * Number(response.headers['retry-after'] ?? Number.NaN);
    const {status, words} = await refusalOf(response);
    throw new RemoteError('unreachable', `Glance answers ${status}: ${words}`, {
      retriable: status !== 501,
      retryAfterMs: Number.isNaN(retryAfterMs) ? undefined : retryAfterMs,
    });
  }

  async #obtain(): Promise<Grant> {
    const kept = await this.#cache.read();
    return kept !== undefined && kept.expiresAt - Date.now() >= leastLifeMs ? kept : this.#authenticate();
  }

  async #authenticate(): Promise<Grant> {
    const grant = await this.#trusted(() => authenticate(this.#cloud, this.#keystone, this.#signal));
    await this.#cache.write(grant);
    return grant;
  }

  /** A certificate that is not trusted is the user's to mend. */
  async #trusted<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof RemoteError) || !isCertificateError(error.cause)) throw error;
      throw new FgError('REMOTE_UNREACHABLE', `The certificate is not trusted: ${error.message}`, {
        cause: error,
        hint: certificateHint(codeOf(error.cause), this.#cloud),
      });
    }
  }
}

/** What a token has to live at least for a call, and for an upload. */
const leastLifeMs = 60_000;
const uploadLifeMs = 20 * 60_000;

/** Long enough for a server that is started again. */
const safeDelaysMs: readonly number[] = [250, 1000, 3000, 8000];

/** A refusal in Glance's words. */
export function refusal(what: string, {status, words}: Refusal): FgError {
  return new FgError('REMOTE_REFUSED', `${what}: Glance answers ${status}: ${words}`, hintFor(status, words));
}

function hintFor(status: number, words: string): {readonly hint: string} | undefined {
  if (status === 413 || /quota|limit/i.test(words))
    return {hint: 'Take older images away (register.keep_last), or ask for a larger quota'};
  if (status === 401) return {hint: 'Keystone has just given this token: ask whoever runs the cloud'};
  if (status === 403 && /publi|communit/i.test(words))
    return {hint: 'Leave register.visibility out; whoever runs the cloud may publish the image later'};
  return status === 403 ? {hint: 'Ask whoever runs the cloud for the right to do this'} : undefined;
}

function isCertificateError(cause: unknown): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO/.test(codeOf(cause));
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}

function certificateHint(code: string, {source, caFile}: Cloud): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `It is for another host: check auth_url of ${source}, and what the catalog says`;
  if (code === 'CERT_HAS_EXPIRED') return 'It has expired: ask whoever runs the cloud';
  return caFile === undefined
    ? `Name the bundle with its CA as cacert of ${source}, or with OS_CACERT`
    : `cacert of ${source} is ${caFile}: it does not hold the certificate's CA`;
}
