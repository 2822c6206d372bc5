import {createHash} from 'node:crypto';
import {chmodSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {wordsOf} from '../../../targets/openstack/answer.ts';
import {readCloud} from '../../../targets/openstack/credentials.ts';
import {type Grant, GrantCache} from '../../../targets/openstack/grant-cache.ts';
import {imageId} from '../../../targets/openstack/image-id.ts';
import {patchOf, wantedProperties} from '../../../targets/openstack/properties.ts';
import {openGlanceRegistrar} from '../../../targets/openstack/register.ts';
import {schema} from '../../../targets/openstack/schema.ts';
import type {Artifact, Registrar, RegistrarRequest} from '../../../targets/registrar.ts';
import {image} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {type StandInAnswer, StandInGlance} from './peers/stand-in-glance.ts';

const bytes = Buffer.alloc(100_000, 'disk');
const sha256 = createHash('sha256').update(bytes).digest('hex');

/** A cloud that answers as a test says, and a project that has it in its clouds.yaml. */
class Scene implements AsyncDisposable {
  readonly glance = new StandInGlance();
  readonly folder = new TemporaryFolder();
  readonly warnings: string[] = [];
  readonly reports: string[] = [];

  static async set(answers: (call: string) => StandInAnswer | undefined = () => undefined): Promise<Scene> {
    const scene = new Scene();
    scene.glance.answers = answers;
    await scene.glance.start();
    const {url} = scene.glance;
    scene.folder.write({
      'clouds.yaml': `clouds: {lab: {auth: {auth_url: "${url}", username: me, password: secret, project_name: one}}}`,
    });
    writeFileSync(scene.folder.join('disk.qcow2'), bytes);
    return scene;
  }

  open(register: JsonObject = {}): Promise<Registrar> {
    const request: RegistrarRequest = {
      image: image(),
      target: 'openstack',
      options: schema.parse({register}),
      name: 'web',
      mark: {digest: 'd'.repeat(64), lineage: 'lab/web/openstack'},
      projectDir: this.folder.path,
      env: {HOME: this.folder.path, XDG_RUNTIME_DIR: this.folder.join('run')},
      signal: new AbortController().signal,
      warn: (message, hint = '') => void this.warnings.push(`${message}. ${hint}`),
    };
    return openGlanceRegistrar(request, {settleMs: 200, pollMs: [1], againMs: [1, 1]});
  }

  async create(register: JsonObject = {}): ReturnType<Registrar['create']> {
    const artifact: Artifact = {
      folder: this.folder.path,
      file: 'disk.qcow2',
      format: 'qcow2',
      files: [{path: 'disk.qcow2', sizeBytes: bytes.length, sha256}],
    };
    const registrar = await this.open(register);
    return registrar.create(artifact, {
      begun: () => undefined,
      report: (message) => void this.reports.push(message),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.glance[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

/** Gives an answer the first times that a call is made. */
function first(
  times: number,
  call: string,
  answer: StandInAnswer,
): (call: string) => StandInAnswer | undefined {
  let left = times;
  return (made) => {
    if (made !== call || left === 0) return undefined;
    left -= 1;
    return answer;
  };
}

describe('create()', () => {
  it('tries an upload again whose answer was that of an overloaded server', async () => {
    await using scene = await Scene.set(
      first(1, 'PUT /v2/images/{id}/file', {status: 503, body: {message: 'come <br />later'}}),
    );
    expect((await scene.create()).health).toBe('ready');
    expect(scene.reports).toContain('Trying again: Glance answers 503: come later');
    expect(scene.glance.seen.filter((call) => call.startsWith('PUT'))).toHaveLength(2);
  });

  it('gives up after some tries, with what Glance said', async () => {
    await using scene = await Scene.set(
      first(9, 'PUT /v2/images/{id}/file', {
        status: 500,
        body: '<html><h1>500</h1>disk &lt;one&gt; is gone</html>',
      }),
    );
    await expect(scene.create()).rejects.toMatchObject({
      kind: 'unreachable',
      message: 'Glance answers 500: disk <one> is gone',
    });
    expect(scene.glance.seen.filter((call) => call.startsWith('PUT'))).toHaveLength(3);
  });

  it('tells why an import failed', async () => {
    const tasks = [{status: 'failure', message: 'Import\nplugin says no'}];
    await using scene = await Scene.set((call) => {
      if (call === 'GET /v2/info/import')
        return {status: 200, body: {'import-methods': {value: ['glance-direct']}}};
      if (call === 'GET /v2/images/{id}/tasks') return {status: 200, body: {tasks}};
      return undefined;
    });
    // What was left is gone on with: Glance is asked what it offers.
    scene.glance.image = {id: imageId('one', {digest: 'd'.repeat(64), lineage: 'lab/web/openstack'}, 0)};
    scene.glance.image = {...scene.glance.image, status: 'queued', fgimage_digest: 'd'.repeat(64)};
    scene.glance.image = {...scene.glance.image, fgimage_lineage: 'lab/web/openstack'};
    const answers = scene.glance.answers;
    scene.glance.answers = (call) => (call === 'POST /v2/images' ? {status: 409} : answers(call));
    await expect(scene.create()).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `Glance did not import image ${String(scene.glance.image['id'])}: Import plugin says no`,
    });
    expect(scene.glance.seen).toContain('PUT /v2/images/{id}/stage');
  });

  it('says what an import by glance-direct needs', async () => {
    await using scene = await Scene.set();
    await expect(scene.create({method: 'import'})).rejects.toMatchObject({
      message: 'Glance does not offer imports by glance-direct (it offers none)',
      hint: 'Use register.method: upload',
    });
  });

  it('notices what Glance did not keep', async () => {
    await using scene = await Scene.set((call) => {
      if (call.startsWith('GET')) delete scene.glance.image['os_distro'];
      return undefined;
    });
    // It comes back by the last change, and is lost again.
    const usual = scene.glance.answers;
    scene.glance.answers = (call) => {
      if (call !== 'PATCH /v2/images/{id}') return usual(call);
      return {status: 200, body: scene.glance.image};
    };
    await expect(scene.create()).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(
        /^Glance did not keep what image \S+ was given: os_distro is not there and not debian$/,
      ) as string,
    });
  });

  it('notices bytes that were lost on the way', async () => {
    await using scene = await Scene.set((call) => {
      if (call === 'GET /v2/images/{id}') scene.glance.image['size'] = bytes.length - 1;
      return undefined;
    });
    await expect(scene.create()).rejects.toMatchObject({
      message: expect.stringMatching(/^Image \S+ has 99999 bytes there and 100000 here$/) as string,
    });
  });

  it('warns where there is no digest to compare', async () => {
    await using scene = await Scene.set((call) => {
      if (call === 'GET /v2/images/{id}') scene.glance.image['os_hash_value'] = null;
      return undefined;
    });
    expect((await scene.create()).health).toBe('ready');
    expect(scene.warnings).toEqual([
      expect.stringMatching(
        /^Glance tells no digest of image \S+ that could be compared; its size is right\./,
      ),
    ]);
  });

  it('takes another id where one was used and deleted', async () => {
    await using scene = await Scene.set();
    const conflict = first(2, 'POST /v2/images', {status: 409});
    const gone = first(2, 'GET /v2/images/{id}', {status: 404});
    scene.glance.answers = (call) => conflict(call) ?? gone(call);
    const mark = {digest: 'd'.repeat(64), lineage: 'lab/web/openstack'};
    expect((await scene.create()).id).toBe(imageId('one', mark, 2));
  });
});

describe('the catalog', () => {
  it.each([
    [[], {}, 'The catalog of {cloud} has no image service', /^Name it with image_endpoint_override/],
    [
      [
        {interface: 'public', region: 'R1'},
        {interface: 'public', region: 'R2'},
      ],
      {},
      '{cloud} has image services in several regions, and none is chosen: R1, R2',
      /^Choose one with register\.region/,
    ],
    [
      [{interface: 'internal', region: 'R1'}],
      {region: 'R1'},
      'The image service of {cloud} has no public endpoint',
      /^Choose one with register\.interface: internal$/,
    ],
  ])('says what it lacks: %j', async (endpoints, register, message, hint) => {
    await using scene = await Scene.set();
    scene.glance.endpoints = endpoints;
    const source = `cloud lab of ${scene.folder.join('clouds.yaml')}`;
    await expect((await scene.open(register)).find()).rejects.toMatchObject({
      message: message.replace('{cloud}', source),
      hint: expect.stringMatching(hint) as string,
    });
  });

  it('is of Keystone, and of nothing else', async () => {
    await using scene = await Scene.set((call) =>
      call === 'POST /v3/auth/tokens' ? {status: 301, headers: {location: 'http://127.0.0.1:9/'}} : undefined,
    );
    await expect((await scene.open()).find()).rejects.toMatchObject({
      message: `There is no Keystone v3 at ${scene.glance.url}/v3: it redirects to another address`,
    });
    scene.glance.answers = () => ({status: 404, body: 'nothing'});
    await expect((await scene.open()).find()).rejects.toMatchObject({
      message: `There is no Keystone v3 at ${scene.glance.url}/v3: 404 nothing`,
    });
  });
});

describe('wantedProperties()', () => {
  it('lets the spec say otherwise, and leaves out what is null', () => {
    const options = schema.parse({
      firmware: 'uefi',
      guest_agent: true,
      register: {
        properties: {hw_disk_bus: 'scsi', os_admin_user: null, hw_vif_multiqueue_enabled: true, cores: 4},
        members: ['b', 'a'],
        min_disk: '1500MiB',
      },
    });
    expect(wantedProperties(image(), options, 'web')).toEqual({
      architecture: 'x86_64',
      cores: '4',
      hw_disk_bus: 'scsi',
      hw_firmware_type: 'uefi',
      hw_machine_type: 'q35',
      hw_qemu_guest_agent: 'yes',
      hw_vif_model: 'virtio',
      hw_vif_multiqueue_enabled: 'true',
      members: 'a,b',
      min_disk: '2',
      name: 'web',
      os_distro: 'debian',
      os_type: 'linux',
      os_version: '12',
      visibility: 'shared',
    });
  });

  it('is warned of slips of the pen', async () => {
    await using scene = await Scene.set();
    await scene.open({properties: {hw_disk_bsu: 'scsi', our_own: 'x', hw_something_new: 'y'}});
    expect(scene.warnings).toEqual([
      'register.properties has hw_disk_bsu, which Nova does not know. Did you mean hw_disk_bus?',
    ]);
  });
});

describe('patchOf()', () => {
  it('writes attributes as what they are, and takes them back to what they usually are', () => {
    const raw = {min_disk: 2, protected: true, old: 'x', kept: 'y'};
    const changes = [
      {name: 'min_disk', to: '4'},
      {name: 'protected'},
      {name: 'old'},
      {name: 'kept', to: 'z'},
      {name: 'new/one', to: '1'},
      {name: 'never'},
      {name: 'members', to: 'a'},
    ];
    expect(patchOf(raw, changes)).toEqual([
      {op: 'replace', path: '/min_disk', value: 4},
      {op: 'replace', path: '/protected', value: false},
      {op: 'remove', path: '/old'},
      {op: 'replace', path: '/kept', value: 'z'},
      {op: 'add', path: '/new~1one', value: '1'},
    ]);
  });
});

describe('the options', () => {
  it.each([
    [{properties: {visibility: 'public'}}, 'visibility is no property but an attribute of every image'],
    [{properties: {os_glance_stage: 'x'}}, 'os_glance_stage is reserved by Glance'],
    [{properties: {checksum: 'x'}}, 'checksum is reserved by Glance'],
    [{properties: {fgimage_digest: 'x'}}, 'fgimage_digest is what fgimage finds its images by'],
    [{members: ['one'], visibility: 'public'}, 'An image that is public has no members'],
    [{members: ['my project']}, '"my project" is not the id of a project'],
    [{min_disk: '10'}, '"10" is not a size'],
  ])('refuse %j', (register, reason) => {
    const {error} = schema.safeParse({register});
    expect(error?.issues.map(({message}) => message.split('\n')[0])).toEqual([reason]);
  });
});

describe('wordsOf()', () => {
  it.each([
    ['{"error": {"code": 401, "message": "No.", "title": "Unauthorized"}}', 'No.'],
    ['{"message": "Too large<br /><br />Quota is 1<br />", "code": "413"}', 'Too large Quota is 1'],
    [
      '<html><head><title>403</title></head><body><h1>403 Forbidden</h1>You may &quot;not&quot;<br /><br /></body></html>',
      'You may "not"',
    ],
    ['413 Request Entity Too Large\n\nThe body\nis too large\n\n', 'The body is too large'],
    ['', ''],
    ['\u001B[31mred', 'red'],
  ])('finds what a service says in %j', (text, words) => {
    expect(wordsOf(text)).toBe(words);
  });
});

describe('imageId()', () => {
  it('is a UUID of version 5, and another one for all that matters', () => {
    const mark = {digest: 'a', lineage: 'b'};
    const ids = [
      imageId('p', mark, 0),
      imageId('q', mark, 0),
      imageId('p', mark, 1),
      imageId('p', {...mark, digest: 'c'}, 0),
      imageId('p', {...mark, lineage: 'c'}, 0),
    ];
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    expect(imageId('p', mark, 0)).toBe(ids[0]);
  });
});

describe('GrantCache', () => {
  const grant: Grant = {token: 'token-of-mine', expiresAt: 1, projectId: 'p', imageUrl: 'http://one/v2'};
  const cloud = (password: string, folder: TemporaryFolder): ReturnType<typeof readCloud> =>
    readCloud({
      projectDir: folder.path,
      env: {OS_AUTH_URL: 'http://one', OS_USERNAME: 'me', OS_PASSWORD: password, OS_PROJECT_NAME: 'demo'},
    });

  it('gives a grant back to the same credential only, and shows nothing of it', async () => {
    using folder = new TemporaryFolder();
    const env = {XDG_RUNTIME_DIR: folder.join('run')};
    await new GrantCache(cloud('one', folder), env).write(grant);
    expect(await new GrantCache(cloud('one', folder), env).read()).toEqual(grant);
    expect(await new GrantCache(cloud('two', folder), env).read()).toBeUndefined();
    const [name = ''] = readdirSync(folder.join('run', 'fgimage'));
    const file = folder.join('run', 'fgimage', name);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).not.toContain('mine');
  });

  it('does not read what others could have written', async () => {
    using folder = new TemporaryFolder();
    const env = {HOME: folder.path};
    const cache = new GrantCache(cloud('one', folder), env);
    await cache.write(grant);
    const tokens = folder.join('.cache', 'fgimage', 'tokens');
    const [name = ''] = readdirSync(tokens);
    chmodSync(folder.join('.cache', 'fgimage', 'tokens', name), 0o644);
    expect(await cache.read()).toBeUndefined();
  });

  it('forgets the token that was not taken, and no newer one', async () => {
    using folder = new TemporaryFolder();
    const cache = new GrantCache(cloud('one', folder), {XDG_RUNTIME_DIR: folder.join('run')});
    await cache.write(grant);
    await cache.forget('another');
    expect(await cache.read()).toEqual(grant);
    await cache.forget(grant.token);
    expect(await cache.read()).toBeUndefined();
  });
});
