import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {openRegistrar} from '../../../targets/nimbus/register.ts';
import type {Registrar, RemoteImage} from '../../../targets/registrar.ts';
import {image} from '../../rig/images.ts';
import {type PeerObject, S3Peer} from './peers/s3-peer.ts';
import {Progress, SiteFolder} from './peers/site-folder.ts';

const digest = 'd'.repeat(64);
const lineage = 'my project/web/nimbus';
const disk = Buffer.alloc(300_000, 'disk');

interface Setting {
  readonly options?: JsonObject;
  readonly name?: string;
  readonly mark?: {readonly digest: string; readonly lineage: string};
  readonly signal?: AbortSignal;
}

/** A registrar as a user of the site has it, with cloud-client's own file. */
async function open(peer: S3Peer, folder: SiteFolder, setting: Setting = {}): Promise<Registrar> {
  folder.write({
    'cloud.properties': `
# From the site
vws.repository=127.0.0.1:${peer.port}
vws.repository.type=cumulus
vws.repository.s3basekey=VMS
vws.repository.s3bucket=Repo
vws.repository.canonicalid=3f1a
vws.repository.s3id=ALICE
vws.repository.s3key=alice+secret/=
`,
  });
  return openRegistrar({
    image: image(),
    target: 'nimbus',
    options: {register: {cloud_properties: 'cloud.properties'}, ...setting.options},
    name: setting.name ?? 'web-1',
    mark: setting.mark ?? {digest, lineage},
    projectDir: folder.path,
    env: {},
    signal: setting.signal ?? new AbortController().signal,
    warn: () => undefined,
  });
}

function start(): Promise<S3Peer> {
  return S3Peer.start({kind: 'cumulus', buckets: ['Repo']});
}

