import {createHash} from 'node:crypto';
import {once} from 'node:events';
import http, {type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

export interface StandInAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Endpoint {
  readonly interface: string;
  readonly region: string;
  readonly type?: string;
}

/**
 * Stands in for Keystone and Glance, for what the real ones cannot be brought to do: takes one image, counts and digests
 * its bytes, and forgets them; `answers` goes first.
 */
export class StandInGlance implements AsyncDisposable {
  readonly seen: string[] = [];
  image: Record<string, unknown> = {};
  endpoints: readonly Endpoint[] = [{interface: 'public', region: 'R1'}];
  answers: (call: string) => StandInAnswer | undefined = () => undefined;
  readonly #server = http.createServer((request, response) => void this.#answer(request, response));

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get url(): string {
    const {port} = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const {method = '', url = ''} = request;
    const call = `${method} ${(url.split('?')[0] ?? '').replace(/[0-9a-f-]{36}/, '{id}')}`;
    this.seen.push(call);
    const {sizeBytes, sha512, text} = await readBody(request, method === 'PUT');
    const given = this.answers(call) ?? this.#usual(call, text);
    if (method === 'PUT' && given.status === 204) this.#keep(call, sizeBytes, sha512);
    const body = given.body === undefined ? '' : JSON.stringify(given.body);
    response.writeHead(given.status, given.headers).end(typeof given.body === 'string' ? given.body : body);
  }

  #keep(call: string, size: number, sha512: string): void {
    const status = call.endsWith('/stage') ? 'uploading' : 'active';
    this.image = {...this.image, status, size, os_hash_algo: 'sha512', os_hash_value: sha512};
  }

  #usual(call: string, text: string): StandInAnswer {
    switch (call) {
      case 'POST /v3/auth/tokens': {
        const expires_at = new Date(Date.now() + 3_600_000).toISOString();
        const catalog = this.endpoints.map(({type = 'image', ...endpoint}) => ({
          type,
          endpoints: [{...endpoint, url: this.url}],
        }));
        const token = {expires_at, project: {id: 'one'}, catalog};
        return {status: 201, body: {token}, headers: {'x-subject-token': 'token'}};
      }
      case 'POST /v2/images':
        this.image = {...(JSON.parse(text) as object), status: 'queued'};
        return {status: 201, body: this.image};
      case 'GET /v2/images':
        return {status: 200, body: {images: this.image['id'] === undefined ? [] : [this.image]}};
      case 'PATCH /v2/images/{id}':
        this.#patch(JSON.parse(text) as readonly Operation[]);
        return {status: 200, body: this.image};
      case 'POST /v2/images/{id}/import':
        return {status: 202};
      case 'PUT /v2/images/{id}/file':
      case 'PUT /v2/images/{id}/stage':
      case 'DELETE /v2/images/{id}':
        return {status: 204};
      case 'GET /v2/images/{id}':
        return {status: 200, body: this.image};
      default:
        return {status: 404, body: '<html><body><h1>404 Not Found</h1>Not here<br /></body></html>'};
    }
  }

  #patch(operations: readonly Operation[]): void {
    const removed = new Set(operations.filter(({op}) => op === 'remove').map(({path}) => path.slice(1)));
    const set = operations.filter(({op}) => op !== 'remove').map(({path, value}) => [path.slice(1), value]);
    const kept = Object.entries(this.image).filter(([name]) => !removed.has(name));
    this.image = {...Object.fromEntries(kept), ...(Object.fromEntries(set) as object)};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

async function readBody(
  request: IncomingMessage,
  isData: boolean,
): Promise<{readonly sizeBytes: number; readonly sha512: string; readonly text: string}> {
  const hash = createHash('sha512');
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (isData) hash.update(chunk);
    else chunks.push(chunk);
  }
  return {sizeBytes, sha512: hash.digest('hex'), text: Buffer.concat(chunks).toString('utf8')};
}
