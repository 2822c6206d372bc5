import {execFileSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import type {JsonObject} from '../../src/spec/image.ts';
import {openRegistrar} from '../../targets/oci/register.ts';
import type {Artifact, CreateProgress, Registrar} from '../../targets/registrar.ts';
import {image} from '../rig/images.ts';
import {type RealServer, startRegistry} from './remote-servers.ts';

const root = join(inject('testRoot'), 'oci-register');
const servers: RealServer[] = [];
let registry: RealServer;
let closed: RealServer;
let keeping: RealServer;

beforeAll(async () => {
  mkdirSync(root, {recursive: true});
  writeFileSync(join(root, 'htpasswd'), `me:${bcryptOfSecret}\n`);
  registry = await startRegistry(join(root, 'registry'));
  closed = await startRegistry(join(root, 'closed'), join(root, 'htpasswd'));
  keeping = await startRegistry(join(root, 'keeping'), undefined, {mayDelete: false});
  servers.push(registry, closed, keeping);
});

afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
  rmSync(root, {recursive: true, force: true});
});

/** htpasswd's format; the password is "secret". */
const bcryptOfSecret = '$2y$05$w8ePFKxWk7PnSVDYDEz/xeHHe9FM2pF6fCI59qzH56qUT4/WM4n2m';

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
const lineage = 'shop/web/oci';

/** An OCI layout of one layer, as the pack stage writes it. */
function layout(
  name: string,
  layerBytes = 100_000,
): Artifact & {readonly manifest: string; readonly layer: string} {
  const folder = join(root, name);
  const files: Artifact['files'][number][] = [];
  mkdirSync(join(folder, 'blobs/sha256'), {recursive: true});
  const write = (path: string, bytes: Buffer): void => {
    writeFileSync(join(folder, path), bytes);
    files.push({path, sizeBytes: bytes.length, sha256: sha256(bytes)});
  };
  const blob = (bytes: Buffer): {readonly digest: string; readonly size: number} => {
    write(`blobs/sha256/${sha256(bytes)}`, bytes);
    return {digest: `sha256:${sha256(bytes)}`, size: bytes.length};
  };
  const json = (value: JsonObject): Buffer => Buffer.from(JSON.stringify(value));
  const tar = randomBytes(layerBytes);
  const layer = blob(gzipSync(tar, {level: 1}));
  const config = blob(
    json({architecture: 'amd64', os: 'linux', rootfs: {type: 'layers', diff_ids: [`sha256:${sha256(tar)}`]}}),
  );
  const type = 'application/vnd.oci.image';
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: {mediaType: `${type}.config.v1+json`, ...config},
      layers: [{mediaType: `${type}.layer.v1.tar+gzip`, ...layer}],
    }),
  );
  write('oci-layout', json({imageLayoutVersion: '1.0.0'}));
  write(
    'index.json',
    json({schemaVersion: 2, manifests: [{mediaType: `${type}.manifest.v1+json`, ...manifest}]}),
  );
  return {folder, file: 'index.json', format: 'oci', files, manifest: manifest.digest, layer: layer.digest};
}