describe('the registrar of nimbus', () => {
  it('puts an image where Nimbus looks for it, and finds it again with one request', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const registrar = await open(peer, folder);
    expect(registrar.endpoint).toBe(`http://127.0.0.1:${peer.port}/Repo/VMS/3f1a`);
    await expect(registrar.find()).resolves.toEqual([]);
    const progress = new Progress();
    const made = await registrar.create(folder.artifact({'disk.raw': disk}), progress);
    expect(made).toMatchObject({
      id: 'VMS/3f1a/web-1',
      name: 'web-1',
      mark: {digest, lineage},
      health: 'ready',
      status: 'stored',
    });
    expect(progress.ids).toEqual(['VMS/3f1a/web-1']);
    const md5 = createHash('md5').update(disk).digest('hex');
    expect(peer.keys('Repo')).toEqual([
      `VMS/3f1a.fgimage/web-1/${digest}/${md5}/my%20project/web/nimbus`,
      'VMS/3f1a/web-1',
    ]);
    expect(peer.object('Repo', 'VMS/3f1a/web-1')?.bytes.equals(disk)).toBe(true);
    const before = peer.requests.length;
    await expect((await open(peer, folder)).find()).resolves.toEqual([made]);
    expect(peer.requests.slice(before)).toEqual(['GET /Repo?prefix=VMS%2F3f1a']);
    await expect(registrar.get(made.id)).resolves.toEqual(made);
  });

  it('gives images that nodes unpack the name that says so, and common ones to everybody', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const options = {
      compress: 'gzip',
      register: {cloud_properties: 'cloud.properties', common: true},
    };
    const registrar = await open(peer, folder, {options});
    const made = await registrar.create(folder.artifact({'disk.raw.gz': disk}), new Progress());
    expect(made).toMatchObject({id: 'VMS/common/web-1.gz', name: 'web-1'});
    expect(peer.object('Repo', 'VMS/common/web-1.gz')?.acl).toBe('public-read');
    await expect(registrar.find()).resolves.toEqual([made]);
  });

  it('tells what was begun, and finishes it', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const artifact = folder.artifact({'disk.raw': disk});
    const killed = new AbortController();
    peer.fault = ({method, url = ''}) => {
      if (method === 'PUT' && url.endsWith('/web-1')) killed.abort(new Error('killed'));
      return false;
    };
    const first = await open(peer, folder, {signal: killed.signal});
    await expect(first.create(artifact, new Progress())).rejects.toThrow('killed');
    peer.buckets.get('Repo')?.delete('VMS/3f1a/web-1');
    peer.fault = () => false;
    const registrar = await open(peer, folder);
    const [begun] = await registrar.find();
    expect(begun).toMatchObject({
      id: 'VMS/3f1a/web-1',
      health: 'pending',
      status: 'uploading',
      mark: {digest},
    });
    const made = await registrar.create(artifact, new Progress(), begun);
    await expect(registrar.find()).resolves.toEqual([made]);
  });

  it('sees that somebody has altered or deleted an image', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const registrar = await open(peer, folder);
    const {id} = await registrar.create(folder.artifact({'disk.raw': disk}), new Progress());
    const bucket = peer.buckets.get('Repo');
    const stored = peer.object('Repo', id) as PeerObject;
    bucket?.set(id, {...stored, md5: '0'.repeat(32)});
    await expect(registrar.get(id)).resolves.toMatchObject({
      health: 'broken',
      status: 'altered',
      reason: `its MD5 is ${'0'.repeat(32)}, and was ${stored.md5} when it was registered`,
    });
    bucket?.delete(id);
    await expect(registrar.get(id)).resolves.toMatchObject({health: 'pending'});
  });

  it("knows somebody else's image of the name from its own, and does not delete it", async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const registrar = await open(peer, folder);
    const {md5, ...rest} = {
      bytes: disk,
      md5: '1'.repeat(32),
      acl: 'private',
      metadata: {},
      modifiedAt: new Date(),
    };
    peer.buckets.get('Repo')?.set('VMS/3f1a/web-1', {...rest, md5});
    const found = await registrar.find();
    expect(found).toMatchObject([{id: 'VMS/3f1a/web-1', name: 'web-1', health: 'ready'}]);
    expect(found[0]).not.toHaveProperty('mark');
    // It took the name of one of ours, which is being removed.
    const ours: RemoteImage = {
      ...(found[0] as RemoteImage),
      mark: {digest, lineage},
      belongings: {mark: 'none'},
    };
    const key = `VMS/3f1a.fgimage/web-1/${digest}/${'2'.repeat(32)}/my%20project/web/nimbus`;
    peer.buckets.get('Repo')?.set(key, {...rest, md5});
    await registrar.remove({...ours, belongings: {mark: key}});
    expect(peer.keys('Repo')).toEqual(['VMS/3f1a/web-1']);
  });

  it('takes an image away with its mark, and what another lineage has stays', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const artifact = folder.artifact({'disk.raw': disk});
    const other = await open(peer, folder, {name: 'db-1', mark: {digest, lineage: 'my project/db/nimbus'}});
    await other.create(artifact, new Progress());
    const registrar = await open(peer, folder);
    const made = await registrar.create(artifact, new Progress());
    await expect(registrar.find()).resolves.toEqual([made]);
    await registrar.remove(made);
    await registrar.remove(made);
    expect(peer.keys('Repo').filter((key) => !key.includes('db-1'))).toEqual([]);
    await expect(other.find()).resolves.toHaveLength(1);
  });

  it('clears the mark away of what had the name before', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    const first = await open(peer, folder);
    await first.create(folder.artifact({'disk.raw': disk}), new Progress());
    const second = await open(peer, folder, {mark: {digest: 'e'.repeat(64), lineage}});
    const made = await second.create(folder.artifact({'disk.raw': Buffer.from('newer')}), new Progress());
    await expect(second.find()).resolves.toEqual([made]);
    expect(peer.keys('Repo')).toHaveLength(2);
  });

  it.each<[string, Partial<Setting>, (peer: S3Peer) => void, object]>([
    [
      'a bucket that is not there',
      {options: {register: {cloud_properties: 'cloud.properties', bucket: 'Other'}}},
      () => undefined,
      {
        code: 'REMOTE_REFUSED',
        message: expect.stringMatching(/^Cumulus at 127.0.0.1:\d+ has no bucket Other$/) as string,
      },
    ],
    [
      'a quota that is used up',
      {},
      (peer) => {
        peer.quotaBytes = 1000;
      },
      {
        kind: 'refused',
        message: expect.stringContaining(
          '403 AccountProblem: There is a problem with your account',
        ) as string,
        hint: 'Ask the administrator of the site: the quota may be used up.',
      },
    ],
    [
      'other bytes than were sent',
      {},
      (peer) => {
        peer.fault = ({method, url = ''}, response) => {
          if (method !== 'PUT' || !url.endsWith('/web-1')) return false;
          response.writeHead(200, {etag: `"${'0'.repeat(32)}"`}).end();
          return true;
        };
      },
      {
        kind: 'damaged',
        message: expect.stringContaining(`has other bytes of web-1: MD5 ${'0'.repeat(32)}`) as string,
      },
    ],
  ])('says what is wrong: %s', async (_what, setting, prepare, expected) => {
    await using peer = await start();
    using folder = new SiteFolder();
    prepare(peer);
    const registrar = await open(peer, folder, setting);
    const create = async () => {
      await registrar.find();
      await registrar.create(folder.artifact({'disk.raw': disk}), new Progress());
    };
    await expect(create()).rejects.toMatchObject(expected);
  });

  it('refuses names that are paths', async () => {
    await using peer = await start();
    using folder = new SiteFolder();
    await expect(async () => open(peer, folder, {name: '../other/web'})).rejects.toMatchObject({
      code: 'USAGE',
      message: 'Nimbus: "../other/web" cannot be the name of an image',
    });
  });
});
