import {generateKeyPairSync, sign} from 'node:crypto';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import {runSign} from '../../src/cli/sign.ts';
import {runVerifySignature} from '../../src/cli/verify-signature.ts';
import {readReference} from '../../src/clients/oci/reference.ts';
import {manifestType, Registry, type Stored, stored} from '../../src/clients/oci/registry.ts';
import {type RealServer, startRegistry} from './remote-servers.ts';

const root = join(inject('testRoot'), 'sign');
const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
let open: RealServer;
let closed: RealServer;

beforeAll(async () => {
  mkdirSync(root);
  // As in remote.test.ts: htpasswd's format, bcrypt of "secret".
  const bcrypt = '$2y$05$w8ePFKxWk7PnSVDYDEz/xeHHe9FM2pF6fCI59qzH56qUT4/WM4n2m';
  writeFileSync(join(root, 'htpasswd'), `me:${bcrypt}\n`);
  open = await startRegistry(join(root, 'open'));
  closed = await startRegistry(join(root, 'closed'), join(root, 'htpasswd'));
  const auth = Buffer.from('me:secret').toString('base64');
  writeFileSync(join(root, 'auth.json'), JSON.stringify({auths: {[`127.0.0.1:${closed.port}`]: {auth}}}));
});

afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await closed[Symbol.asyncDispose]();
});

