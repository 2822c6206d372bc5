import {randomBytes} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import {pipeline} from 'node:stream/promises';

/**
 * Serves the files of one boot test to its guest, on the loopback interface only. A request names a file by a key of
 * a fixed table under a random folder: no path of a request ever reaches the file system, and other users of the
 * host cannot guess the folder.
 */
export interface BootServer extends AsyncDisposable {
  readonly port: number;
  /** Path of the random folder, `/` and hexadecimal digits. */
  readonly folder: string;
}

/** A file on disk, or its bytes. */
export type ServedFile = {readonly path: string} | {readonly bytes: Uint8Array};

export type ServedFiles = ReadonlyMap<string, ServedFile>;

export async function startBootServer(files: ServedFiles): Promise<BootServer> {
  const folder = `/${randomBytes(16).toString('hex')}`;
  const server = createServer((request, response) => {
    const file = files.get(nameOf(request, folder));
    // A guest that resets its connection, or a file that went away, ends this response and nothing else.
    answer({request, response, file}).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({host: '127.0.0.1', port: 0}, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The boot server has no TCP port');
  return {
    port: address.port,
    folder,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function nameOf({url = ''}: IncomingMessage, folder: string): string {
  return url.startsWith(`${folder}/`) ? url.slice(folder.length + 1) : '';
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly file: ServedFile | undefined;
}

async function answer({request, response, file}: Exchange): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405);
  if (file === undefined) return end(response, 404);
  const size = 'bytes' in file ? file.bytes.length : (await stat(file.path)).size;
  response.writeHead(200, {'content-type': 'application/octet-stream', 'content-length': size});
  if (request.method === 'HEAD') response.end();
  else if ('bytes' in file) response.end(file.bytes);
  else await pipeline(createReadStream(file.path), response);
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, {'content-length': 0});
  response.end();
}
