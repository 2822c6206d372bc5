import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {mkdtempSync, readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import {HttpClient} from '../../src/http/client.ts';
import {changesBetween} from '../../src/register/reconcile.ts';
import type {JsonObject} from '../../src/spec/image.ts';
import {fieldOf} from '../../targets/openstack/answer.ts';
import {readCloud} from '../../targets/openstack/credentials.ts';
import {GrantCache} from '../../targets/openstack/grant-cache.ts';
import {authenticate} from '../../targets/openstack/keystone.ts';
import {openGlanceRegistrar} from '../../targets/openstack/register.ts';
import {usualTiming} from '../../targets/openstack/upload.ts';
import {Rig} from '../rig/rig.ts';
import {fakeAllTools, seedCache} from '../rig/seed.ts';
import {Front, selfSigned} from './openstack-front.ts';
import {measureUpload, memoryLimitKiB} from './openstack-memory.ts';
import {bringUpToDate, CloudProject, createInChild, drift, only, silent} from './openstack-project.ts';
import {type OpenStack, passwords, quotaBytes, region, startOpenStack} from './openstack-servers.ts';

/** The registrar against Debian's Keystone and Glance, through fronts that count what is asked. */
let root: string;
/** Shared by what does not look at credentials: Keystone is asked for one token only. */
let lab: CloudProject;
let servers: OpenStack;
let keystone: Front;
let glance: Front;

beforeAll(async () => {
  root = mkdtempSync(join(inject('testRoot'), 'openstack-'));
  servers = await startOpenStack(root, async (ports) => {
    keystone = await Front.before(ports.keystone);
    glance = await Front.before(ports.glance);
    return glance.url;
  });
  lab = project({lab: cloudOf('demo'), guest: cloudOf('other')});
});

afterAll(async () => {
  await servers[Symbol.asyncDispose]();
  await keystone[Symbol.asyncDispose]();
  await glance[Symbol.asyncDispose]();
});

function cloudOf(user: 'demo' | 'other', auth: JsonObject = {}): JsonObject {
  return {
    auth: {
      auth_url: keystone.url,
      username: user,
      password: passwords[user],
      project_name: user,
      user_domain_name: 'Default',
      project_domain_name: 'Default',
      ...auth,
    },
    region_name: region,
  };
}

const project = (clouds: JsonObject = {lab: cloudOf('demo')}): CloudProject => new CloudProject(root, clouds);

const content = (sizeBytes = 1 << 20): Buffer => randomBytes(sizeBytes);

/** What everybody asked since the last time. */
function asked(): readonly string[] {
  return [...keystone.takeSeen(), ...glance.takeSeen()].map((line) =>
    line.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}').replaceAll(/[0-9a-f]{32}/g, '{project}'),
  );
}

/** Changes an image as its owner would without fgimage. */
async function patch(id: string, operations: unknown): Promise<void> {
  const type = 'application/openstack-images-v2.1-json-patch';
  await glance.call('PATCH', `/v2/images/${id}`, {json: operations, type});
}

/** Accepts an image as a member of the other project. */
async function accept(id: string): Promise<void> {
  await (await lab.open({register: {cloud: 'guest'}})).find();
  await glance.call('PUT', `/v2/images/${id}/members/${servers.projects.other}`, {
    json: {status: 'accepted'},
  });
}

