import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {CreateBucketCommand, S3Client} from '@aws-sdk/client-s3';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import type {RemoteBackend} from '../../cache/remote/backend.ts';
import {OciBackend} from '../../cache/remote/oci.ts';
import {openBackend} from '../../cache/remote/open.ts';
import {RemoteCache} from '../../cache/remote/remote-cache.ts';
import {S3Backend} from '../../cache/remote/s3.ts';
import {generateKeyPair, parseSigningKey, parseTrustedKey} from '../../cache/remote/signature.ts';
import type {WireRecord} from '../../cache/remote/wire.ts';
import {digestFile, sha256} from '../../cache/tree.ts';
import {compiled} from '../rig/compiled.ts';
import {TemporaryFolder} from '../rig/temporary-folder.ts';
import {keyOf, never, sampleRecord, sampleTree} from '../unit/remote/samples.ts';
import {type RealServer, s3Credentials, startRegistry, startSwift, startWebServer} from './remote-servers.ts';

const root = join(inject('testRoot'), 'remote');
const servers: RealServer[] = [];
const pair = generateKeyPair();
let registry: RealServer;
let closedRegistry: RealServer;
let web: RealServer;
let swift: RealServer;

beforeAll(async () => {
  mkdirSync(join(root, 'share'), {recursive: true});
  // htpasswd's format; the registry takes bcrypt only. The password is "secret".
  const htpasswd = join(root, 'htpasswd');
  writeFileSync(htpasswd, `me:${bcryptOfSecret}\n`);
  registry = await startRegistry(join(root, 'registry'));
  closedRegistry = await startRegistry(join(root, 'closed-registry'), htpasswd);
  web = await startWebServer(join(root, 'web'));
  swift = await startSwift(join(root, 'swift'));
  servers.push(registry, closedRegistry, web, swift);
  Object.assign(process.env, s3Credentials, {AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true'});
  await makeBucket();
});

afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  rmSync(root, {recursive: true, force: true});
});

const bcryptOfSecret = '$2y$05$w8ePFKxWk7PnSVDYDEz/xeHHe9FM2pF6fCI59qzH56qUT4/WM4n2m';

async function makeBucket(): Promise<void> {
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${swift.port}`,
    region: 'us-east-1',
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({Bucket: 'cache'}));
  client.destroy();
}

/** Each kind of remote, by its URL. */
const remotes: readonly (readonly [name: string, url: () => string])[] = [
  ['a folder', () => join(root, 'share')],
  ['an HTTP server', () => `http://127.0.0.1:${web.port}/cache/team`],
  ['S3', () => `s3://cache/team?endpoint=http://127.0.0.1:${swift.port}`],
  ['an OCI registry', () => `oci://127.0.0.1:${registry.port}/team/cache`],
  ['an OCI registry with a password', () => `oci://me:secret@127.0.0.1:${closedRegistry.port}/cache`],
];

