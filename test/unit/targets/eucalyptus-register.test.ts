import {randomBytes} from 'node:crypto';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {openRegistrar} from '../../../targets/eucalyptus/register.ts';
import type {Registrar, RemoteImage} from '../../../targets/registrar.ts';
import {image} from '../../rig/images.ts';
import {EucalyptusPeer} from './peers/eucalyptus-peer.ts';
import {alice, type PeerObject, S3Peer} from './peers/s3-peer.ts';
import {Progress, SiteFolder} from './peers/site-folder.ts';

const digest = 'd'.repeat(64);
const lineage = 'my project/web/eucalyptus';
const disk = Buffer.alloc(300_000, 'disk');
const account = '000123456789';

interface Setting {
  readonly register?: JsonObject;
  readonly options?: JsonObject;
  readonly name?: string;
  readonly mark?: {readonly digest: string; readonly lineage: string};
  readonly env?: NodeJS.ProcessEnv;
}

let certificates: ReturnType<SiteFolder['certificates']>;
let keys: SiteFolder;
let folder: SiteFolder;
let store: S3Peer;
let site: EucalyptusPeer;

async function startSite(isAdministrator = true): Promise<void> {
  store = await S3Peer.start({kind: 'walrus', base: '/services/objectstorage', pageSize: 2});
  site = await EucalyptusPeer.start({store, user: alice, account, isAdministrator, ...certificates});
}

function open(setting: Setting = {}): Promise<Registrar> {
  return openRegistrar({
    image: image(),
    target: 'eucalyptus',
    options: setting.options ?? {register: {bucket: 'images', ...setting.register}},
    name: setting.name ?? 'web-1',
    mark: setting.mark ?? {digest, lineage},
    projectDir: folder.path,
    env: {
      HOME: folder.path,
      EUCA_INI_DIR: folder.path,
      EC2_URL: site.url,
      S3_URL: store.url,
      EC2_ACCESS_KEY: alice.id,
      EC2_SECRET_KEY: alice.secret,
      EC2_USER_ID: account,
      EC2_CERT: keys.join('user-cert.pem'),
      EC2_PRIVATE_KEY: keys.join('user-key.pem'),
      EUCALYPTUS_CERT: keys.join('cloud-cert.pem'),
      ...setting.env,
    },
    signal: new AbortController().signal,
    warn: () => undefined,
  });
}

const prefix = 'fgimage-3a6d04027c81-';
const machine = `${prefix}${digest}-machine`;

beforeAll(() => {
  keys = new SiteFolder();
  certificates = keys.certificates();
});

afterAll(() => {
  keys[Symbol.dispose]();
});

beforeEach(async () => {
  folder = new SiteFolder();
  await startSite();
});

