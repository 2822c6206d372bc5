import {once} from 'node:events';
import {readdirSync, readFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {describe, expect, it} from 'vitest';
import type {Blob, RemoteBackend} from '../../../cache/remote/backend.ts';
import {HttpBackend} from '../../../cache/remote/http.ts';
import {sha256} from '../../../cache/tree.ts';
import {withRetries} from '../../../src/http/retry.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {FaultyServer, status, times} from './faulty-server.ts';
import {keyOf, never} from './samples.ts';

const bytes = Buffer.alloc(300_000, 'layer');
const blob: Blob = {sha256: sha256(bytes), sizeBytes: bytes.length};
const path = `/cas/${blob.sha256}`;

function open(server: FaultyServer, options: {token?: string; silenceMs?: number} = {}): RemoteBackend {
  return new HttpBackend(new URL(server.url), options);
}

function patient<T>(call: () => Promise<T>): Promise<T> {
  return withRetries(call, {signal: never, delaysMs: [1, 1]});
}

describe('HttpBackend', () => {
  it('stores and gives records and blobs', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder({layer: bytes.toString()});
    const backend = open(server);
    expect(await backend.getRecord(keyOf('web'), never)).toBeUndefined();
    expect(await backend.hasBlob(blob, never)).toBe(false);
    await backend.putBlob(blob, folder.join('layer'), never);
    expect(await backend.hasBlob(blob, never)).toBe(true);
    expect(await backend.hasBlob({...blob, sizeBytes: 1}, never)).toBe(false);
    await backend.putRecord(keyOf('web'), Buffer.from('{}'), {blobs: [blob], signal: never});
    expect((await backend.getRecord(keyOf('web'), never))?.toString()).toBe('{}');
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(readFileSync(folder.join('copy')).equals(bytes)).toBe(true);
    expect([...server.entries.keys()]).toEqual([path, `/ac/${keyOf('web')}`]);
  });

  it('leaves a record that is there, unless it is to be replaced', async () => {
    await using server = await FaultyServer.start();
    const backend = open(server);
    const put = (text: string, replace?: boolean): Promise<void> =>
      backend.putRecord('k', Buffer.from(text), {blobs: [], signal: never, ...(replace && {replace})});
    await put('one');
    await put('two');
    expect(server.entries.get('/ac/k')?.toString()).toBe('one');
    await put('three', true);
    expect(server.entries.get('/ac/k')?.toString()).toBe('three');
    // Somebody was faster between the question and the answer.
    server.fault = (request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end();
      else response.writeHead(request.headers['if-none-match'] === '*' ? 412 : 500).end();
      return true;
    };
    await put('four');
  });

  it('sends a token, or what stands in the URL, to this server only', async () => {
    await using server = await FaultyServer.start();
    await using other = await FaultyServer.start();
    await open(server, {token: 'tok'}).getRecord('k', never);
    const url = new URL(server.url);
    url.username = 'me';
    url.password = 'p@ss:word';
    const backend = new HttpBackend(url, {token: 'tok'});
    expect(backend.name).toBe(server.url);
    await backend.getRecord('k', never);
    server.fault = times(1, 'GET', status(307, {location: `${other.url}/elsewhere`}));
    other.entries.set('/elsewhere', Buffer.from('moved'));
    expect((await backend.getRecord('k', never))?.toString()).toBe('moved');
    const basic = `Basic ${Buffer.from('me:p@ss:word').toString('base64')}`;
    expect(server.headers.map(({authorization}) => authorization)).toEqual(['Bearer tok', basic, basic]);
    expect(other.headers.map(({authorization}) => authorization)).toEqual([undefined]);
  });

  it.each([
    ['401', 'refused', 'A record cannot be read: NAME answers 401 Unauthorized', false],
    ['403', 'refused', 'A record cannot be read: NAME answers 403 Forbidden', false],
    ['418', 'refused', "A record cannot be read: NAME answers 418 I'm a Teapot", false],
    ['429', 'unreachable', 'NAME answers 429 Too Many Requests', true],
    ['500', 'unreachable', 'NAME answers 500 Internal Server Error', true],
    ['503', 'unreachable', 'NAME answers 503 Service Unavailable', true],
  ])('tells %s as %s', async (code, kind, message, retriable) => {
    await using server = await FaultyServer.start();
    server.fault = times(1, 'GET', status(Number(code)));
    await expect(open(server).getRecord('k', never)).rejects.toMatchObject({
      kind,
      message: message.replace('NAME', server.url),
      retriable,
    });
  });

  it('does not follow redirects in circles, nor to other schemes', async () => {
    await using server = await FaultyServer.start();
    server.fault = (_, response) => {
      response.writeHead(302, {location: '/round'}).end();
      return true;
    };
    await expect(open(server).getRecord('k', never)).rejects.toThrow(
      `It redirects in circles: ${server.url} answers 302 Found`,
    );
    server.fault = times(1, 'GET', status(302, {location: 'file:///etc/passwd'}));
    await expect(open(server).getRecord('k', never)).rejects.toThrow(
      `It redirects to where fgimage does not go: ${server.url} answers 302 Found`,
    );
  });

  it('tries again after 500 and 429, and waits as long as it is asked to', async () => {
    await using server = await FaultyServer.start();
    server.entries.set('/ac/k', Buffer.from('{}'));
    server.fault = times(2, 'GET', status(500));
    expect((await patient(() => open(server).getRecord('k', never)))?.toString()).toBe('{}');
    server.fault = times(1, 'GET', status(429, {'retry-after': '1'}));
    const startedAt = performance.now();
    expect((await patient(() => open(server).getRecord('k', never)))?.toString()).toBe('{}');
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expect(server.requests).toEqual(Array<string>(5).fill('GET /ac/k'));
  });

  it('gives up after three tries', async () => {
    await using server = await FaultyServer.start();
    server.fault = times(9, 'GET', status(500));
    await expect(patient(() => open(server).getRecord('k', never))).rejects.toThrow(
      `${server.url} answers 500 Internal Server Error`,
    );
    expect(server.requests).toHaveLength(3);
  });

  describe('refuses and leaves no file of', () => {
    it.each([
      [
        'a blob that is gone',
        'missing',
        `The blob ${blob.sha256.slice(0, 12)} is not there any more`,
        undefined,
      ],
      [
        'a shorter blob',
        'damaged',
        `The blob ${blob.sha256.slice(0, 12)} is damaged: 98 KiB came instead of 293 KiB`,
        bytes.subarray(0, 100_000),
      ],
      [
        'a longer blob',
        'damaged',
        `The blob ${blob.sha256.slice(0, 12)} is damaged: it is larger than 293 KiB`,
        Buffer.concat([bytes, bytes]),
      ],
      [
        'a blob with another byte',
        'damaged',
        `The blob ${blob.sha256.slice(0, 12)} is damaged: its bytes have another digest`,
        Buffer.from(bytes.toString().replace('l', 'L')),
      ],
    ])('%s', async (_, kind, message, stored) => {
      await using server = await FaultyServer.start();
      using folder = new TemporaryFolder();
      if (stored !== undefined) server.entries.set(path, stored);
      const getting = open(server).getBlob(blob, folder.join('blob'), never);
      await expect(getting).rejects.toMatchObject({kind, message, retriable: false});
      expect(readdirSync(folder.path)).toEqual([]);
    });
  });

  it('tries again when the server dies in the middle of a blob', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder();
    server.entries.set(path, bytes);
    const dies = times(1, 'GET', (response) => {
      response.writeHead(200, {'content-length': bytes.length});
      response.write(bytes.subarray(0, 100_000), () => response.destroy());
    });
    server.fault = dies;
    const backend = open(server);
    await expect(backend.getBlob(blob, folder.join('blob'), never)).rejects.toMatchObject({
      kind: 'unreachable',
      message: `${server.url} broke off an answer: aborted`,
      retriable: true,
    });
    expect(readdirSync(folder.path)).toEqual([]);
    await backend.getBlob(blob, folder.join('blob'), never);
    expect(readFileSync(folder.join('blob')).equals(bytes)).toBe(true);
  });

  it('gives up a server that says nothing: before an answer, in one, and while it should take a blob', async () => {
    await using server = await FaultyServer.start();
    const big = Buffer.alloc(20_000_000, 'x');
    using folder = new TemporaryFolder({big: big.toString()});
    const backend = open(server, {silenceMs: 60});
    const silent = {kind: 'unreachable', message: `${server.url} says nothing for 0.06 s`, retriable: true};
    server.fault = times(1, 'GET', () => undefined);
    await expect(backend.getRecord('k', never)).rejects.toMatchObject(silent);
    server.fault = times(1, 'GET', (response) => {
      response.writeHead(200, {'content-length': bytes.length}).write(bytes.subarray(0, 100_000));
    });
    await expect(backend.getBlob(blob, folder.join('blob'), never)).rejects.toMatchObject(silent);
    server.fault = (request) => {
      request.pause();
      request.resume = () => request;
      return true;
    };
    const put = backend.putBlob({sha256: sha256(big), sizeBytes: big.length}, folder.join('big'), never);
    await expect(put).rejects.toMatchObject(silent);
    expect(readdirSync(folder.path)).toEqual(['big']);
  });

  it('waits for a server that is slow and not silent', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder();
    server.fault = times(1, 'GET', (response) => {
      response.writeHead(200, {'content-length': bytes.length});
      let sent = 0;
      const more = setInterval(() => {
        response.write(bytes.subarray(sent, sent + 10_000));
        sent += 10_000;
        if (sent >= bytes.length) clearInterval(more);
      }, 20);
    });
    const startedAt = performance.now();
    await open(server, {silenceMs: 400}).getBlob(blob, folder.join('blob'), never);
    expect(performance.now() - startedAt).toBeGreaterThan(400);
  });

  it('takes the answer of a server that does not want to read everything', async () => {
    await using server = await FaultyServer.start();
    const big = Buffer.alloc(20_000_000, 'x');
    using folder = new TemporaryFolder({big: big.toString()});
    server.fault = (request, response) => {
      response.writeHead(403).end('go away\n');
      request.resume();
      return true;
    };
    const put = open(server).putBlob({sha256: sha256(big), sizeBytes: big.length}, folder.join('big'), never);
    await expect(put).rejects.toMatchObject({
      kind: 'refused',
      message: `A blob is not taken: ${server.url} answers 403 Forbidden`,
      hint: 'Check the credentials for it, and what they allow.',
    });
  });

  it('tells that nobody listens', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    await new Promise((resolve) => listener.close(resolve));
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const backend = new HttpBackend(new URL(`http://127.0.0.1:${port}/cache/`));
    await expect(backend.getRecord('k', never)).rejects.toMatchObject({
      kind: 'unreachable',
      message: `http://127.0.0.1:${port}/cache cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  it('ends at once when it is cancelled', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder();
    const stop = new AbortController();
    server.fault = times(1, 'GET', (response) => {
      response.writeHead(200, {'content-length': bytes.length}).write(bytes.subarray(0, 100_000), () => {
        stop.abort(new Error('enough'));
      });
    });
    await expect(open(server).getBlob(blob, folder.join('blob'), stop.signal)).rejects.toThrow('enough');
    await expect(open(server).getRecord('k', stop.signal)).rejects.toThrow('enough');
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('tells a failure of its own disk as what it is', async () => {
    await using server = await FaultyServer.start();
    server.entries.set(path, bytes);
    await expect(open(server).getBlob(blob, '/dev/full/blob', never)).rejects.toMatchObject({
      code: 'ENOTDIR',
    });
  });
});
