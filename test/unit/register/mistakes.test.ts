import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it, vi} from 'vitest';
import {FgError} from '../../../src/errors.ts';
import {registrationError} from '../../../src/register/perform.ts';
import {openFor} from '../../../src/register/registration.ts';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import {loadSpec} from '../../../src/spec/load.ts';
import {targetFinder} from '../../../targets/registry.ts';

/** What people get wrong when they register, and what they read then: the reason, and the mend. */
interface Mistake {
  /** Below `version`, `name` and `os`; the first line is line 4. */
  readonly spec: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Files of the home folder and the project. */
  readonly files?: Readonly<Record<string, string>>;
}

const head = 'version: 1\nname: web\nos: {distribution: debian, release: bookworm}\n';

let folder: string;
let insecure: http.Server;
let secure: https.Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-mistakes-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const words = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost'];
  execFileSync('openssl', ['req', '-x509', ...words, '-keyout', key, '-out', certificate], {stdio: 'ignore'});
  const {readFileSync} = await import('node:fs');
  insecure = http.createServer(answer);
  secure = https.createServer({key: readFileSync(key), cert: readFileSync(certificate)}, answer);
  for (const server of [insecure, secure])
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});

/** The SDK of AWS looks for these itself. */
const withoutAws = Object.fromEntries(
  ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION'].map(
    (name) => [name, undefined],
  ),
);

afterEach(() => {
  vi.unstubAllEnvs();
});

afterAll(() => {
  for (const server of [insecure, secure]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, {recursive: true, force: true});
});

/** A Keystone that says no to /refusing, and knows a cloud without an image service; any other service answers 403. */
function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume();
  const {url = ''} = request;
  if (url.startsWith('/regions/')) {
    response.writeHead(201, {'x-subject-token': 'token', 'content-type': 'application/json'});
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const endpoints = ['north', 'south'].map((region) => ({
      interface: 'public',
      region,
      region_id: region,
      url: 'http://127.0.0.1:9',
    }));
    const catalog = [{type: 'image', name: 'glance', endpoints}];
    response.end(JSON.stringify({token: {expires_at: expires, project: {id: 'p'}, catalog}}));
    return;
  }
  const refusing = url.startsWith('/refusing/');
  response.writeHead(refusing ? 401 : 403, {'content-type': 'application/json'});
  const message = refusing ? 'The request you have made requires authentication.' : 'no';
  response.end(JSON.stringify({error: {code: 401, message, title: 'Unauthorized'}}));
}

/** The text of what is said, with ports and folders by name. */
async function told({spec, env = {}, files = {}}: Mistake): Promise<string> {
  const dir = mkdtempSync(join(folder, 'case-'));
  const [project, home] = [join(dir, 'project'), join(dir, 'home')];
  for (const [path, text] of Object.entries({
    'project/fgimage.yaml': head + spec,
    'home/.keep': '',
    ...files,
  })) {
    mkdirSync(dirname(join(dir, path)), {recursive: true});
    writeFileSync(join(dir, path), named(text, 'in'));
  }
  const given = Object.fromEntries(Object.entries(env).map(([name, text]) => [name, named(text, 'in')]));
  const text = await messageOf(project, {HOME: home, XDG_RUNTIME_DIR: home, PATH: '/usr/bin:/bin', ...given});
  return named(text.replaceAll(dir, ''), 'out');
}

function named(text: string, way: 'in' | 'out'): string {
  const ports = [
    ['INSECURE', insecure],
    ['SECURE', secure],
  ] as const;
  return ports.reduce((now, [name, server]) => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    return way === 'in' ? now.replaceAll(`:${name}`, `:${port}`) : now.replaceAll(`:${port}`, `:${name}`);
  }, text);
}

async function messageOf(project: string, env: Readonly<Record<string, string>>): Promise<string> {
  const loaded = await loadSpec({file: 'fgimage.yaml', cwd: project});
  if (!loaded.ok) {
    const [first = ''] = formatDiagnostics(loaded.error.slice(0, 1), {color: false}).split('\n\n');
    return first
      .split('\n')
      .filter((line) => /error:|mend:/.test(line))
      .join('\n');
  }
  const {images, projectDir} = loaded.value;
  const [image] = images;
  const [target] = image?.targets ?? [];
  if (image === undefined || target === undefined) throw new Error('The spec has no target');
  const {registrar: openRegistrar, usualName = '{image}'} = (await targetFinder(projectDir, []))(target.type);
  if (openRegistrar === undefined) throw new Error('The target has no registration');
  const {name, type, options} = target;
  const digest = '0'.repeat(64);
  const mark = {digest, lineage: `web/web/${name}`};
  const task = {image, target: name, type, options, usualName, openRegistrar, projectDir, ...mark};
  const registrations = undefined as never;
  const warn = (): void => undefined;
  const {signal} = new AbortController();
  try {
    for (const [variable, text] of Object.entries({...withoutAws, ...env})) vi.stubEnv(variable, text);
    const registrar = await openFor(task, {registrations, env, warn}, signal);
    await registrar.find();
    throw new Error('Nothing was wrong');
  } catch (error) {
    const fault = registrationError(error);
    if (!(fault instanceof FgError)) throw fault;
    return `${fault.code} ${fault.message}\nmend: ${fault.hint ?? ''}`;
  }
}

