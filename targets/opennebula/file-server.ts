import {randomBytes} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import {type AddressInfo, connect} from 'node:net';
import {pipeline} from 'node:stream';
import {FgError, isErrno} from '../../src/errors.ts';

export interface ServedFile {
  readonly file: string;
  readonly sizeBytes: number;
  /** Address of this host that is listened on, and that the URL names. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Path in the URL; absent: one that nobody can guess. */
  readonly path?: string;
  /** The last part of the path. */
  readonly fileName: string;
  /** How much of the file the longest download has so far, 0 to 1. */
  readonly onProgress: (fraction: number) => void;
}

export interface FileServer extends AsyncDisposable {
  readonly url: string;
}

/** Paths as this module makes them. */
export const servedPath = /^\/fgimage-[0-9a-f]{32}\/[^/]+$/;

/**
 * Gives one file, under one path that nobody can guess, as long as it is not disposed. The front-end comes more than
 * once: for the size, for the first kilobytes, which it hangs up after, and for all of it.
 */
export async function serveFile(served: ServedFile): Promise<FileServer> {
  const {host, port, fileName} = served;
  const path = served.path ?? `/fgimage-${randomBytes(16).toString('hex')}/${encodeURIComponent(fileName)}`;
  const server = createServer((request, response) => answer(request, response, {...served, path}));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(error, served)));
    server.listen({host, port}, () => resolve());
  });
  const {port: bound} = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}${path}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The address of this host on the way to another: what that one reaches it by, where nothing translates addresses. */
export async function addressTowards(url: URL, signal: AbortSignal): Promise<string> {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  const socket = connect({host, port, signal});
  try {
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const address = socket.localAddress ?? '';
    // An IPv4 address of a socket for both families.
    return address.replace(/^::ffff:/, '');
  } catch (error) {
    signal.throwIfAborted();
    throw new FgError('REMOTE_UNREACHABLE', `${url.host} takes no connection`, {cause: error});
  } finally {
    socket.destroy();
  }
}

interface ServedAt extends ServedFile {
  readonly path: string;
}

function answer(request: IncomingMessage, response: ServerResponse, served: ServedAt): void {
  const {method, url} = request;
  if (url !== served.path || (method !== 'GET' && method !== 'HEAD')) {
    response.writeHead(url === served.path ? 405 : 404, {'content-length': 0}).end();
    return;
  }
  const {file, sizeBytes, onProgress} = served;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': sizeBytes,
    'accept-ranges': 'none',
  });
  if (method === 'HEAD') {
    response.end();
    return;
  }
  const source = createReadStream(file, {highWaterMark: 1 << 18});
  source.on('data', () => onProgress(sizeBytes === 0 ? 1 : source.bytesRead / sizeBytes));
  // Who hangs up early has what it wanted; who does not get everything says so in the state of the image.
  pipeline(source, response, () => undefined);
}

function cannotListen(error: Error, {host, port}: ServedFile): Error {
  if (!isErrno(error, 'EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'ENOTFOUND', 'EINVAL')) return error;
  const at = port === 0 ? host : `${host} port ${port}`;
  return new FgError('USAGE', `The disk cannot be served at ${at}: ${error.message}`, {
    hint: 'Name an address of this host that the front-end reaches with register.serve, or use register.path or register.http_source',
    cause: error,
  });
}