describe('a registration', () => {
  it('uploads, compares and describes an image, and then has one question and nothing to do', async () => {
    const artifact = lab.artifact(content());
    const register = {
      method: 'upload',
      min_disk: '2GiB',
      properties: {hw_scsi_model: 'virtio-scsi', hw_vif_model: null},
    };
    const opening = {register, lineage: 'lab/plain/openstack', digest: artifact.digest};
    const registrar = await lab.open(opening);
    expect(await registrar.find()).toEqual([]);
    const ids: string[] = [];
    const fractions: number[] = [];
    asked();
    const remote = await registrar.create(artifact, {
      begun: (id) => void ids.push(id),
      report: (_message, fraction = 0) => void fractions.push(fraction),
    });
    expect(asked()).toEqual([
      'POST /v2/images',
      'PUT /v2/images/{id}/file',
      'GET /v2/images/{id}',
      'PATCH /v2/images/{id}',
    ]);
    expect(ids).toEqual([remote.id]);
    expect(Math.max(...fractions)).toBe(1);
    expect(remote).toMatchObject({name: 'web', health: 'ready', status: 'active', deprecated: false});
    expect(remote.mark).toEqual({digest: artifact.digest, lineage: 'lab/plain/openstack'});
    expect(remote.properties).toEqual({
      architecture: 'x86_64',
      hw_disk_bus: 'virtio',
      hw_scsi_model: 'virtio-scsi',
      min_disk: '2',
      name: 'web',
      os_admin_user: 'debian',
      os_distro: 'debian',
      os_type: 'linux',
      os_version: '12',
    });

    const second = await lab.open(opening);
    expect(await drift(second)).toEqual([]);
    expect(asked()).toEqual(['GET /v2/images']);
    expect(await second.get(remote.id)).toEqual(remote);
  });

  it('imports where Glance offers it', async () => {
    const artifact = lab.artifact(content());
    asked();
    const remote = await lab.create({lineage: 'lab/import/openstack'}, artifact);
    expect(remote).toMatchObject({health: 'ready', status: 'active'});
    expect(asked()).toEqual(
      expect.arrayContaining(['PUT /v2/images/{id}/stage', 'POST /v2/images/{id}/import']),
    );
  });

  it('changes in place what differs, and nothing that is not its own', async () => {
    const artifact = lab.artifact(content());
    const opening = {lineage: 'lab/update/openstack', digest: artifact.digest};
    const before = {properties: {hw_video_model: 'qxl', cost_centre: '7'}, min_ram: '512MiB'};
    const {id} = await lab.create({...opening, register: before}, artifact);
    const after = await lab.open({
      ...opening,
      register: {name: 'renamed', properties: {hw_video_model: 'virtio'}, hidden: true},
    });
    const found = await only(after);
    expect(changesBetween(found.properties, after.properties)).toEqual([
      {name: 'cost_centre', from: '7'},
      {name: 'hw_video_model', from: 'qxl', to: 'virtio'},
      {name: 'min_ram', from: '512'},
      {name: 'name', from: 'web', to: 'renamed'},
      {name: 'os_hidden', from: 'false', to: 'true'},
    ]);
    const updated = await bringUpToDate(after);
    expect(updated).toMatchObject({id, name: 'renamed', health: 'ready', properties: after.properties});
    expect(await drift(after)).toEqual([]);
  });

  it('shares an image, tells who has accepted it, and takes it back', async () => {
    const artifact = lab.artifact(content());
    const opening = {lineage: 'lab/members/openstack', digest: artifact.digest};
    const shared = {members: [servers.projects.other]};
    const member = `member:${servers.projects.other}`;
    const {id, belongings} = await lab.create({...opening, register: shared}, artifact);
    expect(belongings).toEqual({[member]: 'pending'});

    await accept(id);
    asked();
    const sharing = await lab.open({...opening, register: shared});
    const found = await only(sharing);
    expect(found.belongings).toEqual({[member]: 'accepted'});
    expect(changesBetween(found.properties, sharing.properties)).toEqual([]);
    // Both at the same time.
    expect(asked().toSorted()).toEqual(['GET /v2/images', 'GET /v2/images/{id}/members']);

    const alone = await lab.open({...opening, register: {members: []}});
    expect((await bringUpToDate(alone)).belongings).toEqual({});
  });

  it('tells images of one name apart by their digests, and hides those that are superseded', async () => {
    const opening = {lineage: 'lab/several/openstack', register: {name: 'same'}};
    const [first, second] = [lab.artifact(content()), lab.artifact(content())];
    const old = await lab.create(opening, first);
    const young = await lab.create(opening, second);
    const registrar = await lab.open({...opening, digest: second.digest});
    const found = await registrar.find();
    expect(found.map(({id, name, mark}) => [id, name, mark?.digest])).toEqual([
      [young.id, 'same', second.digest],
      [old.id, 'same', first.digest],
    ]);

    await registrar.deprecate?.(old);
    expect((await registrar.find()).map(({id}) => id)).toEqual([young.id]);
    const retiring = await lab.open({
      lineage: opening.lineage,
      register: {name: 'same', deprecate_after: '30d'},
      digest: second.digest,
    });
    expect((await retiring.find()).map(({id, deprecated}) => [id, deprecated])).toEqual([
      [young.id, false],
      [old.id, true],
    ]);

    // It is wanted again, and nobody looked for hidden ones: its id leads to it.
    const back = await lab.create(opening, first);
    expect(back).toMatchObject({id: old.id, deprecated: false});
    expect((await registrar.find()).map(({id}) => id).toSorted()).toEqual([old.id, young.id].toSorted());
  });

  it('takes away what it protected itself, and leaves what somebody else protected', async () => {
    const artifact = lab.artifact(content());
    const opening = {lineage: 'lab/protected/openstack', digest: artifact.digest};
    const remote = await lab.create({...opening, register: {protected: true}}, artifact);
    expect(remote.properties['protected']).toBe('true');
    const registrar = await lab.open(opening);
    await registrar.remove(remote);
    expect(await registrar.get(remote.id)).toBeUndefined();
    await registrar.remove(remote);

    // The id of a deleted image is taken for ever.
    const again = await lab.create(opening, artifact);
    expect(again.id).not.toBe(remote.id);
    await patch(again.id, [{op: 'replace', path: '/protected', value: true}]);
    await expect(registrar.remove(again)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `Image ${again.id} is protected, and not by fgimage`,
    });
    await patch(again.id, [{op: 'replace', path: '/protected', value: false}]);
    await registrar.remove(again);
  });
});

