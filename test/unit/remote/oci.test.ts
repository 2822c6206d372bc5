import {describe, expect, it} from 'vitest';
import type {RemoteBackend} from '../../../cache/remote/backend.ts';
import {openBackend} from '../../../cache/remote/open.ts';
import {sha256} from '../../../cache/tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {type Fault, FaultyServer, status} from './faulty-server.ts';
import {keyOf, never} from './samples.ts';

const record = Buffer.from('{"version":1}');
const recordDigest = sha256(record);
const tag = `/v2/team/cache/manifests/ac-${keyOf('web')}`;

function open(server: FaultyServer, env: Readonly<Record<string, string>> = {}, login = ''): RemoteBackend {
  return openBackend(`oci://${login}${new URL(server.url).host}/team/cache`, {env});
}

function manifest(digest: string, mediaType = 'application/vnd.fgimage.record.v1+json'): Buffer {
  return Buffer.from(JSON.stringify({config: {mediaType, digest: `sha256:${digest}`, size: record.length}}));
}

/** Wants a bearer token from its own `/token`, and gives one to who knows the password. */
function tokenService(server: FaultyServer, password: string | undefined): Fault {
  return (request, response) => {
    const given = request.headers.authorization;
    if (request.url?.startsWith('/token') === true) {
      const wanted = password === undefined ? undefined : `Basic ${Buffer.from(password).toString('base64')}`;
      if (given === wanted) response.writeHead(200).end('{"token":"t1"}');
      else response.writeHead(401).end();
      return true;
    }
    if (given === 'Bearer t1') return false;
    const scope = 'repository:team/cache:pull';
    const challenge = `Bearer realm="${server.url}/token",service="reg",scope="${scope}"`;
    response.writeHead(401, {'www-authenticate': challenge}).end();
    return true;
  };
}

describe('OciBackend', () => {
  it('reads a record by its tag', async () => {
    await using server = await FaultyServer.start();
    const backend = open(server);
    expect(await backend.getRecord(keyOf('web'), never)).toBeUndefined();
    server.entries.set(tag, manifest(recordDigest));
    server.entries.set(`/v2/team/cache/blobs/sha256:${recordDigest}`, record);
    expect(await backend.getRecord(keyOf('web'), never)).toEqual(record);
  });

  it.each([
    ['no JSON', Buffer.from('no')],
    ['an image', manifest(recordDigest, 'application/vnd.oci.image.config.v1+json')],
    ['a path for a digest', manifest('../../../etc/passwd')],
    ['a record that is gone', manifest('0'.repeat(64))],
    ['null', Buffer.from('null')],
  ])('takes a tag with %s for none', async (_, bytes) => {
    await using server = await FaultyServer.start();
    server.entries.set(tag, bytes);
    server.entries.set(`/v2/team/cache/blobs/sha256:${recordDigest}`, record);
    expect(await open(server).getRecord(keyOf('web'), never)).toBeUndefined();
  });

  it('gets a token without a name, keeps it, and gets another when it no longer holds', async () => {
    await using server = await FaultyServer.start();
    server.fault = tokenService(server, undefined);
    const backend = open(server);
    await backend.getRecord(keyOf('web'), never);
    await backend.getRecord(keyOf('web'), never);
    expect(server.requests).toEqual([
      `GET ${tag}`,
      '/token?service=reg&scope=repository%3Ateam%2Fcache%3Apull'.replace(/^/, 'GET '),
      `GET ${tag}`,
      `GET ${tag}`,
    ]);
  });

  it("gets a token with the login of the URL, of docker's file or of podman's", async () => {
    await using server = await FaultyServer.start();
    const {host} = new URL(server.url);
    server.fault = tokenService(server, 'me:secret');
    server.entries.set(tag, manifest(recordDigest));
    server.entries.set(`/v2/team/cache/blobs/sha256:${recordDigest}`, record);
    const auth = Buffer.from('me:secret').toString('base64');
    using folder = new TemporaryFolder({
      'config.json': JSON.stringify({auths: {[`https://${host}/v1/`]: {auth}}}),
      '.docker/config.json': JSON.stringify({auths: {[host]: {username: 'me', password: 'secret'}}}),
      'wrong.json': JSON.stringify({auths: {other: {auth}, [host]: {}}}),
    });
    for (const backend of [
      open(server, {}, 'me:secret@'),
      open(server, {DOCKER_CONFIG: folder.path}),
      open(server, {HOME: folder.path, REGISTRY_AUTH_FILE: folder.join('wrong.json')}),
    ]) {
      expect(await backend.getRecord(keyOf('web'), never)).toEqual(record);
    }
    await expect(open(server, {}).getRecord(keyOf('web'), never)).rejects.toMatchObject({
      kind: 'refused',
      message: `No token is given out: oci://${host}/team/cache answers 401 Unauthorized`,
    });
  });

  it('answers a challenge for HTTP Basic', async () => {
    await using server = await FaultyServer.start();
    const {host} = new URL(server.url);
    server.fault = (request, response) => {
      if (request.headers.authorization === `Basic ${Buffer.from('me:secret').toString('base64')}`)
        return false;
      response.writeHead(401, {'www-authenticate': 'Basic realm="registry"'}).end();
      return true;
    };
    expect(await open(server, {}, 'me:secret@').getRecord(keyOf('web'), never)).toBeUndefined();
    await expect(open(server, {}, 'me:wrong@').getRecord(keyOf('web'), never)).rejects.toMatchObject({
      message: `A record cannot be read: oci://${host}/team/cache answers 401 Unauthorized`,
    });
  });

  it('sends no password to a token service that is no web address', async () => {
    await using server = await FaultyServer.start();
    server.fault = (_, response) => {
      status(401, {'www-authenticate': 'Bearer realm="file:///etc/passwd"'})(response);
      return true;
    };
    await expect(open(server, {}, 'me:secret@').getRecord(keyOf('web'), never)).rejects.toMatchObject({
      kind: 'refused',
      message: `oci://${new URL(server.url).host}/team/cache names no token service that can be asked`,
    });
  });
});