describe.each(remotes)('a remote cache in %s', (_, url) => {
  function open(): RemoteBackend {
    return openBackend(url(), {env: {}});
  }

  it('stores bytes and records, and leaves a record that is there unless it is to be replaced', async () => {
    using folder = new TemporaryFolder();
    const bytes = randomBytes(3_000_000);
    writeFileSync(folder.join('layer'), bytes);
    const blob = {sha256: sha256(bytes), sizeBytes: bytes.length};
    const backend = open();
    const key = sha256(randomBytes(8));
    expect(await backend.getRecord(key, never)).toBeUndefined();
    expect(await backend.hasBlob(blob, never)).toBe(false);
    await expect(backend.getBlob(blob, folder.join('copy'), never)).rejects.toMatchObject({kind: 'missing'});
    await backend.putBlob(blob, folder.join('layer'), never);
    await backend.putBlob(blob, folder.join('layer'), never);
    expect(await backend.hasBlob(blob, never)).toBe(true);
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(digestFile(folder.join('copy'))).toBe(blob.sha256);
    const put = (text: string, replace?: boolean): Promise<void> =>
      backend.putRecord(key, Buffer.from(text), {blobs: [blob], signal: never, ...(replace && {replace})});
    await put('{"n":1}');
    await put('{"n":2}');
    expect((await backend.getRecord(key, never))?.toString()).toBe('{"n":1}');
    await put('{"n":3}', true);
    expect((await backend.getRecord(key, never))?.toString()).toBe('{"n":3}');
  });

  it('tells a full disk of this machine as what it is, and leaves no file', async () => {
    using folder = new TemporaryFolder();
    const bytes = randomBytes(1_000_000);
    writeFileSync(folder.join('layer'), bytes);
    const blob = {sha256: sha256(bytes), sizeBytes: bytes.length};
    const backend = open();
    await backend.putBlob(blob, folder.join('layer'), never);
    mkdirSync(folder.join('small'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'small', folder.join('small')]);
    try {
      const getting = backend.getBlob(blob, folder.join('small', 'copy'), never);
      await expect(getting).rejects.toMatchObject({code: 'ENOSPC'});
      expect(readdirSync(folder.join('small'))).toEqual([]);
    } finally {
      execFileSync('umount', [folder.join('small')]);
    }
  });

  it('gives a machine with an empty cache what another one made', async () => {
    using folder = new TemporaryFolder({log: 'it went well\n', 'object/.keep': ''});
    const {path, digest} = await sampleTree(folder, 'tree', `for ${url()}\n`);
    const record = sampleRecord('web', digest, {log: sha256('it went well\n')});
    const warnings: string[] = [];
    const common = {workFolder: folder.join('work'), warn: (message: string) => warnings.push(message)};
    const signingKey = parseSigningKey(pair.privatePem);
    const writer = new RemoteCache({...common, backend: open(), mode: 'rw', trustedKeys: [], signingKey});
    expect(await writer.lookup(record.key, never)).toBeUndefined();
    writer.upload(record, {treeFolder: path, logPath: folder.join('log')});
    await writer.finish();
    expect(warnings).toEqual([]);

    const trustedKeys = [parseTrustedKey(pair.publicKey)];
    const reader = new RemoteCache({...common, backend: open(), mode: 'r', trustedKeys});
    const hit = await reader.lookup(record.key, never);
    if (hit === undefined) throw new Error(`No hit: ${reader.statusLine()}`);
    expect(hit.record).toEqual(record);
    const fetched = await reader.fetchObject(hit, folder.join('object'), never);
    expect(fetched).toMatchObject({ok: true, value: {digest}});
    expect((await reader.fetchLog(hit, folder.join('its-log'), never)).ok).toBe(true);
    expect(readFileSync(folder.join('its-log'), 'utf8')).toBe('it went well\n');

    const stranger = new RemoteCache({...common, backend: open(), mode: 'r', trustedKeys: []});
    expect(await stranger.lookup(record.key, never)).toBeUndefined();
    expect(warnings).toEqual([
      `A record of the remote cache ${open().name} is ignored: it is signed by a key that is not trusted, ${pair.id}`,
    ]);
  });

  it('is not believed when somebody poisoned it', async () => {
    using folder = new TemporaryFolder();
    const {path, digest} = await sampleTree(folder, 'tree', `evil for ${url()}\n`);
    const backend = open();
    const warnings: string[] = [];
    const common = {
      backend,
      workFolder: folder.join('work'),
      warn: (message: string) => warnings.push(message),
    };
    const signingKey = parseSigningKey(pair.privatePem);
    const writer = new RemoteCache({...common, mode: 'rw', trustedKeys: [], signingKey});
    writer.upload(sampleRecord('good', digest), {treeFolder: path});
    await writer.finish();
    const bytes = await backend.getRecord(keyOf('good'), never);
    const wire = JSON.parse(bytes?.toString() ?? '') as WireRecord;
    const poisoned = {...wire, record: {...wire.record, digest: keyOf('evil')}};
    const replace = {blobs: [wire.object], replace: true, signal: never};
    await backend.putRecord(keyOf('good'), Buffer.from(JSON.stringify(poisoned)), replace);
    const reader = new RemoteCache({...common, mode: 'r', trustedKeys: [signingKey]});
    expect(await reader.lookup(keyOf('good'), never)).toBeUndefined();
    expect(warnings).toEqual([
      `A record of the remote cache ${backend.name} is ignored: it is not what its signature is for`,
    ]);
  });
});

