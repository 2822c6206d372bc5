import {callXmlRpc, type XmlRpcValue} from '../../src/clients/xml-rpc.ts';
import {FgError} from '../../src/errors.ts';
import {HttpClient} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {withRetries} from '../../src/http/retry.ts';
import {printable} from '../../src/ui/format.ts';
import type {OneSession} from './credentials.ts';

/** ErrorCode of include/Request.h. */
export const oneCodes = {
  authentication: 0x01_00,
  authorization: 0x02_00,
  noExists: 0x04_00,
  action: 0x08_00,
  rpcApi: 0x10_00,
  internal: 0x20_00,
  allocate: 0x40_00,
  locked: 0x80_00,
  replication: 0x1_00_00,
} as const;

/** OpenNebula made a call, and says no. */
export class OneRefusal extends FgError {
  readonly oneCode: number;

  constructor(message: string, oneCode: number, hint?: string) {
    super('REMOTE_REFUSED', message, hint === undefined ? {} : {hint});
    this.oneCode = oneCode;
  }
}

export interface OneClientOptions {
  readonly url: URL;
  readonly session: OneSession;
  readonly signal: AbortSignal;
  readonly ca?: string;
}

/** Before it answers an allocate, OpenNebula fetches the beginning of the disk, and asks for its size. */
const slowSilenceMs = 180_000;

/**
 * OpenNebula's XML-RPC interface: `one.*` methods with the session before their own arguments, and answers
 * `[did, value or message, error code, …]`.
 */
export class OneClient {
  readonly #http: HttpClient;
  readonly #slowHttp: HttpClient;
  readonly #options: OneClientOptions;

  constructor(options: OneClientOptions) {
    const tls = options.ca === undefined ? {} : {ca: options.ca};
    this.#http = new HttpClient('OpenNebula', tls);
    this.#slowHttp = new HttpClient('OpenNebula', {...tls, silenceMs: slowSilenceMs});
    this.#options = options;
  }

  get user(): string {
    return this.#options.session.user;
  }

  /** A call that reads, or that has the same outcome when it is made twice. */
  async call(method: string, ...params: readonly XmlRpcValue[]): Promise<string | number | boolean> {
    const {signal} = this.#options;
    return withRetries(async () => this.#once(this.#http, method, params), {signal});
  }

  /** A call that makes something new each time. */
  async callOnce(method: string, ...params: readonly XmlRpcValue[]): Promise<string | number | boolean> {
    return this.#once(this.#slowHttp, method, params);
  }

  async text(method: string, ...params: readonly XmlRpcValue[]): Promise<string> {
    const value = await this.call(method, ...params);
    if (typeof value !== 'string') throw unexpected(method);
    return value;
  }

  async #once(
    http: HttpClient,
    method: string,
    params: readonly XmlRpcValue[],
  ): Promise<string | number | boolean> {
    const {url, session, signal} = this.#options;
    const answer = await callXmlRpc(
      {http, url, name: 'OpenNebula'},
      {method, params: [session.secret, ...params], signal},
    );
    if (!Array.isArray(answer)) throw unexpected(method);
    const [did, value, code] = answer as readonly XmlRpcValue[];
    if (typeof did !== 'boolean' || typeof code !== 'number') throw unexpected(method);
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw unexpected(method);
    if (did) return value;
    throw this.#refusal(method, String(value), code);
  }

  #refusal(method: string, said: string, code: number): Error {
    const {secret, from} = this.#options.session;
    const text = printable(said.replaceAll(secret, '***'));
    // A cluster of front-ends that has no leader for a moment (RequestXRPC.cc).
    if (code === oneCodes.replication || /no leader found|election mode|replicating log/.test(text))
      return new RemoteError('unreachable', `OpenNebula says: ${text}`);
    const hint =
      code === oneCodes.authentication
        ? `Check the user and the password in ${from}`
        : code === oneCodes.authorization
          ? 'Ask who runs the cloud for the right to do this, or choose what you may do'
          : code === oneCodes.locked
            ? 'Somebody locked it: `oneimage unlock` or `onetemplate unlock` frees it'
            : undefined;
    return new OneRefusal(`OpenNebula refuses ${method}: ${text}`, code, hint);
  }
}

/** What a call gives, undefined where its object is not there. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

export function isGone(error: unknown): boolean {
  return error instanceof OneRefusal && error.oneCode === oneCodes.noExists;
}

function unexpected(method: string): RemoteError {
  return new RemoteError('damaged', `OpenNebula answers ${method} with something else than documented`);
}
