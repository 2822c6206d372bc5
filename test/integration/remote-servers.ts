import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, mkdirSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {type AddressInfo, createServer} from 'node:net';
import {join} from 'node:path';
import {setTimeout as wait} from 'node:timers/promises';

/** A server of this test: its processes end with its scope. */
export class RealServer implements AsyncDisposable {
  readonly port: number;
  readonly #log: string;
  readonly #children: ChildProcess[] = [];

  constructor(port: number, log: string) {
    this.port = port;
    this.#log = log;
  }

  spawn(command: readonly [string, ...string[]]): void {
    const [program, ...args] = command;
    const log = openSync(this.#log, 'a');
    // A group of its own: servers start workers.
    this.#children.push(spawn(program, args, {stdio: ['ignore', log, log], detached: true}));
    closeSync(log);
  }

  /** Waits until a URL answers. Throws with the server's own words when it does not. */
  async answers(path: string, port = this.port): Promise<void> {
    const until = Date.now() + 60_000;
    while (Date.now() < until) {
      if (this.#children.some(({exitCode, signalCode}) => exitCode !== null || signalCode !== null)) break;
      const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined);
      if (response !== undefined && response.status < 500) return;
      await wait(100); // What another program does gives no event.
    }
    throw new Error(`A server does not start:\n${readFileSync(this.#log, 'utf8').slice(-3000)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      process.kill(-child.pid, 'SIGKILL');
      await ended;
    }
  }
}

/** Debian's docker-registry (distribution 2.8), its data below `folder`; `htpasswd`: a file of who may. */
export async function startRegistry(
  folder: string,
  htpasswd?: string,
  {mayDelete = true} = {},
): Promise<RealServer> {
  const port = await freePort();
  mkdirSync(folder, {recursive: true});
  const auth = htpasswd === undefined ? '' : `auth: {htpasswd: {realm: cache, path: ${htpasswd}}}\n`;
  writeFileSync(
    join(folder, 'config.yml'),
    `version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: ${mayDelete}}}
http: {addr: "127.0.0.1:${port}"}
${auth}`,
  );
  const server = new RealServer(port, join(folder, 'log'));
  server.spawn(['docker-registry', 'serve', join(folder, 'config.yml')]);
  await server.answers('/v2/');
  return server;
}

/** nginx with its WebDAV module: a plain server that takes PUT. */
export async function startWebServer(folder: string): Promise<RealServer> {
  const port = await freePort();
  mkdirSync(join(folder, 'data'), {recursive: true});
  mkdirSync(join(folder, 'tmp'));
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/tmp/${name};`,
  );
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user}
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${places.join('\n  ')}
  client_max_body_size 0;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/data;
    location /cache/ {
      dav_methods PUT;
      create_full_put_path on;
    }
  }
}
`,
  );
  const server = new RealServer(port, join(folder, 'log'));
  server.spawn(['nginx', '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')]);
  await server.answers('/');
  return server;
}

/** Who may use Swift, as its S3 API and tempauth know them. */
export const s3Credentials = {AWS_ACCESS_KEY_ID: 'test:tester', AWS_SECRET_ACCESS_KEY: 'testing'};

/**
 * OpenStack Swift with its S3 API, one device. Needs root: Swift reads `/etc/swift/swift.conf` from no other place, so
 * its processes get an own `/etc/swift` in mount namespaces of their own.
 */
export async function startSwift(folder: string): Promise<RealServer> {
  const etc = join(folder, 'etc');
  mkdirSync(etc, {recursive: true});
  mkdirSync(join(folder, 'devices', 'one'), {recursive: true});
  mkdirSync(join(folder, 'run'));
  const kinds = ['account', 'container', 'object'] as const;
  const ports = await Promise.all([...kinds, 'proxy'].map(freePort));
  const common = (port: number | undefined): string => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port ?? 0}
user = ${process.getuid?.() === 0 ? 'root' : 'swift'}
swift_dir = ${etc}
workers = 0
log_level = WARNING
`;
  writeFileSync(
    join(etc, 'swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = fgimage\n[storage-policy:0]\nname = one\ndefault = yes\n',
  );
  for (const [index, kind] of kinds.entries()) {
    const port = ports[index];
    const builder = join(etc, `${kind}.builder`);
    for (const args of [
      ['create', '4', '1', '1'],
      ['add', `r1z1-127.0.0.1:${port ?? 0}/one`, '1'],
      ['rebalance'],
    ]) {
      execFileSync('swift-ring-builder', [builder, ...args], {stdio: 'ignore'});
    }
    writeFileSync(
      join(etc, `${kind}.conf`),
      `${common(port)}devices = ${folder}/devices
mount_check = false
[pipeline:main]
pipeline = healthcheck ${kind}-server
[filter:healthcheck]
use = egg:swift#healthcheck
[app:${kind}-server]
use = egg:swift#${kind}
`,
    );
  }
  const [port = 0] = ports.slice(-1);
  writeFileSync(
    join(etc, 'proxy.conf'),
    `${common(port)}[pipeline:main]
pipeline = catch_errors healthcheck cache s3api tempauth slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:9
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
`,
  );
  const server = new RealServer(port, join(folder, 'log'));
  for (const [index, kind] of [...kinds, 'proxy'].entries()) {
    const script = 'mount --bind "$0" /etc/swift && exec "$@"';
    const command = [`swift-${kind}-server`, join(etc, `${kind}.conf`)];
    server.spawn(['unshare', '--mount', '--kill-child', 'sh', '-c', script, etc, ...command]);
    // The proxy gives up devices that do not answer at first.
    if (index >= kinds.length - 1) {
      for (const up of ports.slice(0, index + 1)) await server.answers('/healthcheck', up);
    }
  }
  return server;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
