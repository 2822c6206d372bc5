import {createHash, createHmac} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {S3V2, stringToSign} from '../../../src/clients/s3-v2.ts';
import {alice, S3Peer, type S3User} from '../targets/peers/s3-peer.ts';

const never = new AbortController().signal;

function open(peer: S3Peer, user: S3User = alice): S3V2 {
  return new S3V2({
    name: 'The store',
    endpoint: new URL(peer.url),
    accessKeyId: user.id,
    secretAccessKey: user.secret,
    signal: never,
  });
}

function put(s3: S3V2, key: string, text: string, headers?: Readonly<Record<string, string>>) {
  const body = Buffer.from(text);
  const md5 = createHash('md5').update(body).digest('hex');
  return s3.put({bucket: 'images', key, body, md5, ...(headers === undefined ? {} : {headers})});
}

describe('stringToSign()', () => {
  // Amazon S3 developer guide, "REST authentication examples".
  it.each([
    ['GET', {date: 'Tue, 27 Mar 2007 19:36:42 +0000'}, 'bWq2s1WEIj+Ydj0vQ697zp+IXMU='],
    [
      'PUT',
      {'content-type': 'image/jpeg', date: 'Tue, 27 Mar 2007 21:15:45 +0000'},
      'MyyxeRY7whkBe+bq8fHCL/2kKUg=',
    ],
  ])("gives Amazon's own example: %s", (method, headers, signature) => {
    const signed = createHmac('sha1', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')
      .update(stringToSign(method, '/johnsmith/photos/puppy.jpg', headers))
      .digest('base64');
    expect(signed).toBe(signature);
  });
});

describe('S3V2', () => {
  it('puts, reads, looks at and deletes, with names that need encoding, below a path of the service', async () => {
    await using peer = await S3Peer.start({
      kind: 'walrus',
      buckets: ['images'],
      base: '/services/objectstorage',
    });
    const s3 = open(peer);
    const key = "VMS/a b/ü+(1)!*'&<x>";
    await expect(put(s3, key, 'bytes', {'x-amz-acl': 'private', 'x-amz-meta-mark': 'one'})).resolves.toBe(
      createHash('md5').update('bytes').digest('hex'),
    );
    expect(peer.object('images', key)).toMatchObject({acl: 'private', metadata: {'x-amz-meta-mark': 'one'}});
    await expect(s3.get({bucket: 'images', key}, 100)).resolves.toEqual(Buffer.from('bytes'));
    await expect(s3.head({bucket: 'images', key})).resolves.toMatchObject({sizeBytes: 5});
    await expect(s3.list('images', 'VMS/a b/')).resolves.toMatchObject([{key, sizeBytes: 5}]);
    await s3.remove({bucket: 'images', key});
    await s3.remove({bucket: 'images', key});
    await expect(s3.head({bucket: 'images', key})).resolves.toBeUndefined();
    await expect(s3.get({bucket: 'images', key}, 100)).resolves.toBeUndefined();
    await expect(s3.list('other', '')).resolves.toBeUndefined();
  });

  it('reads a listing of several pages', async () => {
    await using peer = await S3Peer.start({kind: 'walrus', buckets: ['images'], pageSize: 2});
    const s3 = open(peer);
    for (const key of ['a1', 'a2', 'a3', 'a4', 'a5', 'b']) await put(s3, key, key);
    const listed = await s3.list('images', 'a');
    expect(listed?.map(({key}) => key)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5']);
    expect(peer.requests.filter((line) => line.startsWith('GET'))).toHaveLength(3);
  });

  it('does not take what Cumulus lists beside what was asked for', async () => {
    await using peer = await S3Peer.start({kind: 'cumulus', buckets: ['images']});
    const s3 = open(peer);
    for (const key of ['VMS/a_b/one', 'VMS/axb/two', 'vms/a_b/three']) await put(s3, key, key);
    const listed = await s3.list('images', 'VMS/a_b/');
    expect(listed?.map(({key}) => key)).toEqual(['VMS/a_b/one']);
    expect(peer.requests.at(-1)).not.toContain('max-keys');
  });

  it.each<[S3Peer['fault'] | undefined, S3User, object]>([
    [
      undefined,
      {...alice, id: 'BOB'},
      {
        kind: 'refused',
        message:
          'Writing disk: The store answers 403 InvalidAccessKeyId: The AWS Access Key Id does not exist in our records.',
        hint: 'Check the access key: the site does not know it.',
      },
    ],
    [
      undefined,
      {...alice, secret: 'guessed'},
      {kind: 'refused', code: 'SignatureDoesNotMatch', hint: 'Check the secret key.'},
    ],
    [
      (_request, response) => {
        response.writeHead(403).end('<Error><Code>\u001b[31m</Code><Message>no');
        return true;
      },
      alice,
      {
        kind: 'refused',
        message: 'Writing disk: The store answers 403',
        hint: expect.stringContaining('access key') as string,
      },
    ],
  ])('tells what the store says, and no credentials: %#', async (fault, user, expected) => {
    await using peer = await S3Peer.start({kind: 'walrus', buckets: ['images']});
    if (fault !== undefined) peer.fault = fault;
    const failure: unknown = await put(open(peer, user), 'disk', 'bytes').catch((error: unknown) => error);
    expect(failure).toMatchObject(expected);
    expect(JSON.stringify([failure, String(failure)])).not.toContain(user.secret);
  });

  it('puts again what a store that is busy, or hangs up, did not take', async () => {
    await using peer = await S3Peer.start({kind: 'walrus', buckets: ['images']});
    let left = 2;
    peer.fault = (request, response) => {
      left -= 1;
      if (left === 1) response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
      if (left === 0) request.socket.destroy();
      return left >= 0;
    };
    await put(open(peer), 'disk', 'bytes');
    expect(peer.requests).toHaveLength(3);
    expect(peer.object('images', 'disk')?.bytes.toString()).toBe('bytes');
  });
});
