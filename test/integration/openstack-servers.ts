import {execFile} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {Database} from '../../cache/sqlite.ts';
import {freePort, RealServer} from './remote-servers.ts';

/**
 * Debian's Keystone and Glance with SQLite and a file store, all below one folder. Keystone's catalog sends clients to
 * `imageUrl`, which may be a front that counts; Glance itself asks Keystone directly.
 */
export interface OpenStack extends AsyncDisposable {
  readonly keystonePort: number;
  readonly glancePort: number;
  readonly projects: {readonly demo: string; readonly other: string};
  /** Calls Keystone as its administrator. */
  readonly admin: (method: string, path: string, body?: unknown) => Promise<Record<string, never>>;
  /** Has Glance's database say what a worker leaves that died. */
  setStatus(id: string, status: string): void;
  /** Has an application credential expired since long. */
  expire(credential: string): void;
  stopGlance(): Promise<void>;
  startGlance(): Promise<void>;
}

export const region = 'R1';
export const passwords = {admin: 'admin-secret', demo: 'demo-secret', other: 'other-secret'} as const;
/** Of all images of a project. */
export const quotaBytes = 48 << 20;

export async function startOpenStack(
  folder: string,
  imageUrlOf: (ports: {readonly keystone: number; readonly glance: number}) => Promise<string>,
): Promise<OpenStack> {
  const keystonePort = await freePort();
  const glancePort = await freePort();
  const imageUrl = await imageUrlOf({keystone: keystonePort, glance: glancePort});
  writeConfiguration(folder, {keystonePort, glancePort});
  const glanceConfig = join(folder, 'glance.conf');
  await Promise.all([
    prepareKeystone(folder, `http://127.0.0.1:${keystonePort}/v3/`),
    run('glance-manage', ['--config-file', glanceConfig, 'db_sync']),
  ]);
  for (const name of ['keystone', 'glance']) {
    using database = new ClosingDatabase(join(folder, `${name}.db`));
    // Without it, two requests at a time make "database is locked".
    database.open.pragma('journal_mode = WAL');
  }
  const keystone = new RealServer(keystonePort, join(folder, 'keystone.log'));
  keystone.spawn([
    'env',
    `OS_KEYSTONE_CONFIG_DIR=${join(folder, 'keystone')}`,
    ...['keystone-wsgi-public', '--host', '127.0.0.1', '--port', String(keystonePort)],
  ]);
  let glance: RealServer | undefined;
  const stopGlance = async (): Promise<void> => {
    await glance?.[Symbol.asyncDispose]();
    glance = undefined;
  };
  const startGlance = async (): Promise<void> => {
    glance = new RealServer(glancePort, join(folder, 'glance.log'));
    glance.spawn(['glance-api', '--config-file', glanceConfig]);
    await glance.answers('/versions');
  };
  const dispose = async (): Promise<void> => {
    await stopGlance();
    await keystone[Symbol.asyncDispose]();
  };
  const setStatus = (id: string, status: string): void => {
    using database = new ClosingDatabase(join(folder, 'glance.db'));
    database.open.prepare('UPDATE images SET status = ? WHERE id = ?').run(status, id);
  };
  const expire = (credential: string): void => {
    using database = new ClosingDatabase(join(folder, 'keystone.db'));
    database.open.prepare('UPDATE application_credential SET expires_at = 1 WHERE id = ?').run(credential);
  };
  try {
    await Promise.all([keystone.answers('/v3'), startGlance()]);
    const admin = await administrator(`http://127.0.0.1:${keystonePort}/v3`);
    const projects = await populate(admin, imageUrl);
    return {
      keystonePort,
      glancePort,
      projects,
      admin,
      setStatus,
      expire,
      stopGlance,
      startGlance,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function writeConfiguration(
  folder: string,
  {keystonePort, glancePort}: {readonly keystonePort: number; readonly glancePort: number},
): void {
  for (const name of ['keystone', 'images', 'staging', 'tasks', 'state'])
    mkdirSync(join(folder, name), {recursive: true});
  writeFileSync(
    join(folder, 'keystone', 'keystone.conf'),
    `[DEFAULT]
log_file = ${folder}/keystone-api.log
[database]
connection = sqlite:///${folder}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = ${folder}/keystone/fernet
[credential]
key_repository = ${folder}/keystone/credential
[cache]
enabled = false
[identity]
password_hash_rounds = 4
`,
  );
  writeFileSync(
    join(folder, 'glance.conf'),
    `[DEFAULT]
bind_host = 127.0.0.1
bind_port = ${glancePort}
workers = 0
enabled_backends = one:file
enabled_import_methods = [glance-direct]
user_storage_quota = ${quotaBytes}
state_path = ${folder}/state
[database]
connection = sqlite:///${folder}/glance.db
[glance_store]
default_backend = one
[one]
filesystem_store_datadir = ${folder}/images
[os_glance_staging_store]
filesystem_store_datadir = ${folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = ${folder}/tasks
[keystone_authtoken]
auth_url = http://127.0.0.1:${keystonePort}/v3
www_authenticate_uri = http://127.0.0.1:${keystonePort}/v3
auth_type = password
username = admin
password = ${passwords.admin}
project_name = admin
user_domain_id = default
project_domain_id = default
interface = public
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[oslo_policy]
policy_dirs = ${folder}/policy.d
`,
  );
}

async function prepareKeystone(folder: string, identityUrl: string): Promise<void> {
  const config = ['--config-file', join(folder, 'keystone', 'keystone.conf')];
  // What "keystone-manage fernet_setup" and "credential_setup" make: 32 random bytes each, 0 the next and 1 the present one.
  for (const [kind, key] of ['fernet', 'credential'].flatMap(
    (kind) =>
      [
        [kind, '0'],
        [kind, '1'],
      ] as const,
  )) {
    mkdirSync(join(folder, 'keystone', kind), {recursive: true, mode: 0o700});
    const text = randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    writeFileSync(join(folder, 'keystone', kind, key), text, {mode: 0o600});
  }
  await run('keystone-manage', [...config, 'db_sync']);
  await run('keystone-manage', [
    ...[...config, 'bootstrap', '--bootstrap-password', passwords.admin, '--bootstrap-region-id', region],
    ...['--bootstrap-public-url', identityUrl, '--bootstrap-internal-url', identityUrl],
    ...['--bootstrap-admin-url', identityUrl],
  ]);
}

const execute = promisify(execFile);

async function run(command: string, args: readonly string[]): Promise<void> {
  await execute(command, args);
}

class ClosingDatabase implements Disposable {
  readonly open: InstanceType<typeof Database>;

  constructor(path: string) {
    this.open = new Database(path);
  }

  [Symbol.dispose](): void {
    this.open.close();
  }
}

async function administrator(url: string): Promise<OpenStack['admin']> {
  const user = {name: 'admin', domain: {id: 'default'}, password: passwords.admin};
  const login = {
    auth: {
      identity: {methods: ['password'], password: {user}},
      scope: {project: {name: 'admin', domain: {id: 'default'}}},
    },
  };
  const headers = {'content-type': 'application/json'};
  const answer = await fetch(`${url}/auth/tokens`, {method: 'POST', headers, body: JSON.stringify(login)});
  const token = answer.headers.get('x-subject-token') ?? '';
  return async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {...headers, 'x-auth-token': token},
      ...(body !== undefined && {body: JSON.stringify(body)}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Record<string, never>;
  };
}

/** Two projects, each with a user of its own who is a member, and the image service's entry in the catalog. */
async function populate(admin: OpenStack['admin'], imageUrl: string): Promise<OpenStack['projects']> {
  const {roles} = (await admin('GET', '/roles?name=member')) as {roles?: readonly {id: string}[]};
  const role = roles?.[0]?.id ?? '';
  const {service} = (await admin('POST', '/services', {service: {type: 'image', name: 'glance'}})) as {
    service?: {id: string};
  };
  await admin('POST', '/endpoints', {
    endpoint: {interface: 'public', region_id: region, url: imageUrl, service_id: service?.id},
  });
  const ids = {demo: '', other: ''};
  for (const name of ['demo', 'other'] as const) {
    const {project} = (await admin('POST', '/projects', {project: {name, domain_id: 'default'}})) as {
      project?: {id: string};
    };
    const {user} = (await admin('POST', '/users', {
      user: {name, domain_id: 'default', password: passwords[name]},
    })) as {user?: {id: string}};
    ids[name] = project?.id ?? '';
    await admin('PUT', `/projects/${ids[name]}/users/${user?.id ?? ''}/roles/${role}`);
  }
  return ids;
}