describe('what went wrong', () => {
  it('goes on after a server that was killed half-way through an upload and started again', async () => {
    const artifact = lab.artifact(content(6 << 20));
    const killed = glance.hold(2 << 20).then(async () => {
      await servers.stopGlance();
      glance.release();
      await servers.startGlance();
    });
    const opening = {lineage: 'lab/killed-server/openstack', register: {method: 'upload'}};
    const remote = await lab.create(opening, artifact);
    await killed;
    expect(remote).toMatchObject({health: 'ready', status: 'active'});
    const registrar = await lab.open({...opening, digest: artifact.digest});
    expect((await registrar.find()).map(({id}) => id)).toEqual([remote.id]);
  });

  it('finds what a killed fgimage left half-way, and goes on with it', async () => {
    const artifact = lab.artifact(content(6 << 20));
    const opening = {
      lineage: 'lab/killed-client/openstack',
      register: {method: 'upload'},
      digest: artifact.digest,
    };
    const half = glance.hold(2 << 20);
    const child = createInChild(lab.request(opening), artifact);
    await half;
    glance.release();
    child.kill('SIGKILL');
    await once(child, 'exit');

    const registrar = await lab.open(opening);
    const unfinished = await only(registrar);
    expect(unfinished).toMatchObject({health: 'pending', mark: {digest: artifact.digest}});
    const remote = await registrar.create(artifact, silent, unfinished);
    expect(remote).toMatchObject({health: 'ready', status: 'active'});
    expect((await registrar.find()).map(({id}) => id)).toEqual([remote.id]);
  });

  it('gives up an image that stays in importing at the deadline, and can take it away', async () => {
    const artifact = lab.artifact(content());
    const opening = {lineage: 'lab/stuck/openstack', digest: artifact.digest};
    const {id} = await lab.create(opening, artifact);
    servers.setStatus(id, 'importing');
    const deadline = AbortSignal.timeout(1000);
    const patient = await openGlanceRegistrar(lab.request({...opening, signal: deadline}), usualTiming);
    const stuck = await only(patient);
    expect(stuck).toMatchObject({id, health: 'pending', status: 'importing'});
    await expect(patient.create(artifact, silent, stuck)).rejects.toMatchObject({
      name: expect.stringMatching(/AbortError|TimeoutError/) as string,
    });
    const cleaning = await lab.open(opening);
    const left = await cleaning.get(id);
    expect(left?.status).toBe('importing');
    await cleaning.remove(left ?? stuck);
    expect(await cleaning.find()).toEqual([]);
  });

  it('makes an image anew that nobody goes on with', async () => {
    const artifact = lab.artifact(content());
    const opening = {lineage: 'lab/anew/openstack', digest: artifact.digest};
    const {id} = await lab.create(opening, artifact);
    servers.setStatus(id, 'saving');
    const registrar = await lab.open(opening);
    const left = await only(registrar);
    const remote = await registrar.create(artifact, silent, left);
    expect(remote).toMatchObject({health: 'ready', status: 'active'});
    expect(remote.id).not.toBe(id);
    expect((await registrar.find()).map((one) => one.id)).toEqual([remote.id]);
  });

  it('does not take an image for ready whose bytes are others', async () => {
    const [artifact, other] = [lab.artifact(content()), lab.artifact(content())];
    const opening = {lineage: 'lab/damaged/openstack', digest: artifact.digest};
    const registrar = await lab.open(opening);
    const altered = {...artifact, folder: other.folder};
    const {id} = await registrar.create(altered, silent);
    await patch(id, [{op: 'add', path: '/fgimage_unverified', value: 'true'}]);
    const found = await only(registrar);
    expect(found.health).toBe('pending');
    await expect(registrar.create(artifact, silent, found)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `Image ${id} has another sha512 there than here`,
    });
    await registrar.remove(found);
  });

  it('repeats what Glance says of a quota', async () => {
    const artifact = lab.artifact(Buffer.alloc(quotaBytes + (1 << 20)));
    const opening = {lineage: 'lab/quota/openstack', register: {method: 'upload'}, digest: artifact.digest};
    const registrar = await lab.open(opening);
    await expect(registrar.create(artifact, silent)).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(/^Image \S+ cannot be uploaded: Glance answers 413: .*quota/) as string,
      hint: 'Take older images away (register.keep_last), or ask for a larger quota',
    });
    const left = await only(registrar);
    expect(left.status).toBe('queued');
    await registrar.remove(left);
  });

  it('repeats why an image may not be public, before anything is uploaded', async () => {
    asked();
    const creating = lab.create(
      {lineage: 'lab/public/openstack', register: {visibility: 'public'}},
      lab.artifact(content()),
    );
    await expect(creating).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: expect.stringMatching(/^Cannot make an image: Glance answers 403: /) as string,
      hint: 'Leave register.visibility out; whoever runs the cloud may publish the image later',
    });
    expect(asked()).toEqual(['POST /v2/images']);
  });
});