describe('signatures in a registry', () => {
  it('are made and found by tag and by digest', async () => {
    const {name, digest} = await pushArtifact(open, 'team/web');
    const ada = keyPair('ada');
    const before = `${name} is not signed: ${digest} has no signatures`.replace(name, `${name}:1.0`);
    expect(await verify(`${name}:1.0`, ada.publicPath)).toBe(before);
    expect(await signed(`${name}:1.0`, ada.path)).toMatch(
      new RegExp(`^\\S+:1\\.0: ${digest} signed with SHA256:`),
    );
    expect(await verify(`${name}:1.0`, ada.publicPath)).toBeUndefined();
    expect(await verify(`${name}@${digest}`, ada.publicPath)).toBeUndefined();
  });

  it('has the form of cosign', async () => {
    const {name, digest, registry} = await pushArtifact(open, 'form');
    const ada = keyPair('ada');
    await signed(`${name}@${digest}`, ada.path);
    const manifest = JSON.parse((await signatures(registry, digest)).bytes.toString()) as SignatureManifest;
    const [layer] = manifest.layers;
    expect(manifest).toMatchObject({
      schemaVersion: 2,
      mediaType: manifestType,
      config: {mediaType: 'application/vnd.oci.image.config.v1+json'},
      layers: [
        {
          mediaType: payloadType,
          annotations: {'dev.cosignproject.cosign/signature': expect.any(String) as unknown},
        },
      ],
    });
    const payload = (await registry.blob(layer?.digest ?? ''))?.bytes.toString();
    expect(payload).toBe(
      `{"critical":{"identity":{"docker-reference":"${name}"},"image":{"docker-manifest-digest":"${digest}"},"type":"cosign container image signature"},"optional":null}`,
    );
    const config = JSON.parse(
      (await registry.blob(manifest.config.digest))?.bytes.toString() ?? '',
    ) as object;
    expect(config).toMatchObject({rootfs: {type: 'layers', diff_ids: [layer?.digest]}});
  });

  it('stay beside each other, each once', async () => {
    const {name, digest, registry} = await pushArtifact(open, 'several');
    const [ada, bob, eve] = [keyPair('ada'), keyPair('bob'), keyPair('eve')];
    await signed(`${name}:1.0`, ada.path);
    await signed(`${name}:1.0`, bob.path);
    expect(await signed(`${name}:1.0`, ada.path)).toContain(`${digest} was signed before with`);
    const {layers} = JSON.parse((await signatures(registry, digest)).bytes.toString()) as SignatureManifest;
    expect(layers).toHaveLength(2);
    expect(await verify(`${name}:1.0`, ada.publicPath)).toBeUndefined();
    expect(await verify(`${name}:1.0`, bob.publicPath)).toBeUndefined();
    expect(await verify(`${name}:1.0`, eve.publicPath)).toBe(
      `${name}:1.0 has no signature that counts: a signature is of another key`,
    );
  });

  it('do not count for another artifact, nor once they are changed', async () => {
    const first = await pushArtifact(open, 'moved', 'one');
    const ada = keyPair('ada');
    await signed(`${first.name}:1.0`, ada.path);
    const theirs = await signatures(first.registry, first.digest);
    const second = await pushArtifact(open, 'moved', 'two');
    expect(await verify(`${second.name}:1.0`, ada.publicPath)).toBe(
      `${second.name}:1.0 is not signed: ${second.digest} has no signatures`,
    );
    await second.registry.putManifest(signatureTag(second.digest), theirs.bytes);
    expect(await verify(`${second.name}:1.0`, ada.publicPath)).toBe(
      `${second.name}:1.0 has no signature that counts: a signature is for another artifact`,
    );
    const manifest = JSON.parse(theirs.bytes.toString()) as SignatureManifest;
    const payload = stored(Buffer.from('{"critical":{}}'));
    await first.registry.putBlob(payload);
    const layer = {...manifest.layers[0], digest: payload.digest, size: payload.bytes.length};
    const changed = Buffer.from(JSON.stringify({...manifest, layers: [layer]}));
    await first.registry.putManifest(signatureTag(first.digest), changed);
    expect(await verify(`${first.name}@${first.digest}`, ada.publicPath)).toBe(
      `${first.name}@${first.digest} has no signature that counts: a signature is of another key`,
    );
  });

  it.each(['ec', 'rsa'] as const)('that others made with a key of the type %s count', async (type) => {
    const {name, digest, registry} = await pushArtifact(open, `foreign-${type}`);
    const {privateKey, publicKey} =
      type === 'ec'
        ? generateKeyPairSync('ec', {namedCurve: 'P-256'})
        : generateKeyPairSync('rsa', {modulusLength: 2048});
    const critical = {image: {'docker-manifest-digest': digest}, type: 'cosign container image signature'};
    const payload = stored(Buffer.from(JSON.stringify({critical, optional: {creator: 'them'}})));
    await registry.putBlob(payload);
    const signature = sign('sha256', payload.bytes, privateKey).toString('base64');
    await registry.putManifest(signatureTag(digest), signatureManifest(payload, signature));
    const path = join(root, `${type}.pem`);
    writeFileSync(path, publicKey.export({type: 'spki', format: 'pem'}));
    expect(await verify(`${name}:1.0`, path)).toBeUndefined();
  });

  it('that cosign 2.5 made counts', async () => {
    const {name, digest, registry} = await pushArtifact(open, 'by-cosign');
    const payload = stored(Buffer.from(byCosign.payload));
    await registry.putBlob(payload);
    await registry.putManifest(signatureTag(digest), signatureManifest(payload, byCosign.signature));
    const path = join(root, 'cosign.pub');
    writeFileSync(path, byCosign.publicKey);
    expect(await verify(`${name}:1.0`, path)).toBeUndefined();
  });

  it('need a login where the registry wants one', async () => {
    const env = {REGISTRY_AUTH_FILE: join(root, 'auth.json')};
    const {name} = await pushArtifact(closed, 'private', 'one', env);
    const ada = keyPair('ada');
    await expect(signed(`${name}:1.0`, ada.path)).rejects.toMatchObject({
      code: 'REGISTRY_REFUSED',
      exitCode: 4,
    });
    expect(await signed(`${name}:1.0`, ada.path, env)).toContain('signed with');
    expect(await verify(`${name}:1.0`, ada.publicPath, env)).toBeUndefined();
  });

  it('are told from an artifact that is not there', async () => {
    const ada = keyPair('ada');
    const name = `127.0.0.1:${open.port}/nothing:1.0`;
    await expect(signed(name, ada.path)).rejects.toThrow(`There is no ${name} in the registry`);
    expect(await verify(name, ada.publicPath)).toBe(`There is no ${name} in the registry`);
  });
});

