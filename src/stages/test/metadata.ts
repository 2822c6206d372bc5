import {constants} from 'node:fs';
import {copyFile, open} from 'node:fs/promises';
import {createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse} from 'node:http';
import {join} from 'node:path';
import {packageRoot} from '../../package-root.ts';
import type {MetadataService} from './platforms/platform.ts';
import type {ForwardedService} from './qemu.ts';

/**
 * The metadata services of one guest. They listen on sockets in the boot's private folder: no other user of the host
 * reaches them, and the guest does by way of QEMU, which starts relay.pl for each connection to a service's address.
 */
export interface MetadataServers extends AsyncDisposable {
  readonly forwarded: readonly ForwardedService[];
  /** What the guest asked for, and the status it got. */
  readonly asked: readonly string[];
}

/** A request, without what HTTP needs for itself. */
export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type AnswerTo = (ask: Ask) => Answer;

export const notFound: Answer = {status: 404, body: 'Not Found\n'};

export function textAnswer(body: string): Answer {
  return {status: 200, type: 'text/plain', body};
}

export function jsonAnswer(value: unknown): Answer {
  return {status: 200, type: 'application/json', body: JSON.stringify(value)};
}

const relayName = 'relay.pl';

export async function startMetadataServers(
  services: readonly MetadataService[],
  folder: string,
): Promise<MetadataServers> {
  const asked: string[] = [];
  const running: AsyncDisposable[] = [];
  const stop = async (): Promise<void> => {
    for (const server of running) await server[Symbol.asyncDispose]();
  };
  try {
    if (services.length > 0)
      await copyFile(join(packageRoot, 'src/stages/test', relayName), join(folder, relayName));
    const forwarded: ForwardedService[] = [];
    for (const [index, {address, port, answer}] of services.entries()) {
      const socket = `service-${index}.sock`;
      const tell = (line: string): void => void asked.push(`${address}: ${line}`);
      running.push(await listenIn(folder, socket, {answer, tell}));
      forwarded.push({address, port, command: `perl ${relayName} ${socket}`});
    }
    return {forwarded, asked, [Symbol.asyncDispose]: stop};
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Responder {
  readonly answer: AnswerTo;
  readonly tell: (line: string) => void;
}

/** The folder is named by its open file, since the path of a socket must be short (unix(7)). */
async function listenIn(folder: string, socket: string, responder: Responder): Promise<AsyncDisposable> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  const server = createServer((request, response) => respond(responder, request, response));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${handle.fd}/${socket}`, resolve);
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await handle.close();
    },
  };
}

function respond({answer, tell}: Responder, request: IncomingMessage, response: ServerResponse): void {
  const {method = 'GET', url = '/', headers} = request;
  // What a guest reports to its cloud is taken and not looked at.
  request.resume();
  request.on('error', () => response.destroy());
  const [path = '/', query = ''] = url.split('?', 2);
  const {
    status,
    type,
    body = '',
    headers: own,
  } = answer({method, path, query: new URLSearchParams(query), headers});
  tell(`${method} ${url} ${status}`);
  response.writeHead(status, {
    ...own,
    ...(type !== undefined && {'content-type': type}),
    'content-length': Buffer.byteLength(body),
  });
  response.end(method === 'HEAD' ? undefined : body);
}
