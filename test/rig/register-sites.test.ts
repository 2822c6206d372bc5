import {randomBytes} from 'node:crypto';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {EucalyptusPeer} from '../unit/targets/peers/eucalyptus-peer.ts';
import {alice, S3Peer} from '../unit/targets/peers/s3-peer.ts';
import {SiteFolder} from '../unit/targets/peers/site-folder.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {until} from './until.ts';

const account = '000123456789';
/** Two parts of a bundle. */
const disk = randomBytes(12 * 2 ** 20).toString('base64');

let keys: SiteFolder;
let cumulus: S3Peer;
let walrus: S3Peer;
let cloud: EucalyptusPeer;

beforeEach(async () => {
  keys = new SiteFolder();
  const certificates = keys.certificates();
  cumulus = await S3Peer.start({kind: 'cumulus', buckets: ['Repo']});
  walrus = await S3Peer.start({kind: 'walrus', base: '/services/objectstorage'});
  cloud = await EucalyptusPeer.start({store: walrus, user: alice, account, ...certificates});
});

afterEach(async () => {
  for (const server of [cloud, walrus, cumulus]) await server[Symbol.asyncDispose]();
  keys[Symbol.dispose]();
});

async function built(): Promise<Rig> {
  const rig = new Rig({
    'fgimage.yaml': `version: 1
name: web
os: {distribution: debian, release: bookworm, mirror: "http://127.0.0.1:9/debian"}
targets:
  nimbus: {register: {cloud_properties: cloud.properties}}
  eucalyptus: {register: {bucket: images, eucarc: eucarc}}
policy: {level: off, tests: optional}
`,
    'cloud.properties': `vws.repository=127.0.0.1:${cumulus.port}
vws.repository.canonicalid=3f1a
vws.repository.s3id=${alice.id}
vws.repository.s3key=${alice.secret}
`,
    eucarc: `export EC2_URL=${cloud.url}
export S3_URL=${walrus.url}
export EC2_ACCESS_KEY='${alice.id}'
export EC2_SECRET_KEY='${alice.secret}'
export EC2_USER_ID='${account}'
export EC2_CERT=${keys.join('user-cert.pem')}
export EC2_PRIVATE_KEY=${keys.join('user-key.pem')}
export EUCALYPTUS_CERT=${keys.join('cloud-cert.pem')}
`,
  });
  fakeAllTools(rig);
  // Both have the same initial RAM disk, made once.
  const contents = Object.fromEntries(
    ['nimbus', 'eucalyptus'].flatMap((name) => [
      [`pack:web/${name}`, {artifact: disk}],
      [`initramfs:web/${name}`, {'initrd.img': 'initrd'}],
    ]),
  ) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  await seedCache(rig, {packages: ['systemd-sysv'], test: false, format: 'raw', contents});
  return rig;
}

describe('fgimage register with sites of Nimbus and Eucalyptus', () => {
  it('goes on after a kill, asks once where nothing is to be done, and takes all away', async () => {
    await using rig = await built();
    const held: string[] = [];
    cumulus.fault = ({method, url = ''}) => {
      const isHeld = method === 'PUT' && /\/3f1a\/web-[0-9a-f]+$/.test(url);
      if (isHeld) held.push(url);
      return isHeld;
    };
    walrus.fault = ({method, url = ''}) => {
      const isHeld = method === 'PUT' && url.endsWith('.part.01');
      if (isHeld) held.push(url);
      return isHeld;
    };
    const running = rig.start(['register']);
    await until(() => held.length === 2 && walrus.keys('images').length === 1);
    running.kill('SIGKILL');
    await running.ended;
    cumulus.fault = () => false;
    walrus.fault = () => false;

    const plan = await rig.run(['register', '--plan']);
    expect(plan.stdout.match(/\+ finish the upload of/g)).toHaveLength(2);
    const before = walrus.requests.length;
    const again = await rig.run(['register']);
    expect(again).toMatchObject({code: 0, stderr: ''});
    expect(again.stdout.match(/registered \(upload resumed\) as web-[0-9a-f]{12}/g)).toHaveLength(2);
    const sent = walrus.requests.slice(before).filter((line) => line.startsWith('PUT'));
    expect(sent.map((line) => line.replace(/.*-machine\./, ''))).toEqual(['part.01', 'manifest.xml']);
    expect(cloud.images.map(({content, state}) => [content.toString() === disk, state])).toEqual([
      [true, 'available'],
    ]);

    const asked = () => [cumulus.requests.length, walrus.requests.length, cloud.actions.length] as const;
    const [first, second, third] = asked();
    expect(await rig.run(['register'])).toMatchObject({code: 0, stderr: ''});
    expect(asked()).toEqual([first + 1, second, third + 1]);
    expect(await rig.run(['registrations', '--check'])).toMatchObject({code: 0, stderr: ''});

    expect(await rig.run(['deregister', 'web'])).toMatchObject({code: 0, stderr: ''});
    expect([cumulus.keys('Repo'), walrus.keys('images')]).toEqual([[], []]);
    expect(cloud.images.map(({state}) => state)).toEqual(['deregistered']);
  });
});