interface Opening {
  readonly port?: number;
  readonly repository?: string;
  readonly name?: string;
  readonly digest?: string;
  readonly register?: JsonObject;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

async function open({
  port = registry.port,
  repository = 'team/web',
  register,
  env,
  signal,
  ...mark
}: Opening = {}) {
  const {digest = 'one', name = `web-${digest}`} = mark;
  return await openRegistrar({
    image: image(),
    target: 'oci',
    options: {register: {repository: `127.0.0.1:${port}/${repository}`, ...register}},
    name,
    mark: {digest: sha256(digest), lineage},
    projectDir: root,
    env: env ?? {},
    signal: signal ?? new AbortController().signal,
    warn: () => undefined,
  });
}

const silent: CreateProgress = {begun: () => undefined, report: () => undefined};

async function found(registrar: Registrar) {
  const [image, ...more] = await registrar.find();
  expect(more).toEqual([]);
  if (image === undefined) throw new Error('Nothing is found');
  return image;
}

async function manifestOf(repository: string, version: string, port = registry.port) {
  const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
  const response = await fetch(`http://127.0.0.1:${port}/v2/${repository}/manifests/${version}`, {
    headers: {accept},
  });
  return {
    status: response.status,
    digest: response.headers.get('docker-content-digest'),
    body: await response.json(),
  };
}

describe('pushing', () => {
  it('pushes the image as it was packed, under its tags, for any client', async () => {
    const packed = layout('pushed', 70 << 20);
    const registrar = await open({register: {tags: ['latest']}});
    expect(await registrar.find()).toEqual([]);
    const fractions: number[] = [];
    const ids: string[] = [];

    const made = await registrar.create(packed, {
      begun: (id) => ids.push(id),
      report: (_, fraction) => fractions.push(fraction ?? -1),
    });

    expect(made).toMatchObject({
      name: 'web-one',
      mark: {digest: sha256('one'), lineage},
      health: 'ready',
      properties: {tags: 'latest web-one'},
      belongings: {manifest: packed.manifest},
    });
    expect(ids).toEqual([made.id]);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.length).toBeGreaterThan(20);
    for (const tag of ['web-one', 'latest', `fgimage-${sha256('one').slice(0, 12)}`])
      expect((await manifestOf('team/web', tag)).digest).toBe(made.id);
    expect((await manifestOf('team/web', packed.manifest)).digest).toBe(packed.manifest);
    const copy = join(root, 'copy');
    const from = `docker://127.0.0.1:${registry.port}/team/web:latest`;
    execFileSync(
      'skopeo',
      ['copy', '--preserve-digests', '--src-tls-verify=false', from, `oci:${copy}:web`],
      {stdio: 'pipe'},
    );
    const layer = packed.layer.split(':')[1] ?? '';
    expect(sha256(readFileSync(join(copy, 'blobs/sha256', layer)))).toBe(layer);
  });

  it('asks once where there is nothing to do', async () => {
    const registrar = await open({repository: 'team/once'});
    await registrar.create(layout('once'), silent);
    const asked: string[] = [];
    const proxy = http.createServer((request, response) => {
      asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
      const {method, url: path, headers} = request;
      request.pipe(
        http.request({port: registry.port, host: '127.0.0.1', method, path, headers}, (answer) => {
          response.writeHead(answer.statusCode ?? 0, answer.headers);
          answer.pipe(response);
        }),
      );
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    try {
      const {port} = proxy.address() as AddressInfo;
      const again = await open({port, repository: 'team/once'});
      expect((await found(again)).properties).toEqual(again.properties);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
    expect(asked).toEqual(['GET /v2/team/once/manifests/web-one']);
  });

  it('goes on with the blobs that an earlier try did not bring', async () => {
    const packed = layout('cut-short', 5_000_000);
    const controller = new AbortController();
    const reason = new Error('killed');
    const cut = await open({repository: 'team/cut', signal: controller.signal});
    const pushing = cut.create(packed, {
      begun: () => undefined,
      report: (_, fraction = 0) => (fraction > 0.5 ? controller.abort(reason) : undefined),
    });
    await expect(pushing).rejects.toBe(reason);
    const registrar = await open({repository: 'team/cut'});
    expect(await registrar.find()).toEqual([]);
    const made = await registrar.create(packed, silent);
    expect(await found(registrar)).toEqual(made);
  });

  it('does not push a layer that is not what was packed', async () => {
    const packed = layout('spoilt');
    const layer = join(packed.folder, 'blobs/sha256', packed.layer.split(':')[1] ?? '');
    const bytes = readFileSync(layer);
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeFileSync(layer, bytes);
    const registrar = await open({repository: 'team/spoilt'});
    await expect(registrar.create(packed, silent)).rejects.toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(
        /^A blob is not taken: .*team\/spoilt answers 400 DIGEST_INVALID: /,
      ) as string,
    });
    expect(await registrar.find()).toEqual([]);
  });
});

describe('tags', () => {
  it('come back to the image where somebody has moved or deleted them', async () => {
    const registrar = await open({repository: 'team/tags', register: {tags: ['latest', 'stable']}});
    const made = await registrar.create(layout('tags'), silent);
    const other = await open({repository: 'team/tags', digest: 'two', register: {tags: ['latest']}});
    const newer = await other.create(layout('tags-newer'), silent);
    expect((await registrar.find()).find(({id}) => id === made.id)?.properties).toEqual({
      tags: 'stable web-one',
    });
    const changes = [{name: 'tags', from: 'stable web-one', to: 'latest stable web-one'}];
    expect(await registrar.update(made, changes)).toMatchObject({
      properties: {tags: 'latest stable web-one'},
    });
    expect((await manifestOf('team/tags', 'latest')).digest).toBe(made.id);
    const seen = await other.find();
    expect(seen.find(({id}) => id === newer.id)?.properties).toEqual({tags: 'web-two'});
  });

  it('are not taken from images of somebody else', async () => {
    const theirs = layout('theirs');
    for (const tag of ['latest', 'web-one']) {
      execFileSync(
        'skopeo',
        [
          'copy',
          '--preserve-digests',
          '--dest-tls-verify=false',
          `oci:${theirs.folder}`,
          `docker://127.0.0.1:${registry.port}/team/theirs:${tag}`,
        ],
        {stdio: 'pipe'},
      );
    }
    const registrar = await open({repository: 'team/theirs'});
    expect(await registrar.find()).toEqual([
      {id: theirs.manifest, name: 'web-one', health: 'ready', status: 'pushed', properties: {}},
    ]);
    const moving = await open({repository: 'team/theirs', name: 'mine', register: {tags: ['latest']}});
    await expect(moving.create(layout('mine'), silent)).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining(
        'team/theirs:latest is an image already that fgimage did not push',
      ) as string,
    });
    expect((await manifestOf('team/theirs', 'latest')).digest).toBe(theirs.manifest);
  });
});

