import {createHash} from 'node:crypto';
import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import {S3V2} from '../../src/clients/s3-v2.ts';
import {openRegistrar} from '../../targets/nimbus/register.ts';
import type {Registrar} from '../../targets/registrar.ts';
import {image} from '../rig/images.ts';
import {Progress, SiteFolder} from '../unit/targets/peers/site-folder.ts';
import {type RealServer, s3Credentials, startSwift} from './remote-servers.ts';

/**
 * Cumulus is in no package archive. Its protocol is S3 with signatures of version 2, and Swift's S3 API is a server of
 * it that others have written.
 */
const root = join(inject('testRoot'), 'nimbus');
const {AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey} = s3Credentials;
const mark = {digest: 'd'.repeat(64), lineage: 'site/web/nimbus'};
/** Swift takes no upper case, as Cumulus' own `Repo` has. */
const bucket = 'repo';
let swift: RealServer;
let folder: SiteFolder;

beforeAll(async () => {
  mkdirSync(root, {recursive: true});
  folder = new SiteFolder();
  swift = await startSwift(join(root, 'swift'));
  await client().createBucket(bucket);
});

afterAll(async () => {
  await swift[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
  rmSync(root, {recursive: true, force: true});
});

function client(secret = secretAccessKey): S3V2 {
  return new S3V2({
    name: 'Swift',
    endpoint: new URL(`http://127.0.0.1:${swift.port}`),
    accessKeyId,
    secretAccessKey: secret,
    signal: new AbortController().signal,
  });
}

function open(signal = new AbortController().signal): Promise<Registrar> {
  const lines = {
    'vws.repository': `127.0.0.1:${swift.port}`,
    'vws.repository.s3id': accessKeyId.replace(':', '\\:'),
    'vws.repository.s3key': secretAccessKey,
    'vws.repository.canonicalid': '3f1a',
    'vws.repository.s3bucket': bucket,
  };
  const text = Object.entries(lines).map(([name, value]) => `${name}=${value}\n`);
  folder.write({'cloud.properties': text.join('')});
  return openRegistrar({
    image: image(),
    target: 'nimbus',
    options: {register: {cloud_properties: 'cloud.properties'}},
    name: 'web-1',
    mark,
    projectDir: folder.path,
    env: {},
    signal,
    warn: () => undefined,
  });
}

describe('the registrar of nimbus with Swift', () => {
  it('puts an image, finds it, gives up half-way through, finishes, sees what was altered, and deletes', async () => {
    const bytes = Buffer.alloc(64 * 2 ** 20, 'disk');
    const artifact = folder.artifact({'disk.raw': bytes});
    const killed = new AbortController();
    const progress = new Progress();
    const unfinished = (await open(killed.signal)).create(artifact, {
      begun: progress.begun,
      report: (message, fraction = 0) => {
        if (message === 'uploading' && fraction > 0.2) killed.abort(new Error('killed'));
      },
    });
    await expect(unfinished).rejects.toThrow('killed');
    expect(progress.ids).toEqual(['VMS/3f1a/web-1']);
    const registrar = await open();
    const [begun, ...more] = await registrar.find();
    expect(more).toEqual([]);
    expect(begun).toMatchObject({id: 'VMS/3f1a/web-1', health: 'pending', mark});

    const made = await registrar.create(artifact, new Progress(), begun);
    expect(made).toMatchObject({id: 'VMS/3f1a/web-1', health: 'ready', mark});
    await expect(registrar.find()).resolves.toEqual([made]);
    const stored = await client().get({bucket, key: made.id}, bytes.length);
    expect(stored?.equals(bytes)).toBe(true);

    const other = Buffer.from('other bytes');
    const md5 = createHash('md5').update(other).digest('hex');
    await client().put({bucket, key: made.id, body: other, md5});
    await expect(registrar.get(made.id)).resolves.toMatchObject({health: 'broken', status: 'altered'});
    const again = await registrar.create(artifact, new Progress());
    await registrar.remove(again);
    await expect(registrar.find()).resolves.toEqual([]);
    await expect(client().list(bucket, '')).resolves.toEqual([]);
  });

  it('is told by the server what is wrong with a digest, a key and a bucket', async () => {
    const body = Buffer.from('bytes');
    const place = {bucket, key: 'VMS/3f1a/x'};
    await expect(client().put({...place, body, md5: '0'.repeat(32)})).rejects.toMatchObject({
      kind: 'refused',
      code: 'BadDigest',
    });
    await expect(client('guessed').head(place)).rejects.toMatchObject({kind: 'refused', status: 403});
    await expect(client('guessed').list(bucket, '')).rejects.toMatchObject({
      code: 'SignatureDoesNotMatch',
      hint: 'Check the secret key.',
    });
    await expect(client().list('nothing', '')).resolves.toBeUndefined();
    await expect(client().head(place)).resolves.toBeUndefined();
  });

  it('reads a listing with keys that need encoding', async () => {
    const body = Buffer.from('x');
    const md5 = createHash('md5').update(body).digest('hex');
    const keys = ['a b', 'ü+(1)', "*'&<x>", 'z'].map((name) => `pages/${name}`);
    for (const key of keys) await client().put({bucket, key, body, md5});
    const listed = await client().list(bucket, 'pages/');
    expect(listed?.map(({key}) => key).sort()).toEqual([...keys].sort());
    expect(listed?.[0]).toMatchObject({sizeBytes: 1, md5});
    for (const key of keys) await client().remove({bucket, key});
  });
});