describe('large blobs', () => {
  const bytes = randomBytes(17 * 1024 * 1024);
  const blob = {sha256: sha256(bytes), sizeBytes: bytes.length};

  it('go up to S3 in parts', async () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('layer'), bytes);
    const endpoint = `http://127.0.0.1:${swift.port}`;
    const backend = new S3Backend({bucket: 'cache', prefix: 'parts', endpoint, partBytes: 5 * 1024 * 1024});
    await backend.putBlob(blob, folder.join('layer'), never);
    expect(await backend.hasBlob(blob, never)).toBe(true);
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(digestFile(folder.join('copy'))).toBe(blob.sha256);
  });

  it('go up to a registry in chunks', async () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('layer'), bytes);
    const rootUrl = new URL(`http://127.0.0.1:${registry.port}`);
    const backend = new OciBackend({
      root: rootUrl,
      name: 'registry',
      repository: 'chunks',
      chunkBytes: 5_000_000,
    });
    await backend.putBlob(blob, folder.join('layer'), never);
    expect(await backend.hasBlob(blob, never)).toBe(true);
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(digestFile(folder.join('copy'))).toBe(blob.sha256);
  });
});

describe('servers that refuse', () => {
  it.each([
    [
      'a wrong password for a registry',
      () => `oci://me:wrong@127.0.0.1:${closedRegistry.port}/cache`,
      (name: string) => `A record cannot be read: ${name} answers 401 Unauthorized`,
    ],
    [
      'a bucket that is not there',
      () => `s3://nowhere?endpoint=http://127.0.0.1:${swift.port}`,
      (name: string) => `${name} refuses: 404 NoSuchBucket`,
    ],
  ])('%s', async (_, url, message) => {
    using folder = new TemporaryFolder({layer: 'layer'});
    const backend = openBackend(url(), {env: {}});
    const blob = {sha256: sha256('layer'), sizeBytes: 5};
    const call = async (): Promise<void> => {
      await backend.getRecord(keyOf('web'), never);
      await backend.putBlob(blob, folder.join('layer'), never);
    };
    await expect(call()).rejects.toMatchObject({kind: 'refused', message: message(backend.name)});
  });

  it('a server that is killed in the middle of an upload', async () => {
    using folder = new TemporaryFolder({'object/.keep': ''});
    const server = await startRegistry(join(root, 'mortal'));
    const backend = openBackend(`oci://127.0.0.1:${server.port}/cache`, {env: {}});
    const {path, digest} = await sampleTree(folder, 'tree');
    writeFileSync(join(path, 'large'), randomBytes(64 * 1024 * 1024));
    const warnings: string[] = [];
    const writer = new RemoteCache({
      backend: {
        ...bound(backend),
        async putBlob(blob, file, signal) {
          await Promise.all([backend.putBlob(blob, file, signal), server[Symbol.asyncDispose]()]);
        },
      },
      mode: 'rw',
      trustedKeys: [],
      signingKey: parseSigningKey(pair.privatePem),
      workFolder: folder.join('work'),
      warn: (message) => warnings.push(message),
      retryDelaysMs: [1, 1],
    });
    writer.upload(sampleRecord('web', digest), {treeFolder: path});
    await writer.finish();
    expect(warnings).toEqual([
      expect.stringContaining(`oci://127.0.0.1:${server.port}/cache cannot be reached`),
    ]);
    expect(writer.status()).toMatchObject({uploaded: 0, failed: 1});
  });
});