describe('older images', () => {
  it('are known where some are to go, and go with their tags and the image in them', async () => {
    const old = await open({repository: 'team/old', name: 'current'});
    const packed = layout('old');
    const first = await old.create(packed, silent);
    const registrar = await open({
      repository: 'team/old',
      name: 'current',
      digest: 'two',
      register: {replace: true},
    });
    expect(await registrar.find()).toMatchObject([
      {id: first.id, name: `fgimage-${sha256('one').slice(0, 12)}`},
    ]);
    const second = await registrar.create(layout('new'), silent);
    const all = await registrar.find();
    expect(all.map(({id}) => id).sort()).toEqual([first.id, second.id].sort());

    await registrar.remove(first);
    await registrar.remove(first);

    expect((await registrar.find()).map(({id}) => id)).toEqual([second.id]);
    expect((await manifestOf('team/old', packed.manifest)).status).toBe(404);
    expect(await registrar.get(first.id)).toBeUndefined();
    expect(await registrar.get(second.id)).toMatchObject({health: 'ready', properties: {tags: 'current'}});
  });

  it('leave an image behind that another one has too', async () => {
    const packed = layout('shared');
    const one = await open({repository: 'team/shared'});
    const first = await one.create(packed, silent);
    const two = await open({repository: 'team/shared', digest: 'two'});
    const second = await two.create(packed, silent);
    await one.remove(first);
    expect(await two.get(second.id)).toMatchObject({health: 'ready'});
  });

  it('are broken where somebody has deleted the image and left its index', async () => {
    const registrar = await open({repository: 'team/broken'});
    const packed = layout('broken');
    const {id} = await registrar.create(packed, silent);
    await fetch(`http://127.0.0.1:${registry.port}/v2/team/broken/manifests/${packed.manifest}`, {
      method: 'DELETE',
    });
    expect(await registrar.get(id)).toMatchObject({
      health: 'broken',
      reason: `The manifest ${packed.manifest} is gone`,
    });
  });

  it('stay where the registry deletes nothing, which is said', async () => {
    const registrar = await open({port: keeping.port});
    const made = await registrar.create(layout('kept'), silent);
    await expect(registrar.remove(made)).rejects.toMatchObject({
      message: expect.stringMatching(/^A manifest is not deleted: .* answers 405 UNSUPPORTED/) as string,
      hint: expect.stringContaining('storage.delete.enabled') as string,
    });
  });
});

describe('a registry with passwords', () => {
  const login = (text: string): NodeJS.ProcessEnv => {
    const file = join(root, `auth-${sha256(text).slice(0, 8)}.json`);
    const auth = Buffer.from(text).toString('base64');
    writeFileSync(file, JSON.stringify({auths: {[`127.0.0.1:${closed.port}`]: {auth}}}));
    return {REGISTRY_AUTH_FILE: file};
  };

  it('takes the login that docker and podman keep', async () => {
    const registrar = await open({port: closed.port, env: login('me:secret')});
    const made = await registrar.create(layout('closed-one'), silent);
    expect(await found(registrar)).toEqual(made);
  });

  it('says how to log in where there is none, and that one does not count', async () => {
    await expect((await open({port: closed.port})).find()).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^A manifest cannot be read: .* answers 401 UNAUTHORIZED/) as string,
      hint: expect.stringContaining(`docker login 127.0.0.1:${closed.port}`) as string,
    });
    const wrong = await open({port: closed.port, env: login('me:guess')});
    await expect(wrong.find()).rejects.toMatchObject({
      kind: 'refused',
      message: expect.not.stringContaining('guess') as string,
      hint: expect.stringContaining('does not count there') as string,
    });
  });
});

describe('what is no registry', () => {
  it('is told before anything is asked', async () => {
    await expect(open({name: 'a/b'})).rejects.toMatchObject({
      code: 'USAGE',
      message: '"a/b" cannot be a tag',
    });
    await expect(open({repository: 'team/web:tag'})).rejects.toMatchObject({code: 'USAGE'});
    const nowhere = await open({port: 9});
    await expect(nowhere.find()).rejects.toMatchObject({kind: 'unreachable'});
  });
});
