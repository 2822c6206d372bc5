import {readAll} from '../../http/body.ts';
import {discard, HttpClient, type HttpRequest, type HttpResponse, whileReading} from '../../http/client.ts';
import {RemoteError} from '../../http/error.ts';

export interface OciClientOptions {
  /** The registry's root, e.g. `https://registry.example.org`. */
  readonly root: URL;
  readonly name: string;
  /** `user:password`. */
  readonly login?: string | undefined;
  readonly silenceMs?: number | undefined;
}

type OciRequest = Omit<HttpRequest, 'url'> & {readonly url: URL | string};

/**
 * Requests to a registry with what it asks for: HTTP Basic, or a bearer token from the service that its challenge
 * names (distribution's token authentication). A token is kept until the registry wants another.
 */
export class OciClient {
  readonly #options: OciClientOptions;
  readonly #http: HttpClient;
  #authorization: string | undefined;

  constructor(options: OciClientOptions) {
    this.#options = options;
    this.#http = new HttpClient(options.name, {silenceMs: options.silenceMs});
  }

  /** A path like `/v2/…`, or a location that the registry gave. Answers and throws as `HttpClient.send`. */
  async send(request: OciRequest): Promise<HttpResponse> {
    const url = new URL(request.url, this.#options.root);
    const response = await this.#http.send(this.#authorized({...request, url}));
    const challenge = response.headers['www-authenticate'];
    if (response.status !== 401 || challenge === undefined || url.origin !== this.#options.root.origin) {
      return response;
    }
    const authorization = await this.#answer(challenge, request.signal);
    if (authorization === undefined) return response;
    discard(response);
    this.#authorization = authorization;
    return await this.#http.send(this.#authorized({...request, url}));
  }

  refused(response: HttpResponse, what: string): RemoteError {
    return this.#http.refused(response, what);
  }

  #authorized(request: HttpRequest): HttpRequest {
    const isOwn = request.url.origin === this.#options.root.origin;
    if (this.#authorization === undefined || !isOwn) return request;
    return {...request, headers: {...request.headers, authorization: this.#authorization}};
  }

  async #answer(challenge: string, signal: AbortSignal): Promise<string | undefined> {
    const {login} = this.#options;
    const basic = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
    if (/^basic\b/i.test(challenge)) return basic;
    const {realm, ...parameters} = challengeParameters(challenge);
    if (!/^bearer\b/i.test(challenge) || realm === undefined) return undefined;
    const url = this.#realm(realm);
    for (const name of ['service', 'scope']) {
      const value = parameters[name];
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const headers = basic === undefined ? {} : {authorization: basic};
    const response = await this.#http.send({method: 'GET', url, headers, signal});
    if (response.status !== 200) throw this.#http.refused(response, 'No token is given out');
    const text = await whileReading(this.#options.name, signal, () => readAll(response.body, 1 << 20));
    const token = tokenFrom(text.toString('utf8'));
    if (token === undefined) throw this.#http.refused(response, 'No token is given out');
    return `Bearer ${token}`;
  }

  /** The token service may be another host; a password goes there only as safely as to the registry. */
  #realm(realm: string): URL {
    const {root} = this.#options;
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const isWeb = url?.protocol === 'https:' || (url?.protocol === 'http:' && root.protocol === 'http:');
    if (url === undefined || !isWeb) {
      throw new RemoteError('refused', `${this.#options.name} names no token service that can be asked`);
    }
    return url;
  }
}

/** The `name="value"` pairs of a challenge (RFC 9110, 11.6.1). */
function challengeParameters(challenge: string): Readonly<Record<string, string | undefined>> {
  const pairs = challenge.matchAll(/(?<name>[a-z_]+)=(?:"(?<quoted>[^"]*)"|(?<bare>[^\s,]+))/gi);
  return Object.fromEntries(
    [...pairs].map(({groups}) => [
      groups?.['name']?.toLowerCase() ?? '',
      groups?.['quoted'] ?? groups?.['bare'] ?? '',
    ]),
  );
}

function tokenFrom(text: string): string | undefined {
  try {
    const answer = JSON.parse(text) as unknown;
    if (typeof answer !== 'object' || answer === null) return undefined;
    const token =
      'token' in answer ? answer.token : 'access_token' in answer ? answer.access_token : undefined;
    return typeof token === 'string' ? token : undefined;
  } catch {
    return undefined;
  }
}