const keystone = (path: string, scheme = 'http'): Readonly<Record<string, string>> => ({
  OS_AUTH_URL: `${scheme}://127.0.0.1:${scheme === 'http' ? 'INSECURE' : 'SECURE'}${path}/v3`,
  OS_USERNAME: 'ada',
  OS_PASSWORD: 'secret-canary',
  OS_PROJECT_NAME: 'lab',
});
const clouds =
  'clouds:\n  lab: {auth: {auth_url: "http://127.0.0.1:9/v3", username: a, password: b, project_name: p}}\n';
const openstack = (register: string): string => `targets: {openstack: {register: {${register}}}}\n`;
const ec2 = (register: string): string => `targets: {ec2: {register: {region: eu-west-1, ${register}}}}\n`;
const noAws = {AWS_EC2_METADATA_DISABLED: 'true'};

const mistakes: Readonly<Record<string, Mistake>> = {
  'an option that is misspelt': {spec: openstack('visiblity: public')},
  'a word in a name that stands for nothing': {spec: openstack('name: "web-{version}"')},
  'a number that is too small': {spec: openstack('keep_last: 0')},
  'a time that is none': {spec: openstack('timeout: soon')},
  'a property that Glance has for itself': {spec: openstack('properties: {id: a}')},
  'a visibility that is none': {spec: openstack('visibility: secret')},
  'no OpenStack cloud at all': {spec: openstack('')},
  'a cloud without a clouds.yaml': {spec: openstack('cloud: lab')},
  'a cloud that clouds.yaml does not have': {
    spec: openstack('cloud: leb'),
    files: {'project/clouds.yaml': clouds},
  },
  'a clouds.yaml that is no YAML': {
    spec: openstack('cloud: lab'),
    files: {'project/clouds.yaml': 'clouds: {lab: ['},
  },
  'no password': {
    spec: openstack(''),
    env: {OS_AUTH_URL: 'http://127.0.0.1:9/v3', OS_USERNAME: 'ada', OS_PROJECT_NAME: 'lab'},
  },
  'a CA bundle that is not there': {
    spec: openstack(''),
    env: {...keystone('', 'https'), OS_CACERT: '/nowhere/ca.pem'},
  },
  'a credential that has expired, or a wrong password': {spec: openstack(''), env: keystone('/refusing')},
  'a certificate that nobody trusts': {spec: openstack(''), env: keystone('', 'https')},
  'a region that the cloud does not have': {
    spec: openstack('region: west'),
    env: keystone('/regions'),
  },
  'nobody listening': {
    spec: openstack(''),
    env: {...keystone(''), OS_AUTH_URL: 'http://127.0.0.1:9/v3'},
  },
  'no AWS credentials': {spec: ec2(''), env: noAws},
  'an AWS profile that is not there': {spec: ec2('profile: lab'), env: noAws},
  'no AWS region': {spec: 'targets: {ec2: {register: {}}}\n', env: noAws},
  'a volume type that is none': {spec: ec2('volume_type: gp9')},
  'an import without a bucket': {spec: ec2('method: import-snapshot')},
  'an account that is none': {spec: ec2('launch_permissions: {users: ["1234"]}')},
  'no ONE_AUTH': {spec: 'targets: {opennebula: {register: {}}}\n'},
  'a ONE_AUTH without a password': {
    spec: 'targets: {opennebula: {register: {}}}\n',
    files: {'home/.one/one_auth': 'oneadmin\n'},
  },
  'permissions that are none': {spec: 'targets: {opennebula: {register: {permissions: "999"}}}\n'},
  'a bucket name that is none': {spec: 'targets: {eucalyptus: {register: {bucket: B_}}}\n'},
  'an eucarc without an address': {
    spec: 'targets: {eucalyptus: {register: {bucket: images, eucarc: eucarc}}}\n',
    files: {'project/eucarc': 'export EC2_ACCESS_KEY=a\nexport EC2_SECRET_KEY=b\n'},
  },
  'a cloud.properties that says too little': {
    spec: 'targets: {nimbus: {register: {}}}\n',
    files: {'home/.nimbus/cloud.properties': 'vws.repository=cumulus.example.org:8888\n'},
  },
  'a repository with a tag': {
    spec: 'targets: {oci: {register: {repository: "registry.example.org/web:1"}}}\n',
  },
  'a registry that lets nobody in': {
    spec: 'targets: {oci: {register: {repository: "127.0.0.1:INSECURE/team/web", plain_http: true}}}\n',
  },
  'a pool that is not there': {spec: 'targets: {libvirt: {register: {pool: /nowhere/pool}}}\n'},
  'nowhere to put a file': {spec: 'targets: {vagrant: {}}\n'},
  'a disk that Azure does not take': {spec: 'targets: {azure: {size: 2TiB}}\n'},
  'swap on a disk for Azure': {spec: 'targets: {azure: {}}\nstorage: {swap: 1GiB}\n'},
  'a loader that the firmware cannot start': {
    spec: 'targets: {openstack: {firmware: bios}}\nstorage: {loader: systemd-boot}\n',
  },
  'two file systems in one place': {
    spec: 'targets: {openstack: {}}\nstorage:\n  mounts:\n    - {path: /srv, size: 1GiB}\n    - {path: /srv, size: 2GiB}\n',
  },
  'a target of the project that is not there': {spec: 'targets: {mine: {type: ./targets/none}}\n'},
};

describe('what people read when they registered wrongly', () => {
  it.each(Object.entries(mistakes))('%s', async (_, mistake) => {
    const text = await told(mistake);
    expect(text).not.toContain('canary');
    expect(text).toMatch(/mend: \S/);
    expect(text).toMatchSnapshot();
  });
});