afterEach(async () => {
  await site[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

// openssl makes keys, which takes its time on a busy host.
vi.setConfig({testTimeout: 60_000, hookTimeout: 60_000});

describe('the registrar of eucalyptus', () => {
  it('bundles a disk, registers it, and finds it again with one request', async () => {
    const registrar = await open({
      register: {description: 'A web server', tags: {team: 'web'}, public: true},
    });
    expect(registrar.endpoint).toBe(site.url);
    await expect(registrar.find()).resolves.toEqual([]);
    const progress = new Progress();
    const made = await registrar.create(folder.artifact({'disk.raw': disk}), progress);
    expect(made).toEqual({
      id: 'emi-00000001',
      name: 'web-1',
      mark: {digest, lineage},
      health: 'ready',
      status: 'available',
      properties: {public: 'true', description: 'A web server', 'tag:team': 'web'},
      belongings: {location: `images/${machine}.manifest.xml`},
    });
    expect(progress.ids).toEqual([`images/${machine}.manifest.xml`, 'emi-00000001']);
    expect(site.image('emi-00000001')).toMatchObject({
      virtualization: 'hvm',
      architecture: 'x86_64',
      isPublic: true,
    });
    expect(site.image('emi-00000001').content.equals(disk)).toBe(true);
    expect(store.keys('images')).toEqual([`${machine}.manifest.xml`, `${machine}.part.00`]);
    expect(store.object('images', `${machine}.part.00`)).toMatchObject({
      acl: 'aws-exec-read',
      metadata: {
        'x-amz-meta-fgimage-digest': digest,
        'x-amz-meta-fgimage-lineage': 'my%20project/web/eucalyptus',
      },
    });
    const asked = [store.requests.length, site.actions.length] as const;
    const again = await open({register: {description: 'A web server', tags: {team: 'web'}, public: true}});
    await expect(again.find()).resolves.toEqual([made]);
    expect([store.requests.slice(asked[0]), site.actions.slice(asked[1])]).toEqual([[], ['DescribeImages']]);
  });

  it('registers kernel and RAM disk beside a root file system, and takes all away again', async () => {
    const options = {virtualization: 'paravirtual', register: {bucket: 'images'}};
    const artifact = folder.artifact({
      'root.raw': disk,
      vmlinuz: Buffer.from('kernel'),
      'initrd.img': Buffer.from('ramdisk'),
    });
    const registrar = await open({options});
    const made = await registrar.create(artifact, new Progress());
    expect(site.images.map(({id, name, content}) => [id, name, content.toString().slice(0, 7)])).toEqual([
      ['eki-00000001', 'web-1-kernel', 'kernel'],
      ['eri-00000002', 'web-1-ramdisk', 'ramdisk'],
      ['emi-00000003', 'web-1', 'diskdis'],
    ]);
    expect(made).toMatchObject({
      id: 'emi-00000003',
      belongings: {kernel: 'eki-00000001', ramdisk: 'eri-00000002'},
    });
    expect(site.image(made.id).virtualization).toBe('paravirtual');
    await expect(registrar.find()).resolves.toEqual([made]);
    await registrar.remove(made);
    await registrar.remove(made);
    expect(site.images.map(({state}) => state)).toEqual(['deregistered', 'deregistered', 'deregistered']);
    expect(store.keys('images')).toEqual([]);
    await expect(registrar.find()).resolves.toEqual([]);
  });

  it("takes the site's kernel where the user may not bring one", async () => {
    const artifact = folder.artifact({'root.raw': disk, vmlinuz: disk, 'initrd.img': disk});
    const asAdministrator = await open({
      options: {virtualization: 'paravirtual', register: {bucket: 'images'}},
    });
    await asAdministrator.create(artifact, new Progress());
    await site[Symbol.asyncDispose]();
    const known = [...site.images];
    await store[Symbol.asyncDispose]();
    await startSite(false);
    site.images.push(...known.filter(({id}) => !id.startsWith('emi')));
    const mark = {digest: 'e'.repeat(64), lineage};
    const options = {virtualization: 'paravirtual', register: {bucket: 'images'}};
    await expect(
      (await open({options, mark, name: 'web-2'})).create(artifact, new Progress()),
    ).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringContaining(
        '500 InternalError: Only administrators can register kernel images.',
      ) as string,
      hint: 'Name a kernel and a RAM disk of the site with `register.kernel` and `register.ramdisk`.',
    });
    const register = {bucket: 'images', kernel: 'eki-00000001', ramdisk: 'eri-00000002'};
    const registrar = await open({options: {...options, register}, mark, name: 'web-2'});
    const made = await registrar.create(artifact, new Progress());
    await registrar.remove(made);
    expect(site.images.filter(({state}) => state !== 'deregistered').map(({id}) => id)).toEqual([
      'eki-00000001',
      'eri-00000002',
    ]);
  });

  it('finds a bundle that was begun, and sends only the parts that are missing', async () => {
    const bytes = randomBytes(12 * 2 ** 20);
    const artifact = folder.artifact({'disk.raw': bytes});
    store.fault = ({method, url = ''}, response) => {
      if (method !== 'PUT' || !url.endsWith('.part.01')) return false;
      response.writeHead(400).end('<Error><Code>Killed</Code></Error>');
      return true;
    };
    await expect((await open()).create(artifact, new Progress())).rejects.toThrow('400 Killed');
    store.fault = () => false;
    const sentBefore = store.keys('images');
    expect(sentBefore).toContain(`${machine}.part.00`);
    const registrar = await open();
    const [begun, ...more] = await registrar.find();
    expect(more).toEqual([]);
    expect(begun).toMatchObject({
      id: `images/${machine}.manifest.xml`,
      mark: {digest, lineage},
      health: 'pending',
      status: 'uploading',
      createdAt: expect.any(Number) as number,
    });
    const before = store.requests.length;
    const made = await registrar.create(artifact, new Progress(), begun);
    const sent = store.requests.slice(before).filter((line) => line.startsWith('PUT'));
    expect(sent.map((line) => line.slice(line.lastIndexOf('-')))).not.toContain('-machine.part.00');
    expect(sent.map((line) => line.slice(line.lastIndexOf('-')))).toContain('-machine.part.01');
    expect(site.image(made.id).content.equals(bytes)).toBe(true);
  });

  it('cleans a bundle that was begun and is not wanted any more', async () => {
    store.buckets.set('images', new Map());
    const object: PeerObject = {
      bytes: disk,
      md5: '0'.repeat(32),
      acl: '',
      metadata: {},
      modifiedAt: new Date(),
    };
    const old = `${prefix}${'e'.repeat(64)}-machine.part.00`;
    for (const key of [old, 'fgimage-others', 'unknown']) store.buckets.get('images')?.set(key, object);
    const registrar = await open();
    const [begun, ...more] = await registrar.find();
    expect(more).toEqual([]);
    expect(begun).toMatchObject({mark: {digest: 'e'.repeat(64)}, health: 'pending'});
    await registrar.remove(begun as RemoteImage);
    expect(store.keys('images')).toEqual(['fgimage-others', 'unknown']);
  });

  it('finishes an image that was registered, and not tagged', async () => {
    const artifact = folder.artifact({'disk.raw': disk});
    site.fault = (action, response, when) => {
      if (action !== 'CreateTags' || when === 'after') return false;
      response.socket?.destroy();
      return true;
    };
    await expect((await open()).create(artifact, new Progress())).rejects.toThrow('cannot be reached');
    site.fault = () => false;
    const registrar = await open();
    const [begun] = await registrar.find();
    expect(begun).toMatchObject({id: 'emi-00000001', health: 'pending', mark: {digest, lineage}});
    const made = await registrar.create(artifact, new Progress(), begun);
    expect(made).toMatchObject({id: 'emi-00000001', health: 'ready'});
    expect(site.images).toHaveLength(1);
  });

  it('looks for the image where the answer to its registration was lost', async () => {
    site.fault = (action, response, when) => {
      if (action !== 'RegisterImage' || when === 'before') return false;
      response.socket?.destroy();
      return true;
    };
    const made = await (await open()).create(folder.artifact({'disk.raw': disk}), new Progress());
    expect(made.id).toBe('emi-00000001');
    expect(site.actions.filter((action) => action === 'RegisterImage')).toHaveLength(1);
  });

  it('changes in place what the spec says otherwise, and leaves what others have added', async () => {
    const {id} = await (await open()).create(folder.artifact({'disk.raw': disk}), new Progress());
    site.image(id).tags.set('billing', '42');
    const registrar = await open({register: {description: 'Newer', tags: {team: 'db'}, public: true}});
    const [found] = await registrar.find();
    expect(found?.properties).toEqual({public: 'false'});
    const updated = await registrar.update(found as RemoteImage, [
      {name: 'description', to: 'Newer'},
      {name: 'public', from: 'false', to: 'true'},
      {name: 'tag:team', to: 'db'},
    ]);
    expect(updated.properties).toEqual(registrar.properties);
    expect(Object.fromEntries(site.image(id).tags)).toMatchObject({billing: '42', team: 'db'});
  });

  it('keeps a bundle that another image is made of, and sees when one is not complete any more', async () => {
    const artifact = folder.artifact({'disk.raw': disk});
    const registrar = await open();
    const made = await registrar.create(artifact, new Progress());
    site.images.push({...site.image(made.id), id: 'emi-0000000b', name: 'copy'});
    await registrar.remove(made);
    expect(store.keys('images')).toHaveLength(2);
    await expect(registrar.get('emi-0000000b')).resolves.toMatchObject({health: 'ready'});
    store.buckets.get('images')?.delete(`${machine}.part.00`);
    await expect(registrar.get('emi-0000000b')).resolves.toMatchObject({
      health: 'broken',
      reason: `its bundle in images lacks ${machine}.part.00`,
    });
  });

  it.each<[string, Setting, (site: EucalyptusPeer, store: S3Peer) => void, object]>([
    [
      "somebody else's image of the name",
      {},
      (peer) => {
        const tags = new Map<string, string>();
        const common = {
          location: 'other/x.manifest.xml',
          virtualization: 'hvm',
          architecture: 'x86_64',
          tags,
        };
        const texts = {kernel: '', ramdisk: '', reason: '', description: '', content: disk, isPublic: false};
        peer.images.push({id: 'emi-0000000a', name: 'web-1', state: 'available', ...common, ...texts});
      },
      {
        code: 'NAME_TAKEN',
        message: expect.stringContaining('AMI name web-1 is already in use by EMI emi-0000000a') as string,
      },
    ],
    [
      'a secret key that is wrong',
      {env: {EC2_SECRET_KEY: 'guessed'}},
      () => undefined,
      {
        message: expect.stringContaining('403 SignatureDoesNotMatch') as string,
        hint: 'Check the secret key.',
      },
    ],
    [
      "another account's number",
      {env: {EC2_USER_ID: '999999999999'}},
      () => undefined,
      {
        code: 'REMOTE_REFUSED',
        message: expect.stringContaining('401 AuthFailure') as string,
        hint: 'Check EC2_USER_ID: the manifest has to be of the account that registers it.',
      },
    ],
    [
      'an image that fails',
      {},
      (peer) => {
        peer.nextState = 'failed';
        peer.reason = 'Bundle is not valid';
        peer.pendingAnswers = 0;
      },
      {kind: 'refused', message: 'emi-00000001 has failed: Bundle is not valid'},
    ],
    [
      'a store that gives other bytes back',
      {},
      (_peer, objects) => {
        objects.fault = ({method, url = ''}, response) => {
          if (method !== 'PUT' || !url.includes('.part.')) return false;
          response.writeHead(200, {etag: `"${'0'.repeat(32)}"`}).end();
          return true;
        };
      },
      {kind: 'damaged', message: expect.stringContaining('has other bytes of') as string},
    ],
  ])('says what is wrong: %s', async (_what, setting, prepare, expected) => {
    prepare(site, store);
    const registrar = await open(setting);
    const making = registrar.create(folder.artifact({'disk.raw': disk}), new Progress());
    await expect(making).rejects.toMatchObject(expected);
  });

  it.each<[Setting, string]>([
    [{options: {}}, 'does not say where its image is to be registered'],
    [{name: 'web server'}, 'Eucalyptus: "web server" cannot be the name of an image'],
  ])('refuses what cannot be registered: %j', async (setting, message) => {
    await expect(async () => open(setting)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message) as string,
    });
  });
});
