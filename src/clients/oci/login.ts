import {readFileSync} from 'node:fs';
import {join} from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `user:password` for a registry from the `auths` of docker's config.json, or podman's auth.json, which has the same
 * form; undefined where there is none. Credential helpers are not run.
 */
export function registryLogin(host: string, env: Environment): string | undefined {
  for (const path of authFiles(env)) {
    const login = loginFrom(path, host);
    if (login !== undefined) return login;
  }
  return undefined;
}

function authFiles(env: Environment): readonly string[] {
  const {REGISTRY_AUTH_FILE: named, XDG_RUNTIME_DIR: runtime, DOCKER_CONFIG: docker, HOME: home} = env;
  const dockerFolder = docker ?? (home === undefined ? undefined : join(home, '.docker'));
  return [
    ...(named === undefined ? [] : [named]),
    ...(runtime === undefined ? [] : [join(runtime, 'containers', 'auth.json')]),
    ...(dockerFolder === undefined ? [] : [join(dockerFolder, 'config.json')]),
  ];
}

function loginFrom(path: string, host: string): string | undefined {
  const auths = member(parse(path), 'auths');
  if (typeof auths !== 'object' || auths === null) return undefined;
  for (const [name, entry] of Object.entries(auths)) {
    // Old files have whole URLs: https://registry.example.org/v1/
    if (name.replace(/^https?:\/\//, '').replace(/\/.*$/, '') !== host) continue;
    const auth = member(entry, 'auth');
    if (typeof auth === 'string' && auth !== '') return Buffer.from(auth, 'base64').toString('utf8');
    const user = member(entry, 'username');
    const password = member(entry, 'password');
    if (typeof user === 'string' && typeof password === 'string') return `${user}:${password}`;
  }
  return undefined;
}

/** A file that is not there, or not JSON, gives no login; the registry then says what it wants. */
function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