describe('credentials', () => {
  it('are kept as a token that only the same password finds', async () => {
    const lab = project();
    asked();
    await (await lab.open()).find();
    expect(asked()).toEqual(['POST /v3/auth/tokens', 'GET /v2/images']);
    const folder = join(lab.folder, 'run', 'fgimage');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual([0o600]);

    lab.writeClouds({lab: cloudOf('demo', {password: 'mistyped'})});
    await expect((await lab.open()).find()).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `Keystone does not accept the credentials of cloud lab of ${join(lab.folder, 'clouds.yaml')}: The request you have made requires authentication.`,
      hint: 'Check username, password, project and their domains',
    });
    lab.writeClouds({lab: cloudOf('demo')});
    asked();
    await (await lab.open()).find();
    expect(asked()).toEqual(['GET /v2/images']);
  });

  it('give a new token where the old one is not taken any more', async () => {
    const lab = project();
    const {env, signal} = lab.request({});
    const cloud = readCloud({projectDir: lab.folder, env});
    const grant = await authenticate(cloud, new HttpClient('Keystone'), signal);
    await keystone.call('DELETE', '/v3/auth/tokens', {
      token: grant.token,
      headers: {'x-subject-token': grant.token},
    });
    await new GrantCache(cloud, env).write(grant);
    asked();
    expect(await (await lab.open()).find()).toEqual([]);
    expect(asked()).toEqual(['POST /v3/auth/tokens', 'GET /v2/images', 'GET /v2/images']);
    expect(await (await lab.open()).find()).toEqual([]);
    expect(asked()).toEqual(['GET /v2/images']);
  });

  it('may be an application credential or a token', async () => {
    const lab = project();
    await (await lab.open()).find();
    const userToken = glance.lastToken;
    const {token} = await keystone.call('GET', '/v3/auth/tokens', {
      token: userToken,
      headers: {'x-subject-token': glance.lastToken},
    });
    const mine = `/v3/users/${String(fieldOf(fieldOf(token, 'user'), 'id'))}/application_credentials`;
    const {application_credential: made} = await keystone.call('POST', mine, {
      token: userToken,
      json: {application_credential: {name: 'fgimage'}},
    });
    const [id, secret] = [String(fieldOf(made, 'id')), String(fieldOf(made, 'secret'))];
    const auth = {
      auth_url: keystone.url,
      application_credential_id: id,
      application_credential_secret: secret,
    };
    lab.writeClouds({lab: {auth_type: 'v3applicationcredential', auth}});
    expect(await (await lab.open()).find()).toEqual([]);
    const env = {
      OS_AUTH_TYPE: 'token',
      OS_TOKEN: userToken,
      OS_AUTH_URL: keystone.url,
      OS_PROJECT_NAME: 'demo',
    };
    expect(await (await lab.open({env})).find()).toEqual([]);

    await keystone.call('DELETE', `${mine}/${id}`, {token: userToken});
    const refused = {
      code: 'REMOTE_REFUSED',
      hint: 'It may be mistyped, expired or deleted: "openstack application credential list" tells; make another one',
    };
    const source = `cloud lab of ${join(lab.folder, 'clouds.yaml')}`;
    await expect(lab.findElsewhere()).rejects.toMatchObject({
      ...refused,
      message: `Keystone does not accept the credentials of ${source}: Could not find Application Credential: ${id}.`,
    });
    const {application_credential: second} = await keystone.call('POST', mine, {
      token: userToken,
      json: {application_credential: {name: 'passing', secret, expires_at: '2100-01-01T00:00:00.000000'}},
    });
    const secondId = String(fieldOf(second, 'id'));
    servers.expire(secondId);
    lab.writeClouds({lab: {auth: {...auth, application_credential_id: secondId}}});
    await expect(lab.findElsewhere()).rejects.toMatchObject({
      ...refused,
      message: `Keystone does not accept the credentials of ${source}: The request you have made requires authentication.`,
    });
  });

  it('know no image service in another region', async () => {
    const lab = project();
    await expect((await lab.open({register: {region: 'R2'}})).find()).rejects.toMatchObject({
      code: 'REMOTE_REFUSED',
      message: `cloud lab of ${join(lab.folder, 'clouds.yaml')} has no image service in region R2`,
      hint: 'Did you mean R1? It has one in R1',
    });
  });

  it('go to nobody whose certificate is not trusted', async () => {
    const tls = selfSigned(root);
    await using secure = await Front.before(servers.keystonePort, tls);
    const cloud = cloudOf('demo', {auth_url: secure.url});
    const lab = project({lab: cloud});
    await expect((await lab.open()).find()).rejects.toMatchObject({
      code: 'REMOTE_UNREACHABLE',
      message: 'The certificate is not trusted: Keystone cannot be reached: self-signed certificate',
      hint: `Name the bundle with its CA as cacert of cloud lab of ${join(lab.folder, 'clouds.yaml')}, or with OS_CACERT`,
    });
    expect(secure.takeSeen()).toEqual([]);
    lab.writeClouds({lab: {...cloud, cacert: tls.file}});
    expect(await (await lab.open()).find()).toEqual([]);
    expect(secure.takeSeen()).toEqual(['POST /v3/auth/tokens']);
    lab.writeClouds({
      lab: {
        ...cloud,
        verify: false,
        region_name: region,
        auth: {...(cloud['auth'] as JsonObject), project_id: servers.projects.demo},
      },
    });
    expect(await (await lab.open()).find()).toEqual([]);
    expect(lab.warnings).toHaveLength(1);
  });
});

