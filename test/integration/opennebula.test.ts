import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {readdirSync, readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, inject, it} from 'vitest';
import type {JsonObject} from '../../src/spec/image.ts';
import {until} from '../rig/until.ts';
import {OnePeer, type PeerOptions} from './one-peer.ts';
import {
  createInChild,
  lineage,
  OneProject,
  type SampleDisk,
  servedInChild,
  silent,
} from './opennebula-project.ts';

/** The registrar against a stand-in of OpenNebula's front-end, which fetches the disks as the real one does. */
let peer: OnePeer;
let project: OneProject;

async function start(options: PeerOptions = {}): Promise<void> {
  peer = await OnePeer.start(options);
  project = new OneProject(inject('testRoot'), peer.url);
}

beforeEach(async () => start());

afterEach(async () => peer[Symbol.asyncDispose]());

const disk = (): SampleDisk => project.disk(randomBytes(300_000));

/** Another front-end in the place of the usual one. */
async function restart(options: PeerOptions): Promise<void> {
  await peer[Symbol.asyncDispose]();
  await start(options);
}

describe('registration with OpenNebula', () => {
  it('has the front-end fetch the disk, waits until it is ready, and finds it again in one call', async () => {
    const content = disk();
    const made = await project.register(content, {register: {description: 'A "web" server, <b> & \\'}});
    expect(made).toMatchObject({did: 'created', name: `web-${content.digest.slice(0, 12)}`});
    expect(peer.image(made.id)).toMatchObject({
      owner: 'alice',
      state: 1,
      sizeMiB: 1,
      format: 'raw',
      persistent: false,
      path: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/fgimage-[0-9a-f]{32}\/disk\.raw$/) as string,
    });
    expect(Object.fromEntries(peer.image(made.id).template)).toMatchObject({
      DESCRIPTION: ['A "web" server, <b> & \\'],
      DEV_PREFIX: ['vd'],
      FGIMAGE_DIGEST: [content.digest],
      FGIMAGE_LINEAGE: [lineage],
      SHA1: [expect.stringMatching(/^[0-9a-f]{40}$/)],
    });
    peer.takeCalls();
    const again = await project.register(content, {register: {description: 'A "web" server, <b> & \\'}});
    expect(again).toMatchObject({did: 'kept', id: made.id});
    expect(peer.takeCalls()).toEqual(['one.imagepool.info']);
  });

  it('reads the virtual size of a qcow2, and stops giving the disk when it is done', async () => {
    const content = project.disk(randomBytes(100_000), 5 * 2 ** 30);
    const {id} = await project.register(content);
    const {path, sizeMiB, format} = peer.image(id);
    expect({sizeMiB, format}).toEqual({sizeMiB: 5 * 1024, format: 'qcow2'});
    await expect(fetch(path)).rejects.toThrow('fetch failed');
  });

  it('gives nothing but the disk', async () => {
    peer.isHolding = true;
    const running = project.register(disk());
    await until(() => [...peer.images.values()].some(({path}) => path !== ''));
    const {path} = peer.image(0);
    const statuses = ['/', '/fgimage-0/disk.raw', `${new URL(path).pathname}/..`, '/etc/passwd'].map(
      async (other) => (await fetch(new URL(other, path))).status,
    );
    expect(await Promise.all(statuses)).toEqual([404, 404, 404, 404]);
    expect((await fetch(path, {method: 'PUT', body: 'x'})).status).toBe(405);
    peer.isHolding = false;
    expect(await running).toMatchObject({did: 'created'});
  });

  it('puts the disk into a folder of the front-end when it is here, and takes it away again', async () => {
    const safe = join(project.folder, 'safe');
    await restart({safeDirs: [safe]});
    const {id} = await project.register(disk(), {register: {path: safe}});
    expect(peer.image(id).path).toMatch(new RegExp(`^${safe}/fgimage-\\w{6}/disk\\.raw$`));
    expect(readdirSync(safe)).toEqual([]);
  });

  it('says what OpenNebula says when the folder is not one of its own, and leaves nothing', async () => {
    const outside = join(project.folder, 'safe');
    await expect(project.register(disk(), {register: {path: outside}})).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(
        /^OpenNebula could not make image 0 \(web-\w{12}\): Error copying image in the datastore: Not allowed to copy image from \S+, check RESTRICTED_DIRS in your datastore$/,
      ) as string,
      hint: expect.stringContaining('SAFE_DIRS of the datastore') as string,
    });
    expect(peer.images.size).toBe(0);
    expect(readdirSync(outside)).toEqual([]);
  });

  it('leaves the disk to a web server of the user, and to SHA-1 whether it is the right one', async () => {
    const content = disk();
    let bytes = readFileSync(join(content.folder, content.file));
    const asked: string[] = [];
    const web = createServer(({url, method}, response) => {
      asked.push(url ?? '');
      response.writeHead(200, {'content-length': bytes.length}).end(method === 'HEAD' ? undefined : bytes);
    });
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
    const at = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    const register = {http_source: `${at}/images/{digest}/{file}`};
    expect(await project.register(content, {register})).toMatchObject({did: 'created'});
    expect(new Set(asked)).toEqual(new Set([`/images/${content.digest}/disk.raw`]));

    bytes = Buffer.concat([bytes.subarray(1), Buffer.from('x')]);
    const other = disk();
    await expect(project.register(other, {register})).rejects.toMatchObject({
      message: expect.stringContaining('Error copying image in the datastore') as string,
      hint: expect.stringContaining('that it is the one of this build') as string,
    });
    expect(peer.images.size).toBe(1);
    web.close();
  });

  it('gives owner, group and permissions to the image and to its VM template, which it names', async () => {
    const register = {
      owner: 'alice',
      group: 'lab',
      permissions: '644',
      labels: ['web', 'lab/new'],
      attributes: {HYPERVISOR: 'kvm'},
      template: {cpu: 0.5, vcpu: 2, memory: '2GiB', networks: ['private', {name: 'dmz', owner: 'oneadmin'}]},
    };
    const {id} = await project.register(project.disk(Buffer.alloc(1000, 'disk')), {
      register,
      auth: 'oneadmin:opennebula',
    });
    const shared = {owner: 'alice', group: 'lab', permissions: [1, 1, 0, 1, 0, 0, 1, 0, 0]};
    const [template] = [...peer.templates.values()];
    expect(peer.image(id)).toMatchObject(shared);
    expect(template).toMatchObject({...shared, name: peer.image(id).name});
    expect(peer.image(id).template.get('LABELS')).toEqual(['lab/new,web']);
    expect(peer.image(id).template.get('FGIMAGE_VM_TEMPLATE')).toEqual([
      expect.stringMatching(new RegExp(`^${String(template?.id)}:[0-9a-f]{16}$`)),
    ]);
    expect(Object.fromEntries(template?.template ?? [])).toMatchInlineSnapshot(`
      {
        "CONTEXT": [
          {
            "NETWORK": "YES",
            "SET_HOSTNAME": "$NAME",
            "SSH_PUBLIC_KEY": "$USER[SSH_PUBLIC_KEY]",
          },
        ],
        "CPU": [
          "0.5",
        ],
        "DISK": [
          {
            "DEV_PREFIX": "vd",
            "IMAGE_ID": "0",
          },
        ],
        "FGIMAGE_DIGEST": [
          "a4690b67cbe6400dd02a89591f3e58f2ffccf9ce7878f446c4e6c9ad016bc691",
        ],
        "FGIMAGE_IMAGE": [
          "0",
        ],
        "FGIMAGE_LINEAGE": [
          "lab/web/opennebula",
        ],
        "GRAPHICS": [
          {
            "LISTEN": "0.0.0.0",
            "TYPE": "VNC",
          },
        ],
        "MEMORY": [
          "2048",
        ],
        "NIC": [
          {
            "MODEL": "virtio",
            "NETWORK": "private",
          },
          {
            "MODEL": "virtio",
            "NETWORK": "dmz",
            "NETWORK_UNAME": "oneadmin",
          },
        ],
        "OS": [
          {
            "ARCH": "x86_64",
          },
        ],
        "VCPU": [
          "2",
        ],
      }
    `);
  });

  it('changes what differs in place, and keeps what others set', async () => {
    const content = disk();
    const {id} = await project.register(content, {register: {labels: ['a'], description: 'old'}});
    const {template} = peer.image(id);
    template.set('LABELS', ['a,theirs']);
    template.set('NOTE', ['theirs']);
    const register = {
      labels: ['a', 'b'],
      description: 'new',
      persistent: true,
      permissions: '640',
      template: {memory: '1GiB'},
    };
    const updated = await project.register(content, {register});
    expect(updated.did).toBe('updated');
    expect(updated.changes.map(({name}) => name)).toEqual([
      'DESCRIPTION',
      'LABELS',
      'PERMISSIONS',
      'PERSISTENT',
      'VM_TEMPLATE',
    ]);
    expect(peer.image(id)).toMatchObject({persistent: true, permissions: [1, 1, 0, 1, 0, 0, 0, 0, 0]});
    expect(template.get('LABELS')).toEqual(['a,b,theirs']);
    expect(template.get('NOTE')).toEqual(['theirs']);
    expect(peer.templates.size).toBe(1);

    const [vm] = [...peer.templates.values()];
    vm?.template.set('NOTE', ['theirs']);
    await project.register(content, {register: {...register, template: {memory: '4GiB', name: 'vm'}}});
    expect([...peer.templates.values()]).toMatchObject([{id: vm?.id, name: 'vm'}]);
    expect(vm?.template.get('MEMORY')).toEqual(['4096']);
    expect(vm?.template.get('NOTE')).toEqual(['theirs']);

    const {labels, description, persistent, permissions} = register;
    await project.register(content, {register: {labels, description, persistent, permissions}});
    expect(peer.templates.size).toBe(0);
    expect(template.has('FGIMAGE_VM_TEMPLATE')).toBe(false);
  });

  it('sees that somebody took the VM template away, and makes it anew', async () => {
    const register = {template: {}};
    const content = disk();
    const {id} = await project.register(content, {register});
    const registrar = await project.open({register, digest: content.digest, name: peer.image(id).name});
    expect((await registrar.get(id))?.properties).toEqual(registrar.properties);
    peer.templates.clear();
    const found = await registrar.get(id);
    expect(found?.properties['VM_TEMPLATE']).toBeUndefined();
    const word = registrar.properties['VM_TEMPLATE']!;
    await registrar.update(found!, [{name: 'VM_TEMPLATE', to: word}]);
    expect(peer.templates.size).toBe(1);
    expect((await registrar.get(id))?.properties).toEqual(registrar.properties);
  });

  it('takes an image and its template away, waits until they are gone, and leaves those of others', async () => {
    const register = {template: {}};
    const content = disk();
    const made = await project.register(content, {register});
    const theirs = await project.open({auth: 'oneadmin:opennebula', digest: content.digest, register});
    await theirs.create(content, silent);
    expect([peer.images.size, peer.templates.size]).toEqual([2, 2]);
    const registrar = await project.open({register, digest: content.digest, name: made.name});
    const [found, ...more] = await registrar.find();
    expect(more).toEqual([]);
    peer.isKeeping = true;
    const removal = registrar.remove(found!);
    await until(() => peer.image(made.id).state === 7);
    expect(await registrar.find()).toMatchObject([{health: 'broken', reason: 'it is being deleted'}]);
    peer.isKeeping = false;
    await removal;
    expect([...peer.images.values()].map(({owner}) => owner)).toEqual(['oneadmin']);
    expect([...peer.templates.values()].map(({owner}) => owner)).toEqual(['oneadmin']);
    await registrar.remove(found!);
    expect(await registrar.get(made.id)).toBeUndefined();
  });

  it('leaves an image that somebody has made his own', async () => {
    const content = disk();
    const {id} = await project.register(content);
    const registrar = await project.open({digest: content.digest});
    const [found] = await registrar.find();
    peer.image(id).template.delete('FGIMAGE_LINEAGE');
    await expect(registrar.remove(found!)).rejects.toThrow('does not carry our mark any more, and is left');
    expect(peer.image(id).state).toBe(1);
  });

  it('does not believe the mark on an image of somebody else', async () => {
    const content = disk();
    const theirs = await project.open({auth: 'oneadmin:opennebula', digest: content.digest});
    const image = await theirs.create(content, silent);
    peer.image(image.id).permissions = [1, 1, 0, 1, 1, 0, 1, 1, 0];
    expect(await (await project.open({digest: content.digest})).find()).toEqual([]);
    expect(await project.register(content)).toMatchObject({did: 'created'});
  });

  it('lets superseded images be used no more, and has one be used again when it is wanted again', async () => {
    const [first, second] = [disk(), disk()];
    const {id} = await project.register(first);
    await project.register(second);
    peer.image(id).permissions = [1, 1, 0, 0, 0, 0, 0, 0, 0];
    const registrar = await project.open({digest: second.digest});
    const old = (await registrar.find()).find((one) => one.id === id)!;
    await registrar.deprecate?.(old);
    expect(peer.image(id).state).toBe(3);
    expect(await registrar.get(id)).toMatchObject({deprecated: true, health: 'ready', status: 'DISABLED'});
    expect(await project.register(first)).toMatchObject({did: 'updated', id});
    expect(peer.image(id).state).toBe(1);
    expect((await registrar.get(id))?.deprecated).toBeUndefined();

    peer.image(id).state = 2;
    await registrar.deprecate?.(old);
    expect(project.warnings.at(-1)).toContain('is USED and could not be disabled');
    expect(await project.register(first)).toMatchObject({did: 'updated', id});
    await registrar.deprecate?.(old);
    peer.image(id).template.delete('FGIMAGE_DEPRECATED');
    peer.image(id).state = 3;
    expect(await registrar.get(id)).toMatchObject({health: 'broken', reason: 'it was disabled'});
  });

  it('goes on after kill -9 with the image that is there, and gives the disk under the same URL again', async () => {
    const content = disk();
    const request = project.request({digest: content.digest, register: {}});
    let held = false;
    peer.onBytes = async () => {
      held = true;
      await until(() => !held);
    };
    peer.retries = 1000;
    const child = createInChild(request, content);
    const ended = once(child, 'exit');
    await until(() => held);
    child.kill('SIGKILL');
    await ended;
    const registrar = await project.open({digest: content.digest});
    const [pending] = await registrar.find();
    expect(pending).toMatchObject({
      health: 'pending',
      status: 'LOCKED',
      mark: {digest: content.digest, lineage},
    });
    peer.onBytes = () => Promise.resolve();
    held = false;
    peer.takeCalls();
    const remote = await registrar.create(content, silent, pending);
    expect(remote).toMatchObject({id: pending?.id, health: 'ready'});
    expect(peer.takeCalls()).not.toContain('one.image.allocate');
    expect(peer.images.size).toBe(1);
  });

  it('makes an image anew when the front-end had given up before it was gone on with', async () => {
    const content = disk();
    peer.isHolding = true;
    peer.retries = 0;
    const child = createInChild(project.request({digest: content.digest}), content);
    const ended = once(child, 'exit');
    await until(() => peer.images.size === 1);
    child.kill('SIGKILL');
    await ended;
    const registrar = await project.open({digest: content.digest});
    const [pending] = await registrar.find();
    // Another program has the port by now: the URL cannot be given again.
    const {port} = new URL(peer.image(pending!.id).path);
    const other = createServer((_request, response) => response.writeHead(404).end()).listen(
      Number(port),
      '127.0.0.1',
    );
    await once(other, 'listening');
    peer.isHolding = false;
    const remote = await registrar.create(content, silent, pending);
    other.close();
    expect(remote).toMatchObject({health: 'ready', status: 'READY'});
    expect(remote.id).not.toBe(pending?.id);
    expect(peer.images.size).toBe(1);
  });

  it('gives up an image that stays LOCKED, takes it away and says so', async () => {
    peer.isHolding = true;
    await expect(project.register(disk(), {register: {timeout: '2s'}})).rejects.toMatchObject({
      code: 'REMOTE_TIMEOUT',
      message: expect.stringContaining('0 stays in "LOCKED"') as string,
    });
    expect(peer.images.size).toBe(0);
    peer.isHolding = false;
  });

  it('speaks to an old one as well, where the format has to be said', async () => {
    await restart({version: '5.12.0'});
    const {id} = await project.register(project.disk(randomBytes(70_000), 2 ** 30));
    expect(peer.image(id)).toMatchObject({state: 1, format: 'qcow2'});
    await (await project.open()).remove((await (await project.open()).find())[0]!);
    expect(peer.images.size).toBe(0);
  });

  it('asks again when a cluster of front-ends has no leader for a moment', async () => {
    peer.leaderless = 2;
    expect(await project.register(disk())).toMatchObject({did: 'created'});
  });

  it('serves a disk in less memory than it has bytes', async () => {
    const {sizeMiB, memoryMiB} = await servedInChild(project, peer, 320 * 2 ** 20);
    expect(sizeMiB).toBe(320);
    expect(memoryMiB).toBeLessThan(300);
  });
});

