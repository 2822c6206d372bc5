import {readdirSync, readFileSync} from 'node:fs';
import {afterEach, beforeEach, describe, expect, it, vi} from 'vitest';
import {S3Backend} from '../../../cache/remote/s3.ts';
import {sha256} from '../../../cache/tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {FaultyServer, status, times} from './faulty-server.ts';
import {keyOf, never} from './samples.ts';

const bytes = Buffer.alloc(300_000, 'layer');
const blob = {sha256: sha256(bytes), sizeBytes: bytes.length};

function open(server: FaultyServer, silenceMs = 5000): S3Backend {
  return new S3Backend({bucket: 'bucket', prefix: 'team', endpoint: server.url, silenceMs});
}

describe('S3Backend', () => {
  beforeEach(() => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'id');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('puts bytes under their digest, signed for these bytes, and without checksums that others do not know', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder({layer: bytes.toString()});
    const backend = open(server);
    await backend.putBlob(blob, folder.join('layer'), never);
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(readFileSync(folder.join('copy')).equals(bytes)).toBe(true);
    const [request] = server.requests;
    const [headers = {}] = server.headers;
    expect(request).toBe(`PUT /bucket/team/cas/${blob.sha256}?x-id=PutObject`);
    expect(headers).toMatchObject({'content-length': '300000', 'x-amz-content-sha256': blob.sha256});
    expect(headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/us-east-1\/s3\/aws4_request, /,
    );
    expect(Object.keys(headers).filter((name) => /checksum|trailer|encoding/.test(name))).toEqual([]);
  });

  it.each([
    [403, 'refused', 's3://bucket/team cannot be used: 403', 'Check the AWS credentials'],
    [400, 'refused', 's3://bucket/team refuses: 400', undefined],
    [429, 'unreachable', 's3://bucket/team cannot be reached: 429', undefined],
    [503, 'unreachable', 's3://bucket/team cannot be reached: 503', undefined],
  ])('tells %i as %s, after one try', async (code, kind, message, hint) => {
    await using server = await FaultyServer.start();
    server.fault = times(9, '', status(code));
    await expect(open(server).getRecord(keyOf('web'), never)).rejects.toMatchObject({
      kind,
      message: expect.stringContaining(message) as string,
      hint: hint === undefined ? undefined : (expect.stringContaining(hint) as string),
    });
    expect(server.requests).toHaveLength(1);
  });

  it('gives up a server that dies, or says nothing, in the middle of a blob, and leaves no file', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder();
    const begin = (end: boolean): void => {
      server.fault = times(1, 'GET', (response) => {
        response.writeHead(200, {'content-length': bytes.length});
        response.write(bytes.subarray(0, 100_000), () => end && response.destroy());
      });
    };
    begin(true);
    await expect(open(server).getBlob(blob, folder.join('blob'), never)).rejects.toMatchObject({
      kind: 'unreachable',
      retriable: true,
    });
    begin(false);
    await expect(open(server, 100).getBlob(blob, folder.join('blob'), never)).rejects.toMatchObject({
      kind: 'unreachable',
      retriable: true,
    });
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('gives up a server that says nothing at all', async () => {
    await using server = await FaultyServer.start();
    server.fault = times(1, '', () => undefined);
    await expect(open(server, 100).getRecord(keyOf('web'), never)).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });

  it('refuses other bytes', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder();
    server.fault = times(9, 'GET', (response) => response.writeHead(200).end('other'));
    await expect(open(server).getBlob(blob, folder.join('blob'), never)).rejects.toMatchObject({
      kind: 'damaged',
    });
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('drops the parts of an upload that fails', async () => {
    await using server = await FaultyServer.start();
    using folder = new TemporaryFolder({layer: bytes.toString()});
    server.fault = (request, response) => {
      if (request.method === 'POST') {
        const answer =
          '<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>';
        response.writeHead(200, {'content-type': 'application/xml'}).end(answer);
      } else response.writeHead(request.method === 'DELETE' ? 204 : 400).end();
      return true;
    };
    const backend = new S3Backend({bucket: 'bucket', prefix: '', endpoint: server.url, partBytes: 100_000});
    await expect(backend.putBlob(blob, folder.join('layer'), never)).rejects.toMatchObject({kind: 'refused'});
    const path = `/bucket/cas/${blob.sha256}`;
    expect(server.requests).toEqual([
      `POST ${path}?uploads=`,
      `PUT ${path}?partNumber=1&uploadId=u1&x-id=UploadPart`,
      `DELETE ${path}?uploadId=u1&x-id=AbortMultipartUpload`,
    ]);
  });

  it('ends at once when it is cancelled', async () => {
    await using server = await FaultyServer.start();
    const stop = new AbortController();
    server.fault = times(1, '', () => stop.abort(new Error('enough')));
    await expect(open(server).getRecord(keyOf('web'), stop.signal)).rejects.toThrow('enough');
  });
});