function bound(backend: RemoteBackend): RemoteBackend {
  return {
    name: backend.name,
    getRecord: (key, signal) => backend.getRecord(key, signal),
    putRecord: (key, record, options) => backend.putRecord(key, record, options),
    hasBlob: (blob, signal) => backend.hasBlob(blob, signal),
    getBlob: (blob, path, signal) => backend.getBlob(blob, path, signal),
    putBlob: (blob, path, signal) => backend.putBlob(blob, path, signal),
  };
}

describe('an object in the user namespace of an ordinary user', () => {
  const name = `fgimage-remote-${String(process.pid)}`;
  afterAll(() => {
    execFileSync('userdel', ['--remove', name], {stdio: 'ignore'});
  });

  it('comes back with owners, whiteouts, capabilities and marks of overlayfs', () => {
    execFileSync('useradd', ['--create-home', name]);
    const home = execFileSync('sh', ['-c', 'eval echo ~$0', name], {encoding: 'utf8'}).trim();
    const modules = ['cache/remote/archive.js', 'cache/tree.js', 'cache/xattrs.js'].map(
      (module) => pathToFileURL(compiled(module)).href,
    );
    const script = `
      import {chownSync, mkdirSync, utimesSync, writeFileSync} from 'node:fs';
      import {execFileSync} from 'node:child_process';
      const [{packObject, unpackObject}, {summarizeTree}, {listXattrs}] = await Promise.all(
        ${JSON.stringify(modules)}.map((module) => import(module)));
      process.chdir(process.argv[2]);
      mkdirSync('tree/a/opaque', {recursive: true});
      mkdirSync('out');
      writeFileSync('tree/a/file', 'x');
      writeFileSync('tree/ping', 'x');
      chownSync('tree/a/file', 33, 1000);
      execFileSync('mknod', ['tree/a/gone', 'c', '0', '0']);
      const set = 'my ($p, $n, $h) = @ARGV; my $v = pack "H*", $h; syscall($ENV{CALL} + 0, $p, $n, $v, length $v, 0) == 0 or die "$n: $!"';
      process.env.CALL = process.arch === 'arm64' ? '6' : '189';
      execFileSync('perl', ['-e', set, 'tree/a/opaque', 'user.overlay.opaque', '79']);
      execFileSync('perl', ['-e', set, 'tree/ping', 'security.capability', '0100000200200000000000000000000000000000']);
      for (const path of ['tree/a/opaque', 'tree/a/file', 'tree/a/gone', 'tree/ping', 'tree/a']) utimesSync(path, 1000, 1000);
      const {digest} = summarizeTree('tree', {xattrs: await listXattrs('tree')});
      const signal = new AbortController().signal;
      await packObject('tree', 'file', signal);
      console.log((await unpackObject('file', 'out', {digest, signal})).manifest);
    `;
    // In a file: workers do not start in a process whose module stands on its command line.
    const path = join(home, 'script.mjs');
    writeFileSync(path, script);
    const manifest = execFileSync(
      'setpriv',
      [
        ...[`--reuid=${name}`, `--regid=${name}`, '--init-groups', '--'],
        ...['unshare', '--user', '--map-root-user', '--map-auto', '--mount', '--'],
        ...[process.execPath, path, home],
      ],
      {encoding: 'utf8'},
    );
    const x = sha256('x');
    expect(manifest.trim().split('\n')).toEqual([
      'd 0755 0 0 1000 - - a',
      `f 0644 33 1000 1000 ${x} - a/file`,
      'c 0644 0 0 1000 0 - a/gone',
      'd 0755 0 0 1000 - user.overlay.opaque=79 a/opaque',
      `f 0644 0 0 1000 ${x} security.capability=0100000200200000000000000000000000000000 ping`,
    ]);
  });
});