describe('a registration that cannot be', () => {
  const refusals: readonly [
    string,
    PeerOptions,
    {register?: JsonObject; auth?: string; name?: string},
    object,
  ][] = [
    [
      'a wrong password',
      {},
      {auth: 'alice:wrong'},
      {
        code: 'REMOTE_REFUSED',
        message:
          "OpenNebula refuses one.imagepool.info: [one.imagepool.info] User couldn't be authenticated, aborting call.",
        hint: 'Check the user and the password in the file of ONE_AUTH',
      },
    ],
    [
      'a datastore that is not there',
      {},
      {register: {datastore: 'fast'}},
      {
        code: 'USAGE',
        message: 'OpenNebula shows no datastore fast',
        hint: 'Choose one for images with register.datastore: default',
      },
    ],
    [
      'a datastore of another kind',
      {},
      {register: {datastore: 2}},
      {code: 'USAGE', message: 'Datastore 2 of OpenNebula does not hold images of disks'},
    ],
    [
      'a datastore without room',
      {datastores: [{id: 7, name: 'small', type: 0, freeMiB: 0}]},
      {register: {datastore: 'small'}},
      {
        code: 'REMOTE_REFUSED',
        message: 'OpenNebula refuses one.image.allocate: [one.image.allocate] Not enough space in datastore',
        hint: 'Choose another with register.datastore, or let old images go',
      },
    ],
    [
      'a URL that nobody serves',
      {},
      {register: {http_source: 'http://127.0.0.1:9/disk.raw'}},
      {
        code: 'REMOTE_REFUSED',
        message:
          'OpenNebula refuses one.image.allocate: [one.image.allocate] Cannot parse image SIZE: Failed to get image head',
      },
    ],
    [
      'a group that is not there',
      {},
      {register: {group: 'nobody'}},
      {code: 'USAGE', message: 'OpenNebula knows no group nobody'},
    ],
    [
      'an owner, by one who may not know the others',
      {},
      {register: {owner: 'oneadmin'}},
      {
        code: 'REMOTE_REFUSED',
        message:
          'OpenNebula refuses one.userpool.info: [one.userpool.info] User [1] not authorized to perform action on USER Pool.',
        hint: 'Write the id of the user in the place of its name',
      },
    ],
    [
      'an owner, by one who may not give images away',
      {},
      {register: {owner: '0'}},
      {
        code: 'REMOTE_REFUSED',
        message:
          'OpenNebula refuses one.image.chown: [one.image.chown] User [1] not authorized to perform action on USER.',
      },
    ],
    [
      'a name that cannot be',
      {},
      {name: 'web"] ; X="y'},
      {
        code: 'USAGE',
        message: 'OpenNebula takes no image or template of the name "web\\"] ; X=\\"y": it holds "\\""',
      },
    ],
  ];

  it.each(refusals)('for %s is told so, and leaves nothing', async (_what, options, opening, error) => {
    await restart(options);
    await expect(project.register(disk(), opening)).rejects.toMatchObject(error);
    expect(peer.images.size).toBe(0);
  });

  it('for a name that another image of the same user has is told so', async () => {
    const theirs = await (await project.open()).create(disk(), silent);
    peer.image(theirs.id).template.clear();
    await expect(project.register(disk(), {name: 'web'})).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: expect.stringContaining('has the name web already') as string,
    });
    const other = disk();
    await expect((await project.open({digest: other.digest})).create(other, silent)).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message:
        'OpenNebula refuses one.image.allocate: [one.image.allocate] Error allocating a new IMAGE. NAME is already taken by IMAGE 0.',
    });
  });

  it('for a disk that is not what was packed is told so before anything is sent', async () => {
    const content = disk();
    const [file] = content.files;
    const altered = {...content, files: [{...file!, sha256: 'c'.repeat(64)}]};
    await expect(project.register(altered)).rejects.toMatchObject({code: 'CACHE_UNUSABLE'});
    expect(peer.calls).not.toContain('one.image.allocate');
  });
});