describe('fgimage register', () => {
  const spec = (register: string): string => `version: 1
name: web
os: {distribution: debian, release: bookworm, mirror: http://127.0.0.1:9/debian}
targets:
  openstack: {format: raw, register: ${register}}
policy: {level: off, tests: optional}
`;

  it('registers, keeps with one question, and says which cloud is not there', async () => {
    await using rig = new Rig({
      'fgimage.yaml': spec('{cloud: lab}'),
      'clouds.yaml': JSON.stringify({clouds: {lab: cloudOf('demo')}}),
    });
    fakeAllTools(rig);
    await seedCache(rig, {packages: ['systemd-sysv'], test: false, format: 'raw'});
    const first = await rig.run(['register']);
    expect(first).toMatchObject({code: 0, stderr: ''});
    expect(first.stdout).toContain(`at ${keystone.url}/v3 (project demo, region R1)`);
    asked();
    const second = await rig.run(['register', '--plan', '--detailed-exitcode']);
    expect(second).toMatchObject({code: 0, stderr: ''});
    expect(asked()).toEqual(['GET /v2/images']);

    rig.write({'fgimage.yaml': spec('{cloud: labb}')});
    const mistyped = await rig.run(['register']);
    expect(mistyped.code).toBe(2);
    expect(mistyped.stdout + mistyped.stderr).toMatch(
      /\/clouds\.yaml has no cloud labb\n\s+hint: Did you mean lab\? It has lab\n/,
    );
  });
});

it('keeps fgimage small while it uploads 1 GiB', async () => {
  const sizeBytes = 2 ** 30;
  const measured = await measureUpload(sizeBytes);
  expect(measured).toMatchObject({status: 'active', sizeBytes});
  expect(measured.memoryKiB).toBeLessThan(memoryLimitKiB);
});
