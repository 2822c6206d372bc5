import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

/** Handles a request in its own way and gives true, or leaves it to the server. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A server as Bazel's HTTP cache wants one, in this process, that can be told to misbehave. */
export class FaultyServer {
  /** What was put, by path. */
  readonly entries = new Map<string, Buffer>();
  /** Method and path of each request, in order. */
  readonly requests: string[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  fault: Fault = () => false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => this.#handle(request, response));
  }

  static async start(): Promise<FaultyServer> {
    const server = new FaultyServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const {method = '', url = ''} = request;
    const path = url.replace(/\?.*/, '');
    this.requests.push(`${method} ${url}`);
    this.headers.push(request.headers);
    response.sendDate = false;
    if (this.fault(request, response)) {
      request.resume();
      return;
    }
    if (method === 'PUT') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        this.entries.set(path, Buffer.concat(chunks));
        response.writeHead(201).end();
      });
      return;
    }
    const entry = this.entries.get(path);
    if (entry === undefined) response.writeHead(404).end('nothing here\n');
    else response.writeHead(200, {'content-length': entry.length}).end(method === 'HEAD' ? undefined : entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers the first so many requests that match in another way. */
export function times(count: number, matches: string, answer: (response: ServerResponse) => void): Fault {
  let left = count;
  return (request, response) => {
    if (left === 0 || !`${request.method ?? ''} ${request.url ?? ''}`.startsWith(matches)) return false;
    left -= 1;
    answer(response);
    return true;
  };
}

export function status(
  code: number,
  headers: Readonly<Record<string, string>> = {},
): (response: ServerResponse) => void {
  return (response) => response.writeHead(code, headers).end();
}