/** What `cosign sign --key` put into a registry for what `pushArtifact` puts there. */
const byCosign = {
  payload:
    '{"critical":{"identity":{"docker-reference":"127.0.0.1:5987/team/web2"},"image":{"docker-manifest-digest":"sha256:d20a40d9dd187f3c21c3951aeb93a68656808ac4f2ec4c63ee432877d27199b0"},"type":"cosign container image signature"},"optional":null}',
  signature:
    'MEQCIELt04K9c9HAw3bMFgxWQeAQ+N10wSYWoeB1PhlU0b6PAiACc8Rx8l1odCJ7lrle3uSG4xa0C8HU1Su1p/hxD0FhxQ==',
  publicKey: `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtoM0oD5Y+i1J65J4sKe+1h17Uxli
sQN408Ykl16S4mQ8fZ+BMgfOgjnGg3qgJyqJqU5ooQ6A/izK8ZHLSuf/Mg==
-----END PUBLIC KEY-----
`,
};

interface SignatureManifest {
  readonly config: {readonly digest: string};
  readonly layers: readonly {readonly digest: string; readonly size: number}[];
}

/** Puts a small artifact into a registry, under the tag 1.0. */
async function pushArtifact(
  server: RealServer,
  repository: string,
  content = 'content',
  env = {},
): Promise<{readonly name: string; readonly digest: string; readonly registry: Registry}> {
  const name = `127.0.0.1:${server.port}/${repository}`;
  const reference = readReference(`${name}:1.0`);
  if (!reference.ok) throw new Error(reference.error);
  const registry = new Registry(reference.value, {env, signal: new AbortController().signal});
  const layer = stored(Buffer.from(content));
  const config = stored(Buffer.from('{}'));
  await registry.putBlob(layer);
  await registry.putBlob(config);
  const descriptor = ({bytes, digest}: Stored, mediaType: string): object => ({
    mediaType,
    size: bytes.length,
    digest,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')],
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await registry.putManifest('1.0', bytes);
  return {name, digest: stored(bytes).digest, registry};
}

function signatureManifest(payload: Stored, signature: string): Buffer {
  const {digest} = payload;
  const size = payload.bytes.length;
  const layer = {
    ...{mediaType: payloadType, size, digest},
    annotations: {'dev.cosignproject.cosign/signature': signature},
  };
  const config = {mediaType: 'application/vnd.oci.image.config.v1+json', size, digest};
  return Buffer.from(JSON.stringify({schemaVersion: 2, mediaType: manifestType, config, layers: [layer]}));
}

function keyPair(name: string): {readonly path: string; readonly publicPath: string} {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  const [path, publicPath] = [join(root, name), join(root, `${name}.pem`)];
  writeFileSync(path, privateKey.export({type: 'pkcs8', format: 'pem'}));
  writeFileSync(publicPath, publicKey.export({type: 'spki', format: 'pem'}));
  return {path, publicPath};
}

async function signatures(registry: Registry, digest: string): Promise<Stored> {
  const found = await registry.manifest(signatureTag(digest));
  if (found === undefined) throw new Error(`There are no signatures of ${digest}`);
  return found;
}

function signatureTag(digest: string): string {
  return `${digest.replace(':', '-')}.sig`;
}

async function signed(oci: string, key: string, env = {}): Promise<string> {
  const printed: string[] = [];
  const stream = {write: (text: string) => printed.push(text)};
  await runSign({oci, key, output: root, stream, env});
  return printed.join('');
}

/** The message of what is wrong; undefined: nothing. */
async function verify(oci: string, publicKey: string, env = {}): Promise<string | undefined> {
  try {
    await runVerifySignature({oci, publicKey, output: root, stream: {write: () => true}, env});
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}
