import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import http, {type IncomingMessage, type ServerResponse} from 'node:http';
import https from 'node:https';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {Transform} from 'node:stream';

/**
 * Stands before a server, passes everything on, and notes what was asked. It can hold an upload after some bytes: what
 * comes later never arrives.
 */
export class Front implements AsyncDisposable {
  readonly seen: string[] = [];
  /** The token of the last request that had one. */
  lastToken = '';
  /** Bytes of a PUT after which it is held. */
  #holdAfterBytes = Number.POSITIVE_INFINITY;
  #held: () => void = () => undefined;
  readonly #server: http.Server;
  readonly #protocol: string;

  private constructor(port: number, tls?: https.ServerOptions) {
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      this.#pass(request, response, port);
    this.#server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
    // The server behind decides whether it wants the body.
    this.#server.on('checkContinue', listener);
    this.#protocol = tls === undefined ? 'http' : 'https';
  }

  static async before(port: number, tls?: https.ServerOptions): Promise<Front> {
    const front = new Front(port, tls);
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get url(): string {
    const {port} = this.#server.address() as AddressInfo;
    return `${this.#protocol}://127.0.0.1:${port}`;
  }

  /** What was asked since the last time. */
  takeSeen(): readonly string[] {
    return this.seen.splice(0);
  }

  /** Holds uploads after some bytes, until `release`; resolves when one is held. */
  hold(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#holdAfterBytes = bytes;
      this.#held = resolve;
    });
  }

  release(): void {
    this.#holdAfterBytes = Number.POSITIVE_INFINITY;
  }

  /** Calls the server as somebody else would, with the token that was last seen here or another one. */
  async call(method: string, path: string, extra: CallExtra = {}): Promise<Record<string, unknown>> {
    const {json, type = 'application/json', token = this.lastToken, headers = {}} = extra;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {'content-type': type, 'x-auth-token': token, ...headers},
      ...(json !== undefined && {body: JSON.stringify(json)}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  }

  #pass(request: IncomingMessage, response: ServerResponse, port: number): void {
    const {method = '', url = '', headers} = request;
    const {'x-auth-token': token} = headers;
    if (typeof token === 'string') this.lastToken = token;
    this.seen.push(`${method} ${url.split('?')[0] ?? ''}`);
    const onward = http.request({host: '127.0.0.1', port, method, path: url, headers, agent: false});
    onward.on('continue', () => response.writeContinue());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => request.socket.destroy());
    request.on('close', () => {
      if (!request.complete) onward.destroy();
    });
    if (method === 'PUT') request.pipe(this.#holding()).pipe(onward);
    else request.pipe(onward);
  }

  #holding(): Transform {
    let passedBytes = 0;
    const holdAfterBytes = this.#holdAfterBytes;
    const held = this.#held;
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        passedBytes += chunk.length;
        this.push(chunk);
        if (passedBytes < holdAfterBytes) done();
        else held();
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export interface CallExtra {
  readonly json?: unknown;
  readonly type?: string;
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

/** A certificate for 127.0.0.1 that nobody trusts, signed by itself. */
export function selfSigned(folder: string): https.ServerOptions & {readonly file: string} {
  const [key, file] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', file],
    ],
    {stdio: 'ignore'},
  );
  return {key: readFileSync(key), cert: readFileSync(file), file};
}
