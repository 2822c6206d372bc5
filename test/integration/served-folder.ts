import {existsSync, readFileSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';

/** A folder that is served over HTTP, at the same port each time that it is started. */
export class ServedFolder {
  readonly root: string;
  /** Paths that were asked for, since whoever looks has emptied the list. */
  readonly asked: string[] = [];
  #server: Server | undefined;
  #port = 0;

  constructor(root: string) {
    this.root = root;
  }

  get uri(): string {
    return `http://127.0.0.1:${String(this.#port)}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? '/').replace(/^\/+/, '');
      this.asked.push(path);
      const file = join(this.root, path);
      if (path.includes('..') || !existsSync(file)) response.writeHead(404).end();
      else response.writeHead(200).end(readFileSync(file));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }
}
