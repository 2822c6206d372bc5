import {createServer, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

/** What the mirror does with one path. */
export type Behaviour =
  | {readonly gives: Buffer}
  | {readonly status: number}
  /** Says `length` and ends after `sends`. */
  | {readonly truncates: Buffer; readonly after: number}
  | {readonly redirectsTo: string}
  /** Bytes without an end. */
  | {readonly pours: true};

/** A mirror, or a proxy, that does to each path what it is told; all other paths are 404. */
export class FaultyMirror implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server: Server;
  /** May be changed while it runs. */
  readonly behaviours: Map<string, Behaviour>;

  private constructor(behaviours: Readonly<Record<string, Behaviour>>) {
    this.behaviours = new Map(Object.entries(behaviours));
    this.#server = createServer((request, response) => {
      // As a proxy it is asked for whole URIs.
      const path = (request.url ?? '').replace(/^http:\/\/[^/]*/, '');
      this.asked.push(path);
      this.#answer(path, response);
    });
  }

  static async start(behaviours: Readonly<Record<string, Behaviour>>): Promise<FaultyMirror> {
    const mirror = new FaultyMirror(behaviours);
    await new Promise<void>((resolve) => mirror.#server.listen(0, '127.0.0.1', resolve));
    return mirror;
  }

  /** The URI of a path of it. */
  at(path: string): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(path: string, response: ServerResponse): void {
    const behaviour = this.behaviours.get(path) ?? {status: 404};
    if ('gives' in behaviour) {
      response.setHeader('content-length', behaviour.gives.length);
      response.end(behaviour.gives);
    } else if ('status' in behaviour) {
      response.statusCode = behaviour.status;
      response.setHeader('content-length', 0);
      response.end();
    } else if ('truncates' in behaviour) {
      response.setHeader('content-length', behaviour.truncates.length);
      response.write(behaviour.truncates.subarray(0, behaviour.after), () => response.destroy());
    } else if ('redirectsTo' in behaviour) {
      response.statusCode = 302;
      response.setHeader('location', behaviour.redirectsTo);
      response.setHeader('content-length', 0);
      response.end();
    } else {
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', pour);
      pour();
    }
  }
}

/** An address at which nobody listens. */
export async function deadAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const {port} = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${String(port)}`;
}
